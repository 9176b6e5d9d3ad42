// SPDX-License-Identifier: Apache-2.0
// The model of ToyPlan.h for the GPU that fake_cuda plays: the same answers, through kernels that read a step as
// kernels of a GPU do.
#pragma once
#include "ToyPlan.h"
#include "tests/runtime/fake_cuda/FakeGpu.h"
#include <algorithm>

namespace sinter::rt::toy {

inline constexpr CudaKernel cudaKernels[] = {{"embed", 0, 16, 32, 0, 0, 0, 64, 1},
                                             {"layer", 16, 16, 32, 0, 4096, 0, 128, 8},
                                             {"head", 32, 16, 32, 0, 0, 0, 64, 16},
                                             {"sample", 48, 16, 32, 0, 0, 0, 32, 1},
                                             {"read_bandwidth", 64, 24, 32, 0, 0, 0, 1024, 1}};
/// What the section "cubins" has.
inline std::string makeCubins() {
  std::string all;
  auto add = [&all](std::string text, size_t size) { all += text.append(size - text.size(), '\0'); };
  add("embed 2", 16);
  add("layer 3", 16);
  add("head 3", 16);
  add("sample 2", 16);
  add("read_bandwidth 3", 24);
  return all;
}

using Kind = CudaArgKind;
inline constexpr CudaTensorMap cudaMaps[] = {{{Kind::Value, 0}, 2, {8, 2}, {16}, {8, 2}, true}};
inline constexpr CudaArg cudaEmbedArgs[] = {{Kind::Weight, 64}, {Kind::Value, 0}};
inline constexpr CudaArg cudaLayer0Args[] = {{Kind::KvLayer, 0}, {Kind::Value, 0}, {Kind::Null, 0}};
inline constexpr CudaArg cudaLayer1Args[] = {{Kind::KvLayer, 1}, {Kind::Value, 0}, {Kind::TensorMap, 0}};
inline constexpr CudaArg cudaHeadArgs[] = {{Kind::Value, 0}, {Kind::Logits, 0}, {Kind::Counters, 0}};
inline constexpr CudaArg cudaSampleArgs[] = {{Kind::Logits, 0}, {Kind::Workspace, 16}};
inline constexpr CudaLaunch cudaBody[] = {
    {0, "%0 = embed %tokens, @table : i32[T]", cudaEmbedArgs, 2, -1, 1, 0, 4, 0, 1, 0},
    {1, "%1 = layer %0 : i32[T]", cudaLayer0Args, 3, 0, 2, 100, 4, 4, 2, 3},
    {1, "%2 = layer %1 : i32[T]", cudaLayer1Args, 3, 1, 2, 100, 4, 4, 2, 3}};
inline constexpr CudaLaunch cudaHead[] = {{2, "%3 = head %2 : f32[S, 97]", cudaHeadArgs, 3, -1, 4, 0, 4, 0, 97, 0},
                                          {3, "sample", cudaSampleArgs, 2, -1, 1, 0, 4, 0, 0, 0}};
inline constexpr CudaLaunchList cudaDecode[] = {{1, cudaBody, 3}, {4, cudaBody, 3}};
inline constexpr CudaLaunchList cudaMixed[] = {{8, cudaBody, 3}, {maxStepTokens, cudaBody, 3}};
inline constexpr CudaLaunchList cudaHeads[] = {{8, cudaHead, 2}, {maxStepTokens, cudaHead, 2}};
inline constexpr CudaLaunchList cudaDenseHeads[] = {{2, cudaHead, 2}, {6, cudaHead, 2}};
inline constexpr CudaPlan cuda = {.architecture = "sm_90a",
                                  .kernels = cudaKernels,
                                  .numKernels = 5,
                                  .tensorMaps = cudaMaps,
                                  .numTensorMaps = 1,
                                  .decode = cudaDecode,
                                  .mixed = cudaMixed,
                                  .heads = cudaHeads,
                                  .denseHeads = cudaDenseHeads,
                                  .numDecode = 2,
                                  .numMixed = 2,
                                  .numHeads = 2,
                                  .numDenseHeads = 2,
                                  .workspaceBytes = 64,
                                  .counterBytes = 16};

inline constexpr Plan makeCudaPlan() {
  Plan made = plan;
  made.target = "cuda:sm_90a";
  made.buckets = nullptr;
  made.numBuckets = 0;
  made.cuda = &cuda;
  return made;
}
inline constexpr Plan cudaPlan = makeCudaPlan();

/// Keys and values of a layer go where `slots` says, and are found again through the block table.
inline void cudaLayer(const FakeLaunch &launch) {
  const CudaStep &step = launch.step;
  int32_t *pool = launch.get<int32_t>(0), *value = launch.get<int32_t>(1);
  for (int t = 0; t < step.counts[CudaStep::Tokens]; ++t)
    pool[step.slots[t]] = value[t];
  for (int s = 0; s < step.counts[CudaStep::Sequences]; ++s)
    for (int t = step.queryStart[s]; t < step.queryStart[s + 1]; ++t) {
      int32_t sum = 0;
      for (int position = 0; position <= step.positions[t]; ++position)
        sum += pool[step.blockTable[s * step.blockTableStride + position / blockTokens] * blockTokens +
                    position % blockTokens];
      value[t] = sum % vocab;
    }
}

/// Greedily; biases are written to the logits, as the real kernel does it.
inline int cudaSample(const CudaStep &step, const CudaSampling &sampling, float *logits) {
  if (sampling.temperature < 0)
    return -1;
  for (int i = sampling.biasBegin; i < sampling.biasEnd; ++i)
    logits[step.bias[i].token % vocab] += step.bias[i].bias;
  return static_cast<int>(std::max_element(logits, logits + vocab) - logits);
}

inline void runCudaKernel(const FakeLaunch &launch) {
  static const int *positions = nullptr; // of the body: a head sees rows of logits alone
  if (launch.kernel == "read_bandwidth")
    return;
  const CudaStep &step = launch.step;
  int rows = step.counts[CudaStep::Tokens]; // of logits, in a head
  if (launch.kernel == "embed") {
    positions = step.positions;
    for (int t = 0; t < rows; ++t)
      launch.get<int32_t>(1)[t] =
          launch.get<int32_t>(0)[step.tokens[t] < 0 ? step.sampled[~step.tokens[t]] : step.tokens[t]];
  } else if (launch.kernel == "layer") {
    cudaLayer(launch);
  } else if (launch.kernel == "head") {
    for (int row = 0; row < rows; ++row) {
      int t = step.logitRows[row], peak = (launch.get<int32_t>(0)[t] + positions[t]) % vocab;
      for (int v = 0; v < vocab; ++v)
        launch.get<float>(1)[row * vocab + v] = v == peak ? 8.0f : -0.01f * static_cast<float>(v);
    }
  } else if (launch.kernel == "sample") {
    for (int row = 0; row < rows; ++row)
      step.published[row] = step.sampled[row] =
          cudaSample(step, step.sampling[row], launch.get<float>(0) + row * vocab);
  }
}

} // namespace sinter::rt::toy
