// SPDX-License-Identifier: Apache-2.0
// What happens to a matmul's float sums on their way out: bias, SwiGLU, residual, then rounding to the output's type.
#pragma once
#include "runtime/abi/Kernel.h"
#include "templates/cpu/linear_config.h"
#include "templates/cpu/quantize_eight.h"

namespace sinter::cpu {

/// Up to 16 elements from `p`, widened; `count` < 16 reads no further and leaves zeros.
inline F32x16 loadElements(Element e, const void *p, int64_t index, int64_t count) {
  alignas(64) std::byte partial[64];
  int64_t size = e == Element::F32 ? 4 : 2;
  const std::byte *at = static_cast<const std::byte *>(p) + index * size;
  if (count < lanes) {
    std::memset(partial, 0, sizeof(partial));
    std::memcpy(partial, at, size_t(count * size));
    at = partial;
  }
  if (e == Element::F32)
    return load(reinterpret_cast<const float *>(at));
  auto *halves = reinterpret_cast<const uint16_t *>(at);
  return e == Element::F16 ? loadHalf(halves) : loadBf16(halves);
}

/// The first `count` lanes, rounded to nearest even.
inline void storeElements(Element e, void *p, int64_t index, F32x16 value, int64_t count) {
  alignas(64) std::byte partial[64];
  int64_t size = e == Element::F32 ? 4 : 2;
  std::byte *out = static_cast<std::byte *>(p) + index * size;
  std::byte *at = count < lanes ? partial : out;
  if (e == Element::F32)
    store(reinterpret_cast<float *>(at), value);
  else if (e == Element::F16)
    storeHalf(reinterpret_cast<uint16_t *>(at), value);
  else
    storeBf16(reinterpret_cast<uint16_t *>(at), value);
  if (count < lanes)
    std::memcpy(out, partial, size_t(count * size));
}

/// Finishes one row of a unit: `sums` holds unitPanels * 16 floats whose first output column is `column` of this
/// weight. What is to be quantized is left there, in order.
template <LinearConfig C>
inline void finishRow(const rt::Args &args, int64_t row, int64_t column, float *sums) {
  using P = LinearPlan<C>;
#pragma GCC unroll 4
  for (int64_t c = 0; c < P::unitColumns; c += lanes) {
    if (C.n % P::unitColumns != 0 && column + c >= C.n)
      break;
    int64_t at = column + c, count = C.n % lanes == 0 || C.n - at > lanes ? lanes : C.n - at;
    int64_t out = row * C.stride() + C.outColumn + at;
    auto biased = [&](F32x16 sum, int32_t arg) {
      return arg < 0 ? sum : sum + loadElements(Element::F32, args.template get<void>(arg), at, count);
    };
    F32x16 y;
    if constexpr (C.swiglu)
      y = silu(biased(load(sums + 2 * c), C.argBias)) * biased(load(sums + 2 * c + lanes), C.argUpBias);
    else
      y = biased(load(sums + c), C.argBias);
    if constexpr (C.argResidual >= 0)
      y = y + loadElements(C.residual, args.template get<void>(C.argResidual), out, count);
    if constexpr (C.out == Element::Q8)
      store(sums + c, y);
    else
      storeElements(C.out, args.template get<void>(C.argOut), out, y, count);
  }
}

/// Finishes `tokens` rows from `row` on; their sums lie `unitPanels * 16` floats apart.
template <LinearConfig C>
inline void finishRows(const rt::Args &args, int64_t row, int64_t tokens, int64_t column, float *sums) {
  constexpr int64_t stride = LinearPlan<C>::unitPanels * panelRows;
  if constexpr (C.out == Element::Q8) {
    static_assert(LinearPlan<C>::unitColumns == q8Block, "a unit of a quantized output is one group");
    constexpr int64_t recordBytes = int64_t(q8RecordBytes(C.stride()));
    BlockBatch batch(C.stride());
    for (int64_t t = 0; t < tokens; ++t) {
      finishRow<C>(args, row + t, column, sums + t * stride);
      batch.add(sums + t * stride, (C.outColumn + column) / q8Block,
                args.template get<std::byte>(C.argOut) + (row + t) * recordBytes);
    }
  } else {
    for (int64_t t = 0; t < tokens; ++t)
      finishRow<C>(args, row + t, column, sums + t * stride);
  }
}

} // namespace sinter::cpu
