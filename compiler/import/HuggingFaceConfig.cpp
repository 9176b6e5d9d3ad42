// SPDX-License-Identifier: Apache-2.0
// config.json in normal form, and errors for what no model description expresses.
#include "compiler/import/HuggingFaceConfig.h"
#include "ir/Try.h"
#include "llvm/ADT/StringSwitch.h"

namespace sinter {

namespace {

class Normalizer {
public:
  Normalizer(const SourceFile &file, llvm::json::Object &config) : file(file), config(config), reader(file, config) {}

  llvm::Error run(llvm::StringRef tensorDtype) {
    using Step = llvm::Error (Normalizer::*)();
    for (Step step : {&Normalizer::checkSupported, &Normalizer::checkWindow, &Normalizer::checkTypes,
                      &Normalizer::setHeads, &Normalizer::setFlags})
      TRY((this->*step)());
    TRY(setDtype(tensorDtype));
    TRY_ASSIGN(rope, ropeConfig(file, config));
    config["rope"] = std::move(rope);
    return llvm::Error::success();
  }

private:
  bool isFamily(llvm::StringRef architecture) const {
    const llvm::json::Array *names = config.getArray("architectures");
    return names && !names->empty() && names->front().getAsString() == architecture;
  }

  llvm::Error checkSupported() {
    TRY_ASSIGN(act, reader.string("hidden_act"));
    if (act.value_or("silu") != "silu")
      return reader.bad("hidden_act", "'silu'", quoted(*act));
    if (reader.get("quantization_config"))
      return reader.bad("quantization_config", "none (float safetensors, or a GGUF file for quantized weights)", "one");
    return llvm::Error::success();
  }

  /// Qwen's configs state a window that is only used with use_sliding_window, from layer max_window_layers on.
  llvm::Error checkWindow() {
    if (const llvm::json::Value *types = reader.get("layer_types")) {
      const llvm::json::Array *array = types->getAsArray();
      if (!array)
        return reader.bad("layer_types", "an array", describe(*types));
      for (const llvm::json::Value &type : *array)
        if (type.getAsString() != "full_attention")
          return reader.bad("layer_types", "'full_attention' in every layer", describe(type));
      return llvm::Error::success();
    }
    TRY_ASSIGN(used, reader.boolean("use_sliding_window"));
    TRY_ASSIGN(window, reader.integer("sliding_window"));
    TRY_ASSIGN(from, reader.integer("max_window_layers"));
    TRY_ASSIGN(layers, reader.integer("num_hidden_layers"));
    constexpr int64_t qwenDefault = 28;
    if (used.value_or(false) && window && from.value_or(qwenDefault) < layers.value_or(INT64_MAX))
      return reader.bad("use_sliding_window", "false (full attention in every layer)", "true");
    return llvm::Error::success();
  }

  /// Keys whose type every description relies on, where they are given.
  llvm::Error checkTypes() {
    for (llvm::StringRef key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                                "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings"}) {
      TRY_ASSIGN(value, reader.integer(key));
      constexpr int64_t largest = int64_t(1) << 31;
      if (value && (*value < 1 || *value > largest))
        return reader.bad(key, "an integer from 1 to 2^31", llvm::Twine(*value));
    }
    TRY_ASSIGN(eps, reader.number("rms_norm_eps"));
    if (eps && !(*eps > 0))
      return reader.bad("rms_norm_eps", "a number above 0", describe(*reader.get("rms_norm_eps")));
    return llvm::Error::success();
  }

  llvm::Error setHeads() {
    auto heads = llvm::cantFail(reader.integer("num_attention_heads"));
    auto hidden = llvm::cantFail(reader.integer("hidden_size"));
    if (!reader.get("num_key_value_heads") && heads)
      config["num_key_value_heads"] = *heads;
    if (reader.get("head_dim"))
      return llvm::Error::success();
    // Qwen3Config's default is a number, the other families' is hidden_size / num_attention_heads.
    if (isFamily("Qwen3ForCausalLM")) {
      config["head_dim"] = 128;
    } else if (heads && hidden) {
      if (*hidden % *heads)
        return reader.bad("hidden_size",
                          "a multiple of num_attention_heads " + llvm::Twine(*heads) + " (or a head_dim)",
                          llvm::Twine(*hidden));
      config["head_dim"] = *hidden / *heads;
    }
    return llvm::Error::success();
  }

  /// The families we know have these false unless they say otherwise (transformers' LlamaConfig, Qwen2Config, ...).
  llvm::Error setFlags() {
    for (llvm::StringRef key : {"tie_word_embeddings", "attention_bias", "mlp_bias"}) {
      TRY_ASSIGN(value, reader.boolean(key));
      config[key] = value.value_or(false);
    }
    return llvm::Error::success();
  }

  llvm::Error setDtype(llvm::StringRef tensorDtype) {
    llvm::StringRef key = reader.get("dtype") ? "dtype" : "torch_dtype";
    TRY_ASSIGN(given, reader.string(key));
    llvm::StringRef name = given ? llvm::StringRef(*given) : "auto";
    name.consume_front("torch.");
    bool known = llvm::StringSwitch<bool>(name).Cases("auto", "float32", "float16", "bfloat16", true).Default(false);
    if (!known)
      return reader.bad(key, "'float32', 'float16' or 'bfloat16'", quoted(name));
    config["dtype"] = (name == "auto" ? tensorDtype : name).str();
    return llvm::Error::success();
  }

  const SourceFile &file;
  llvm::json::Object &config;
  ConfigReader reader;
};

} // namespace

llvm::Error normalizeConfig(const SourceFile &file, llvm::json::Object &config, llvm::StringRef tensorDtype) {
  return Normalizer(file, config).run(tensorDtype);
}

} // namespace sinter
