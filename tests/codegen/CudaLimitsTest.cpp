// SPDX-License-Identifier: Apache-2.0
// What the cuda target has no kernels for, said before anything is compiled.
#include "CompiledQwen3.h"
#include "codegen/cuda/CudaSelect.h"
#include "templates/cuda/attention_decode_config.h"
#include <gmock/gmock.h>

namespace sinter {
namespace {

TEST(CudaLimits, SequencesOfAStep) {
  PassOptions pass;
  pass.target = "cuda";
  pass.kvType = Scalar::BF16;
  auto module = compiledQwen3(pass);
  CudaSelectOptions options;
  options.arch = llvm::cantFail(findCudaArch("sm_90a"));
  options.maxSeqs = cuda::AttentionDecodeConfig::mostSequences;
  EXPECT_TRUE(bool(selectCuda(*module->findGraph("step"), options)));
  options.maxSeqs += 1;
  EXPECT_THAT(llvm::toString(selectCuda(*module->findGraph("step"), options).takeError()),
              testing::MatchesRegex("models/qwen3.sir:[0-9]+: the cuda target attends to at most 1024 sequences in a "
                                    "step, found 1025: %.* = rope_attention .*"));
}

} // namespace
} // namespace sinter
