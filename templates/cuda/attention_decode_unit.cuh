// SPDX-License-Identifier: Apache-2.0
// The steps that decode attention is made of, whoever shares the work: begin with a head, attend to a block of it.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "templates/cuda/attention_decode_ring.cuh"
#include "templates/cuda/attention_decode_slice.cuh"
#include "templates/cuda/ptx/types.cuh"
#include "templates/cuda/ring.cuh"

namespace sinter::cuda {

/// Brings the queries of a head to every warp, and its new key and value to the warp that ends the sequence; `rows` has
/// been asked for. Queries meet where warps' results do later.
template <AttentionDecodeConfig C, int N>
__device__ __forceinline__ void beginHead(DecodeQuery<C> &query, DecodeToken &token, DecodeRows<C> &rows,
                                          const DecodeFactors &factors, const rt::CudaArgs<N> &args, char *shared,
                                          const DecodeUnit &unit) {
  if constexpr (C.fused)
    ropeRows<C>(rows, factors);
  __syncthreads(); // what was there before has been read
  u32 tile = sharedAddress(shared) + C.partialsAt();
  stageQuery<C>(tile, rows);
  __syncthreads();
  loadQuery<C>(query, tile);
  token = {rows.key, rows.value};
  if (rows.append)
    appendToken<C>(rows, args.template get<u16>(4), unit.head);
}

/// Unit `i` of a CTA, and the order for what comes into its slot next.
template <AttentionDecodeConfig C>
__device__ __forceinline__ void attendUnit(DecodeState<C> &state, const DecodeQuery<C> &query, const DecodeToken &token,
                                           const DecodeUnits<C> &units, DecodeRing<C> &ring, int i) {
  int length = sliceLength<C>(units.at(i));
  u32 slot = ring.wait(length > 0);
  if (length > 0) {
    if (length <= C.sliceTokens)
      completeSlice<C>(slot, length, token);
    attendSlice<C>(state, query, slot, length);
  }
  ring.release(length > 0);
  if (int next = i + C.slots; next < units.count && next % units.together == 0)
    units.lookUp(next);
  ring.fill(i + C.slots < units.count ? &units.at(i + C.slots) : nullptr);
}

} // namespace sinter::cuda
