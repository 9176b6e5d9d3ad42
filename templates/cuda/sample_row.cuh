// SPDX-License-Identifier: Apache-2.0
// A row of logits as sampling sees it: keys that sort as logits do, likelihoods as integers, and its random number.
#pragma once
#include "templates/cuda/math.cuh"
#include "templates/cuda/ptx/memory.cuh"
#include "templates/cuda/sample_config.h"

namespace sinter::cuda {

/// Sorts as the float does; -0 and 0 are equal, NaN is above all.
__device__ __forceinline__ u32 keyOf(float v) {
  if (v != v)
    return ~0u;
  u32 bits = __float_as_uint(v + 0.0f);
  return bits >> 31 ? ~bits : bits | 1u << 31;
}
__device__ __forceinline__ float logitOf(u32 key) { return __uint_as_float(key >> 31 ? key & ~(1u << 31) : ~key); }

/// Whether the largest key of a row stands for a finite logit: not +inf or NaN, and not -inf.
__device__ __forceinline__ bool finiteKey(u32 key) { return key < 0xff800000u && key > 0x007fffffu; }

/// One row with the parameters of its choice. A likelihood is exp((logit - top) * scale), the largest has 1; as an
/// integer it has 44 bits behind the point, so that sums of it are the same in every order.
struct SampleRow {
  const float *logits;
  float top;   ///< the largest
  float scale; ///< 1 / temperature
  int topToken;

  __device__ __forceinline__ u64 fixed(float likelihood) const { return __float2ull_rn(likelihood * 0x1p44f); }
  __device__ __forceinline__ float likelihood(float logit) const { return expf((logit - top) * scale); }
  __device__ __forceinline__ u64 mass(float logit) const { return fixed(likelihood(logit)); }

  /// How far below the largest, in 64ths of (top - logit) * scale.
  __device__ __forceinline__ u32 far(float logit) const {
    return min(u32(max(__float2int_rz((top - logit) * scale * 64), 0)), 2047u);
  }
  /// Candidates in order: more likely first, equal ones by id. 11 bits of far(), by which the likely ones spread evenly
  /// over a histogram, 32 of the logit, 21 of the id. For an id past all: the last of a logit.
  __device__ __forceinline__ u64 order(float logit, u32 id) const {
    return u64(far(logit)) << 53 | u64(~keyOf(logit)) << 21 | id;
  }
};
inline constexpr u32 idsEnd = (1u << 21) - 1;
__device__ __forceinline__ int idOf(u64 order) { return int(order & idsEnd); }
__device__ __forceinline__ float logitOfOrder(u64 order) { return logitOf(~u32(order >> 21)); }
__device__ __forceinline__ u32 farOf(u64 order) { return u32(order >> 53); }

/// Four logits of half a group for each lane of a warp: lane * 4 and on. -inf past the end.
template <SampleConfig C>
__device__ __forceinline__ void loadHalf(float (&v)[4], const float *row, int group, int half, int lane) {
  int id = group * sampleGroup + half * (sampleGroup / 2) + lane * 4;
  if constexpr (C.vocab % 4 == 0) {
    U32x4 four = toWords(minusInfinity(), minusInfinity(), minusInfinity(), minusInfinity());
    if (id < C.vocab)
      four = loadL2x4(row + id);
    v[0] = __uint_as_float(four.x), v[1] = __uint_as_float(four.y);
    v[2] = __uint_as_float(four.z), v[3] = __uint_as_float(four.w);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      v[i] = id + i < C.vocab ? loadL2(row + id + i) : minusInfinity();
  }
}
/// The id of element `i` of them.
__device__ __forceinline__ int halfId(int group, int half, int lane, int i) {
  return group * sampleGroup + half * (sampleGroup / 2) + lane * 4 + i;
}

/// Uniform in [0, 1), 53 bits: Philox4x32-10 of (index, 0, 0, 0) with the seed as key; runtime/engine/Philox.h on the
/// host. Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
__device__ __forceinline__ double uniform(const unsigned (&seed)[2], unsigned index) {
  u32 c0 = index, c1 = 0, c2 = 0, c3 = 0, k0 = seed[0], k1 = seed[1];
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    u64 a = u64(0xD2511F53u) * c0, b = u64(0xCD9E8D57u) * c2;
    c0 = u32(b >> 32) ^ c1 ^ k0;
    c1 = u32(b);
    c2 = u32(a >> 32) ^ c3 ^ k1;
    c3 = u32(a);
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return double((u64(c1) << 32 | c0) >> 11) * 0x1p-53;
}

} // namespace sinter::cuda
