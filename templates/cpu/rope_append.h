// SPDX-License-Identifier: Apache-2.0
// What stands between the QKV matmul and attention, in one pass over its rows: an optional RMS norm of every query and
// key head (Qwen3), RoPE on both, keys and values into the paged cache.
//
//   ropeAppend  args: qkv [T, (heads + 2 kvHeads) * headDim], table f32 [maxPositions, headDim]
//                     (, q norm [headDim], k norm [headDim] when C.norm), pool of the layer | q [T, heads * headDim]
#pragma once
#include "templates/cpu/kv_append.h"
#include "templates/cpu/norm.h"
#include "templates/cpu/rope.h"

namespace sinter::cpu {

struct RopeAppendConfig {
  int heads;
  KvConfig kv;
  bool norm = false;
  float eps = 0; ///< of the norms
  Element in = Element::F32, normWeight = Element::F32, out = Element::F32;
  constexpr bool valid() const {
    return kv.valid() && heads > 0 && heads % kv.kvHeads == 0 && in != Element::Q8 && out != Element::Q8 &&
           normWeight != Element::Q8 && eps >= 0;
  }
  constexpr int64_t scratchBytes() const { return 0; }
};

/// Norm and rotation of the head at column `at` of a qkv row.
template <RopeAppendConfig C, typename Put>
inline void ropeHead(const std::byte *qkv, int at, const void *norm, const float *angles, Put &&put) {
  constexpr int headDim = C.kv.headDim;
  auto value = [&](int i, auto count) { return loadAs<C.in, count()>(qkv, at + i); };
  if constexpr (C.norm) {
    F32x16 inverse = splat(inverseRms<headDim>(C.eps, value));
    auto normed = [&](int i, auto count) { return value(i, count) * inverse * loadAs<C.normWeight, count()>(norm, i); };
    rotateHead<headDim>(angles, normed, put);
  } else {
    rotateHead<headDim>(angles, value, put);
  }
}

/// The work is cut by token and KV head: the query heads of the group, then their key and value.
template <RopeAppendConfig C>
void ropeAppend(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.valid());
  constexpr int headDim = C.kv.headDim, group = C.heads / C.kv.kvHeads, pool = C.norm ? 4 : 2;
  constexpr int columns = (C.heads + 2 * C.kv.kvHeads) * headDim;
  const void *qNorm = C.norm ? args.get<const void>(2) : nullptr, *kNorm = C.norm ? args.get<const void>(3) : nullptr;
  SequenceCursor sequence(step);
  auto [begin, end] = worker.range(int64_t(step.numTokens) * C.kv.kvHeads);
  for (int64_t unit = begin; unit < end; ++unit) {
    int64_t row = unit / C.kv.kvHeads;
    int kvHead = int(unit % C.kv.kvHeads);
    const std::byte *qkv = args.get<const std::byte>(0) + row * rowBytes(C.in, columns);
    const float *angles = args.get<const float>(1) + int64_t(step.positions[row]) * headDim;
    std::byte *q = args.get<std::byte>(pool + 1) + row * rowBytes(C.out, C.heads * headDim);
    for (int at = kvHead * group * headDim; at < (kvHead + 1) * group * headDim; at += headDim)
      ropeHead<C>(qkv, at, qNorm, angles, [&](int i, F32x16 a, auto count) { storeAs<C.out, count()>(q, at + i, a); });
    KvSlot slot = kvSlot<C.kv>(args.get<std::byte>(pool), step, sequence.at(row), step.positions[row]);
    alignas(64) float key[headDim];
    ropeHead<C>(qkv, (C.heads + kvHead) * headDim, kNorm, angles,
                [&](int i, F32x16 a, auto count) { storeAs<Element::F32, count()>(key, i, a); });
    storeKey<C.kv>(slot, kvHead, key);
    int valueAt = (C.heads + C.kv.kvHeads + kvHead) * headDim;
    storeValue<C.kv>(slot, kvHead, [&](int i, auto count) { return loadAs<C.in, count()>(qkv, valueAt + i); });
  }
}

} // namespace sinter::cpu
