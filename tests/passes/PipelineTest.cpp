// SPDX-License-Identifier: Apache-2.0
// Every pass of the default pipeline keeps the meaning of every family, in every kind of type that weights have.
#include "ir/JsonAttr.h"
#include "ir/Parser.h"
#include "passes/PlanMemory.h"
#include "llvm/Support/MemoryBuffer.h"
#include <gtest/gtest.h>

namespace sinter {
namespace {

struct Family {
  const char *file, *architecture;
  const char *flags; ///< JSON members that differ between variants
};

const Family families[] = {
    {"llama", "LlamaForCausalLM", R"("attention_bias": false, "mlp_bias": false, "tie_word_embeddings": true)"},
    {"llama", "LlamaForCausalLM", R"("attention_bias": true, "mlp_bias": true, "tie_word_embeddings": false)"},
    {"qwen2", "Qwen2ForCausalLM", R"("tie_word_embeddings": true)"},
    {"qwen3", "Qwen3ForCausalLM", R"("attention_bias": false, "tie_word_embeddings": false)"},
    {"qwen3", "Qwen3ForCausalLM", R"("attention_bias": true, "tie_word_embeddings": true)"},
};
const char *const matrixTypes[] = {"f32",
                                   "f16",
                                   "bf16",
                                   "i4<g32, f16>",
                                   "u4<g32, f16, min>",
                                   "i8<g32, f16>",
                                   "u5<g32, 6b/g64, f16, min>",
                                   "i6<g16, 8b/g64, f16>"};
const char *const ropes[] = {R"({"rope_type": "default", "theta": 10000})",
                             R"({"rope_type": "llama3", "theta": 10000, "factor": 4,
                                 "original_max_position_embeddings": 32})",
                             R"({"rope_type": "yarn", "theta": 10000, "factor": 4,
                                 "original_max_position_embeddings": 32})"};

AttrDict configOf(const Family &family, llvm::StringRef dtype, llvm::StringRef rope) {
  std::string json = (R"({"hidden_size": 64, "head_dim": 16, "num_attention_heads": 4, "num_key_value_heads": 2,
                          "intermediate_size": 96, "vocab_size": 24, "num_hidden_layers": 2, "rms_norm_eps": 1e-5, )" +
                      llvm::Twine(family.flags) + R"(, "dtype": ")" + dtype + R"(", "rope": )" + rope + "}")
                         .str();
  return llvm::cantFail(attrFromJson(*llvm::cantFail(llvm::json::parse(json)).getAsObject()));
}

llvm::Expected<std::unique_ptr<Module>> expand(const Family &family, const AttrDict &config, ElementType matrix) {
  std::string path = std::string(SINTER_SOURCE_DIR "/models/") + family.file + ".sir";
  auto text = llvm::MemoryBuffer::getFile(path);
  if (!text)
    return llvm::createStringError(path + ": " + text.getError().message());
  ElementType element;
  for (auto &[key, value] : config)
    if (key == "dtype")
      AttrCodec<ElementType>::decode(value, element);
  Holes holes{&config, "config.json", {}, family.architecture};
  holes.weightType = [=](llvm::StringRef, llvm::ArrayRef<int64_t> shape) -> llvm::Expected<Type> {
    return Type(shape.size() == 2 ? matrix : element, llvm::to_vector_of<Dim>(shape));
  };
  return parseModule(**text, holes);
}

/// Runs the pipeline with --check-semantics and looks at what is left.
void check(const Family &family, llvm::StringRef dtype, llvm::StringRef rope, llvm::StringRef matrix,
           const PassOptions &options) {
  AttrDict config = configOf(family, dtype, rope);
  auto module = expand(family, config, llvm::cantFail(parseElementType(matrix)));
  ASSERT_TRUE(bool(module)) << llvm::toString(module.takeError());
  RunOptions run;
  run.checkSemantics = true;
  llvm::Error e = runPipeline(**module, llvm::cantFail(parsePipeline(defaultPipeline)), options, run, llvm::nulls());
  ASSERT_FALSE(bool(e)) << llvm::toString(std::move(e));
  const Graph &graph = *(*module)->findGraph("step");
  EXPECT_EQ(llvm::toString(checkMemoryPlan(graph, options)), "");
  for (auto &op : graph.ops())
    EXPECT_TRUE(!op->kernel.empty() || op->isConstant()) << str(*op) << " has no kernel";
}

class Pipelines : public testing::TestWithParam<std::tuple<Family, const char *>> {};

TEST_P(Pipelines, KeepTheMeaning) {
  auto [family, matrix] = GetParam();
  check(family, "float32", ropes[0], matrix, {});
}

TEST_P(Pipelines, KeepTheMeaningOnFloatsWithARoundedCache) {
  auto [family, matrix] = GetParam();
  check(family, "float32", ropes[1], matrix, {.kvType = Scalar::BF16, .quantizeActivations = false});
}

class Dtypes : public testing::TestWithParam<Family> {};

TEST_P(Dtypes, KeepTheMeaning) {
  check(GetParam(), "float16", ropes[2], "f16", {.kvType = Scalar::F16});
  check(GetParam(), "bfloat16", ropes[2], "bf16", {.kvType = Scalar::BF16});
  check(GetParam(), "bfloat16", ropes[2], "i4<g32, f16>", {});
}

INSTANTIATE_TEST_SUITE_P(Families, Dtypes, testing::ValuesIn(families));
INSTANTIATE_TEST_SUITE_P(Families, Pipelines,
                         testing::Combine(testing::ValuesIn(families), testing::ValuesIn(matrixTypes)));

} // namespace
} // namespace sinter
