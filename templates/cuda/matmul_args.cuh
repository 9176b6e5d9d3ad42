// SPDX-License-Identifier: Apache-2.0
// The arguments that matvec and the portable matmul have in common.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// Rows of x, y and residual follow each other without gaps; null where a configuration has no use for it.
struct MatmulArgs {
  const char *weight;      ///< packed as layout.h says
  const u16 *x;            ///< bf16 [tokens, k]
  void *y;                 ///< [tokens, n]
  const float *normWeight; ///< [k]
  const float *bias;       ///< [n]; SwiGLU: the gate's
  const float *upBias;     ///< [n], SwiGLU only
  const void *residual;    ///< [tokens, n], of y's element type

  template <int N>
  __device__ explicit MatmulArgs(const rt::CudaArgs<N> &args)
      : weight(args.template get<const char>(0)), x(args.template get<const u16>(1)), y(args.template get<void>(2)),
        normWeight(args.template get<const float>(3)), bias(args.template get<const float>(4)),
        upBias(args.template get<const float>(5)), residual(args.template get<const void>(6)) {
    static_assert(N >= 7);
  }
};

} // namespace sinter::cuda
