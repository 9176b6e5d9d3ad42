// SPDX-License-Identifier: Apache-2.0
// Prefill attention for sm_90a: causal, over the paged KV cache, with wgmma.
//
// A CTA stays on its SM and takes one tile of query rows of one head after the other. Warpgroups of 64 rows compute
// (attention_prefill_compute.cuh), warps of one more load (attention_prefill_load.cuh). The cache's layout is that of
// wgmma's operands, so keys and values come as 1-D bulk copies, block by block.
// Source: Shah et al., "FlashAttention-3: Fast and Accurate Attention with Asynchrony and Low-precision", 2024
//
// Arguments: 0 q, 1 KV layer pool, 2 out.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/attention_prefill_compute.cuh"
#include "templates/cuda/ptx/launch.cuh"
#include "templates/cuda/ptx/warpgroup.cuh"

namespace sinter::cuda {

template <AttentionPrefillConfig C, int N>
__device__ void attentionPrefill(const rt::CudaStep &step, const rt::CudaArgs<N> &args) {
  static_assert(C.valid());
  extern __shared__ __align__(1024) char dynamicShared[];
  PrefillShared<C> shared{(sharedAddress(dynamicShared) + atomBytes - 1) / atomBytes * atomBytes};
  if (threadIdx.x == 0)
    shared.init();
  __syncthreads();
  launchDependents();
  waitForPrerequisites();
  int warpgroup = int(threadIdx.x) / 128, warp = int(threadIdx.x) / 32 % 4, lane = int(threadIdx.x) % 32;
  if (warpgroup == C.warpgroups) {
    releaseRegisters<C.loadRegisters>();
    if (warp == 0)
      loadCache<C, false>(step, shared, args.template get<const char>(1), lane);
    else if (warp == 1)
      loadCache<C, true>(step, shared, args.template get<const char>(1), lane);
    else if (warp == 2)
      loadQueries<C>(step, shared, args.template get<const u16>(0), lane);
  } else {
    acquireRegisters<C.computeRegisters>();
    PrefillWarpgroup<C>(shared, warpgroup).run(args.template get<u16>(2));
  }
}

} // namespace sinter::cuda
