// SPDX-License-Identifier: Apache-2.0
// GGUF's tensors under Hugging Face's names, in Hugging Face's row order.
#include "compiler/import/GgufModel.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

struct NamePair {
  llvm::StringLiteral gguf, huggingFace;
};
constexpr NamePair outerNames[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
constexpr NamePair layerNames[] = {{"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
                                   {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
                                   {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
                                   {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
                                   {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
                                   {"ffn_down", "mlp.down_proj"}};

std::optional<llvm::StringRef> lookUp(llvm::ArrayRef<NamePair> names, llvm::StringRef gguf) {
  const NamePair *found = llvm::find_if(names, [&](const NamePair &pair) { return pair.gguf == gguf; });
  return found == names.end() ? std::nullopt : std::optional<llvm::StringRef>(found->huggingFace);
}

class TensorBuilder {
public:
  TensorBuilder(const GgufFamily &family, const std::shared_ptr<const SourceFile> &file,
                const llvm::json::Object &config)
      : family(family), file(file), config(config) {}

  llvm::Expected<std::unique_ptr<WeightTensor>> build(const GgufTensor &tensor) {
    if (tensor.type.rank() == 1 && tensor.type.element.isQuantized())
      return bad(tensor, "type", "F32, F16 or BF16 for a vector", tensor.type.element.str());
    std::string name = huggingFaceName(tensor.name);
    TRY_ASSIGN(order, rowOrder(tensor, name));
    return std::make_unique<StoredTensor>(name, tensor.type, file, tensor.data, order);
  }

  llvm::Error bad(const GgufTensor &tensor, const llvm::Twine &what, const llvm::Twine &expected,
                  const llvm::Twine &found) {
    return file->malformed(tensor.infoOffset, what + " of tensor " + quoted(tensor.name), expected, found);
  }

private:
  llvm::Expected<RowOrder> rowOrder(const GgufTensor &tensor, llvm::StringRef name) {
    bool isQ = name.contains(".self_attn.q_proj."), isK = name.contains(".self_attn.k_proj.");
    if (!family.reordersRotary || !(isQ || isK))
      return RowOrder();
    llvm::StringRef key = isQ ? "num_attention_heads" : "num_key_value_heads";
    std::optional<int64_t> heads = config.getInteger(key);
    if (!heads)
      return file->error(llvm::formatv("expected metadata '{0}.attention.head_count' for the row order of {1}, found "
                                       "none",
                                       family.name, quoted(tensor.name)));
    int64_t rows = tensor.type.dim(0).number();
    if (rows % *heads || rows / *heads % 2)
      return bad(tensor, "shape", llvm::formatv("{0} heads of an even number of rows", *heads), llvm::Twine(rows));
    return RowOrder{rows / *heads};
  }

  const GgufFamily &family;
  const std::shared_ptr<const SourceFile> &file;
  const llvm::json::Object &config;
};

} // namespace

std::string huggingFaceName(llvm::StringRef ggufName) {
  auto [stem, suffix] = ggufName.rsplit('.');
  if (auto name = lookUp(outerNames, stem))
    return (*name + "." + suffix).str();
  auto [blk, rest] = stem.split('.');
  auto [layer, part] = rest.split('.');
  unsigned number = 0;
  std::optional<llvm::StringRef> name = lookUp(layerNames, part);
  if (blk != "blk" || layer.getAsInteger(10, number) || !name)
    return ggufName.str();
  return llvm::formatv("model.layers.{0}.{1}.{2}", number, *name, suffix).str();
}

llvm::Expected<std::vector<std::unique_ptr<WeightTensor>>> ggufTensors(const GgufFile &gguf, const GgufFamily &family,
                                                                       const std::shared_ptr<const SourceFile> &file,
                                                                       const llvm::json::Object &config) {
  TensorBuilder builder(family, file, config);
  std::vector<std::unique_ptr<WeightTensor>> out;
  for (const GgufTensor &tensor : gguf.tensors) {
    if (tensor.name == ropeFactorsTensor)
      continue;
    TRY_ASSIGN(built, builder.build(tensor));
    out.push_back(std::move(built));
  }
  llvm::sort(out, [](const auto &a, const auto &b) { return a->name < b->name; });
  for (size_t i = 1; i < out.size(); ++i)
    if (out[i]->name == out[i - 1]->name)
      return file->error("tensor " + quoted(out[i]->name) + ": expected one tensor that means it, found two");
  return out;
}

} // namespace sinter
