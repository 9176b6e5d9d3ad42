// SPDX-License-Identifier: Apache-2.0
// From logits to tokens, for all rows of a step: what runtime/engine/Sampler.h does on the host, in the same order.
// With few rows several blocks scan a row, and the last goes on; with many a block has a row to itself. Rows with a
// negative temperature are not wanted, and get -1, as those whose logits are not finite. Biases and penalties are
// written to the logits in place. Arguments: 0 logits, 1 workspace, 2 counters.
#pragma once
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/types.cuh"
#include "templates/cuda/sample_draw.cuh"
#include "templates/cuda/sample_scan.cuh"
#include "templates/cuda/step_counts.cuh"

namespace sinter::cuda {

/// The token of a row that is wanted; meant in the last of the row's blocks, where `done` is set.
template <SampleConfig C>
__device__ __forceinline__ int sampleRow(const rt::CudaSampling &p, float *logits, int index, char *workspace,
                                         u32 *counters, const SampleSpace &space, bool &done) {
  bool draws = p.temperature >= 1e-5f;
  float scale = 1 / p.temperature;
  u64 best;
  if constexpr (C.parts() > 1)
    best = scanShared<C>(logits, index, draws, scale, workspace, counters, space);
  else
    best = scanGroups<C>(logits, 0, C.groups(), draws, scale, space.largest, space.sums, space.exchange);
  done = best != 0;
  if (!done || !finiteKey(u32(best >> 32)))
    return -1;
  SampleRow row{logits, logitOf(u32(best >> 32)), scale, int(~u32(best))};
  return draws ? drawToken<C>(space, row, p) : row.topToken;
}

template <SampleConfig C, int N>
__device__ void sample(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  extern __shared__ __align__(16) char shared[];
  launchDependents();
  waitForPrerequisites();
  int index = int(blockIdx.x) / C.parts(), part = int(blockIdx.x) % C.parts();
  if (index >= logitsCount(step))
    return;
  rt::CudaSampling p = step.sampling[index];
  bool done = part == 0;
  int token = -1;
  if (p.temperature >= 0) {
    float *logits = args.template get<float>(0) + (long long)index * C.vocab;
    int size = C.partGroups() * sampleGroup;
    editLogits<C>(step, p, logits, part * size, min((part + 1) * size, C.vocab));
    token = sampleRow<C>(p, logits, index, args.template get<char>(1), args.template get<u32>(2),
                         sampleSpace<C>(shared), done);
  }
  if (done && threadIdx.x == 0) {
    step.sampled[index] = token;
    if (step.published)
      step.published[index] = token;
  }
}

} // namespace sinter::cuda
