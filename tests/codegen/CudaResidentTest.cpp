// SPDX-License-Identifier: Apache-2.0
// Which models get a resident body on which GPUs, and that it reads and writes what the launches in its place would.
#include "CompiledQwen3.h"
#include "codegen/cuda/CudaSelect.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>

namespace sinter {
namespace {

using rt::CudaArgKind;

class CudaResident : public ::testing::Test {
protected:
  CudaLaunchPlan select(int layers = 4, llvm::StringRef arch = "sm_90a", bool portable = false, int hidden = 512) {
    pass.target = "cuda";
    pass.kvType = Scalar::BF16;
    pass.maxStepTokens = 64;
    pass.maxStepLogits = 8;
    std::string config = llvm::formatv(R"({{"hidden_size": {0}, "intermediate_size": 1536, "num_hidden_layers": {1},
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 512, "rms_norm_eps": 1e-06,
        "attention_bias": false, "mlp_bias": false, "tie_word_embeddings": true, "dtype": "bfloat16",
        "rope": {{"rope_type": "default", "theta": 10000.0}})",
                                       hidden, layers);
    module = compiledQwen3(pass, config);
    CudaSelectOptions options;
    options.arch = llvm::cantFail(findCudaArch(arch));
    options.portable = portable;
    options.maxSeqs = 8;
    options.maxStepTokens = pass.maxStepTokens;
    options.maxStepLogits = pass.maxStepLogits;
    return llvm::cantFail(selectCuda(*module->findGraph("step"), options));
  }

  PassOptions pass;
  std::unique_ptr<Module> module;
};

TEST_F(CudaResident, IsOneLaunchAndAHeadWithoutLayers) {
  CudaLaunchPlan plan = select();
  ASSERT_EQ(plan.resident.size(), 1u);
  ASSERT_EQ(plan.residentHeads.size(), 1u);
  ASSERT_EQ(plan.resident[0].launches.size(), 1u);
  EXPECT_EQ(plan.resident[0].maxRows, 1);
  EXPECT_EQ(plan.residentHeads[0].maxRows, 1);
  for (const CudaKernelLaunch &launch : plan.residentHeads[0].launches)
    EXPECT_LT(launch.op->layer, 0);
  const CudaKernelCall &kernel = plan.kernels[plan.resident[0].launches[0].kernel];
  EXPECT_EQ(kernel.callee.function, "decodeStep");
  EXPECT_EQ(plan.residentBlocks, kernel.grid);
  EXPECT_LE(kernel.grid, 132);
  EXPECT_GT(plan.exchangeBytes, 0u);
}

TEST_F(CudaResident, ReadsAndWritesWhatTheLaunchesInItsPlaceDo) {
  CudaLaunchPlan plan = select();
  std::vector<CudaKernelLaunch> parts = plan.decode[0].launches;
  for (const CudaKernelLaunch &launch : plan.denseHeads[0].launches)
    if (launch.op->layer >= 0)
      parts.push_back(launch);
  auto same = [](const rt::CudaArg &a, const rt::CudaArg &b) { return a.kind == b.kind && a.offset == b.offset; };
  const CudaKernelLaunch &whole = plan.resident[0].launches[0];
  EXPECT_EQ(whole.args[0].kind, CudaArgKind::Pointers);
  EXPECT_TRUE(same(whole.args[1], parts[0].args[0])) << "the embedding table";
  EXPECT_EQ(whole.args[3].kind, CudaArgKind::Exchange);
  EXPECT_TRUE(same(whole.args[4], parts.back().args[2])) << "what the head reads";
  EXPECT_TRUE(same(whole.args[4], plan.residentHeads[0].launches[0].args[1]));
  ASSERT_EQ(plan.pointers.size(), 4 * 7u);
  double weights = 0;
  for (const CudaKernelLaunch &launch : parts)
    weights += launch.weightBytes;
  EXPECT_EQ(whole.weightBytes, weights);
  for (int layer = 0; layer < 4; ++layer) {
    const rt::CudaArg *found = &plan.pointers[layer * 7];
    const CudaKernelLaunch *launches = &parts[1 + layer * 5];
    for (auto [i, launch] : {std::pair(0, 0), std::pair(1, 2), std::pair(2, 3), std::pair(3, 4)})
      EXPECT_TRUE(same(found[i], launches[launch].args[0])) << "a weight of layer " << layer;
    EXPECT_EQ(found[6].kind, CudaArgKind::KvLayer);
    EXPECT_EQ(found[6].offset, uint64_t(layer));
  }
}

TEST_F(CudaResident, IsOnlyWhereTheTemplateFits) {
  EXPECT_TRUE(select(3).resident.empty()) << "layers take turns in four places of the exchange";
  EXPECT_TRUE(select(4, "sm_90a", true).resident.empty()) << "portable kernels";
  EXPECT_TRUE(select(4, "sm_80").resident.empty());
  EXPECT_TRUE(select(4, "sm_90a", false, 576).resident.empty()) << "columns that are no multiple of a chunk";
}

} // namespace
} // namespace sinter
