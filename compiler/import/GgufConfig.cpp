// SPDX-License-Identifier: Apache-2.0
// config.json's keys from GGUF's metadata.
#include "compiler/import/Floats.h"
#include "compiler/import/GgufModel.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

constexpr GgufFamily families[] = {
    {"llama", "LlamaForCausalLM", true}, {"qwen2", "Qwen2ForCausalLM", false}, {"qwen3", "Qwen3ForCausalLM", false}};

struct KeyPair {
  llvm::StringLiteral gguf, huggingFace;
};
constexpr KeyPair integerKeys[] = {{"block_count", "num_hidden_layers"},
                                   {"embedding_length", "hidden_size"},
                                   {"feed_forward_length", "intermediate_size"},
                                   {"attention.head_count", "num_attention_heads"},
                                   {"attention.head_count_kv", "num_key_value_heads"},
                                   {"attention.key_length", "head_dim"},
                                   {"context_length", "max_position_embeddings"}};

/// Metadata that changes the computation in ways no description has, when it is not zero.
constexpr llvm::StringLiteral unsupportedKeys[] = {"expert_count",    "attention.sliding_window", "attention.clamp_kqv",
                                                   "attention.scale", "attention.max_alibi_bias", "logit_scale",
                                                   "residual_scale",  "embedding_scale"};

class ConfigBuilder {
public:
  ConfigBuilder(const GgufFile &gguf, const GgufFamily &family, const SourceFile &file)
      : gguf(gguf), metadata(gguf.metadata), family(family), file(file) {}

  llvm::Expected<llvm::json::Object> build() {
    config["architectures"] = llvm::json::Array{family.architecture};
    config["model_type"] = family.name;
    config["hidden_act"] = "silu";
    // Activations are float32 in GGUF models, whatever the weights are stored in.
    config["dtype"] = "float32";
    using Step = llvm::Error (ConfigBuilder::*)();
    for (Step step : {&ConfigBuilder::checkSupported, &ConfigBuilder::setIntegers, &ConfigBuilder::setHeads,
                      &ConfigBuilder::setEps, &ConfigBuilder::setRope})
      TRY((this->*step)());
    setFromTensors();
    return std::move(config);
  }

private:
  std::string key(llvm::StringRef name) const { return (family.name + "." + name).str(); }

  llvm::Error checkSupported() {
    TRY_ASSIGN(parts, metadata.integer("split.count"));
    if (parts.value_or(1) > 1)
      return metadata.bad("split.count", "one whole file (join the parts with llama-gguf-split --merge)",
                          llvm::formatv("one of {0} parts", *parts).str());
    for (llvm::StringRef name : unsupportedKeys) {
      TRY_ASSIGN(value, metadata.number(key(name)));
      if (value.value_or(0) != 0)
        return metadata.bad(key(name), "0 or no such key (nothing here computes it)", decimal(*value));
    }
    return llvm::Error::success();
  }

  llvm::Error setIntegers() {
    for (const auto &[ggufKey, huggingFaceKey] : integerKeys) {
      TRY_ASSIGN(value, metadata.integer(key(ggufKey)));
      constexpr int64_t largest = int64_t(1) << 31;
      if (value && (*value < 1 || *value > largest))
        return metadata.bad(key(ggufKey), "an integer from 1 to 2^31", llvm::Twine(*value));
      if (value)
        config[huggingFaceKey] = *value;
    }
    return llvm::Error::success();
  }

  llvm::Error setHeads() {
    std::optional<int64_t> heads = config.getInteger("num_attention_heads"), hidden = config.getInteger("hidden_size");
    if (heads && !config.get("num_key_value_heads"))
      config["num_key_value_heads"] = *heads;
    if (heads && hidden && !config.get("head_dim")) {
      if (*hidden % *heads)
        return metadata.bad(key("embedding_length"), llvm::formatv("a multiple of {0} heads", *heads).str(),
                            llvm::Twine(*hidden));
      config["head_dim"] = *hidden / *heads;
    }
    std::optional<int64_t> headDim = config.getInteger("head_dim");
    for (llvm::StringRef name : {"attention.value_length", "rope.dimension_count"}) {
      TRY_ASSIGN(value, metadata.integer(key(name)));
      if (value && headDim && *value != *headDim)
        return metadata.bad(key(name), llvm::formatv("the size of a head, {0}", *headDim).str(), llvm::Twine(*value));
    }
    return llvm::Error::success();
  }

  llvm::Error setEps() {
    TRY_ASSIGN(eps, metadata.number(key("attention.layer_norm_rms_epsilon")));
    if (eps && !(*eps > 0))
      return metadata.bad(key("attention.layer_norm_rms_epsilon"), "a number above 0", decimal(*eps));
    if (eps)
      config["rms_norm_eps"] = *eps;
    return llvm::Error::success();
  }

  llvm::Error setRope() {
    TRY_ASSIGN(rope, ggufRope(gguf, family, file, config.getInteger("head_dim")));
    config["rope"] = std::move(rope);
    return llvm::Error::success();
  }

  void setFromTensors() {
    auto find = [&](llvm::StringRef name) {
      return llvm::find_if(gguf.tensors, [&](const GgufTensor &tensor) { return tensor.name == name; });
    };
    auto has = [&](llvm::StringRef name) { return find(name) != gguf.tensors.end(); };
    if (has("token_embd.weight"))
      config["vocab_size"] = find("token_embd.weight")->type.dim(0).number();
    config["tie_word_embeddings"] = !has("output.weight");
    // Qwen 2 always has a bias on Q, K and V; its configs have no key for it.
    config["attention_bias"] = family.name != "qwen2" && has("blk.0.attn_q.bias");
    config["mlp_bias"] = has("blk.0.ffn_gate.bias");
  }

  const GgufFile &gguf;
  const GgufMetadata &metadata;
  const GgufFamily &family;
  const SourceFile &file;
  llvm::json::Object config;
};

} // namespace

llvm::Expected<const GgufFamily *> findGgufFamily(const GgufMetadata &metadata, const SourceFile &file) {
  constexpr llvm::StringLiteral key = "general.architecture";
  TRY_ASSIGN(name, metadata.string(key));
  if (!name)
    return file.error("expected metadata 'general.architecture', found none");
  std::string known;
  llvm::ListSeparator comma;
  for (const GgufFamily &family : families) {
    if (family.name == *name)
      return &family;
    (known += llvm::StringRef(comma)) += family.name;
  }
  return metadata.bad(key, "one of " + known, quoted(*name));
}

llvm::Expected<llvm::json::Object> ggufConfig(const GgufFile &gguf, const GgufFamily &family, const SourceFile &file) {
  return ConfigBuilder(gguf, family, file).build();
}

} // namespace sinter
