// SPDX-License-Identifier: Apache-2.0
// Keys and values enter the paged cache, rounded to its type, at the slot of their token's position.
//
//   appendKv  args: k, v [T, kvHeads * headDim], pool of the layer
//
// Keys are stored across the layout (kv_cache.h); a value is one contiguous row, or every second element of two.
// Writes touch the bytes of their own token only, so that threads may append neighbours.
#pragma once
#include "templates/cpu/element.h"
#include "templates/cpu/kv_cache.h"
#include "templates/cpu/rows.h"

namespace sinter::cpu {

/// The block of a token, and its place in there.
struct KvSlot {
  std::byte *block;
  int token;
};
template <KvConfig C>
inline KvSlot kvSlot(std::byte *pool, const rt::Step &step, int32_t seq, int32_t position) {
  int64_t block = step.blockTable[int64_t(seq) * step.blockTableStride + position / C.blockTokens];
  return {pool + block * C.blockBytes(), position % C.blockTokens};
}

/// Stores a key given as floats.
template <KvConfig C>
inline void storeKey(KvSlot slot, int head, const float *key) {
  using Unit =
      std::conditional_t<C.type == Element::F16, uint16_t, uint32_t>; // what is contiguous: an element or a pair
  constexpr int units = C.headDim / C.pair();
  alignas(64) std::byte row[(C.headDim + lanes) * 4];
  forVectors<C.headDim>(
      [&](int i, auto count) { storeAs<C.type, count()>(row, i, loadAs<Element::F32, count()>(key, i)); });
  std::byte *to = slot.block + C.keyOffset(head, slot.token, 0);
  for (int i = 0; i < units; ++i)
    std::memcpy(to + i * 16 * sizeof(Unit), row + i * sizeof(Unit), sizeof(Unit));
}

/// Stores a value whose vectors value(i, count) yields.
template <KvConfig C, typename Value>
inline void storeValue(KvSlot slot, int head, Value &&value) {
  std::byte *to = slot.block + C.valueOffset(head, slot.token, 0);
  forVectors<C.headDim>([&](int i, auto count) {
    if constexpr (C.pair() == 1) {
      storeAs<C.type, count()>(to, i, value(i, count));
    } else {
      alignas(32) uint16_t row[lanes];
      storeBf16(row, value(i, count));
      for (int j = 0; j < count(); ++j)
        std::memcpy(to + (i + j) * 4, row + j, 2);
    }
  });
}

struct AppendKvConfig {
  KvConfig kv;
  Element in = Element::F32;
  constexpr bool valid() const { return kv.valid() && in != Element::Q8; }
  constexpr int64_t scratchBytes() const { return 0; }
};

template <AppendKvConfig C>
void appendKv(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.valid());
  constexpr int columns = C.kv.kvHeads * C.kv.headDim;
  SequenceCursor sequence(step);
  auto [begin, end] = worker.range(step.numTokens);
  for (int64_t row = begin; row < end; ++row) {
    const std::byte *k = args.get<const std::byte>(0) + row * rowBytes(C.in, columns);
    const std::byte *v = args.get<const std::byte>(1) + row * rowBytes(C.in, columns);
    KvSlot slot = kvSlot<C.kv>(args.get<std::byte>(2), step, sequence.at(row), step.positions[row]);
    for (int head = 0; head < C.kv.kvHeads; ++head) {
      int at = head * C.kv.headDim;
      alignas(64) float key[C.kv.headDim];
      forVectors<C.kv.headDim>(
          [&](int i, auto count) { storeAs<Element::F32, count()>(key, i, loadAs<C.in, count()>(k, at + i)); });
      storeKey<C.kv>(slot, head, key);
      storeValue<C.kv>(slot, head, [&](int i, auto count) { return loadAs<C.in, count()>(v, at + i); });
    }
  }
}

} // namespace sinter::cpu
