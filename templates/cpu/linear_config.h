// SPDX-License-Identifier: Apache-2.0
// What a matmul kernel is specialised for, and how it cuts its work up: everything here is known at compile time.
#pragma once
#include "templates/cpu/layout.h"
#include "templates/cpu/quantize.h"

namespace sinter::cpu {

/// Which of the step's rows x has: all its tokens, or those whose logits are wanted.
enum class Rows : uint8_t { Tokens, Logits };

/// y[r, outColumn + c] = sum_k x[r, k] * w[c, k] (+ bias[c]) (+ residual[r, outColumn + c])     c in [0, n)
/// or, with swiglu, silu(x gate^T + bias) * (x up^T + upBias), panels of gate and up alternating in the packed stream.
/// One weight; several weights stacked along the columns are several calls that differ in outColumn.
struct LinearConfig {
  int64_t k = 0; ///< columns of x; x is [rows, k], contiguous
  int64_t n = 0; ///< columns of y that this weight makes
  WeightFormat weight = {};
  Element x = Element::F32;   ///< Q8: only with a quantized weight; BF16, F16: only with a float weight
  Element out = Element::F32; ///< Q8: n and outColumn are multiples of 32, outStride is the record's K
  Rows rows = Rows::Tokens;
  bool swiglu = false;
  int64_t outStride = 0; ///< columns of a whole row of y (and of residual); 0: n
  int64_t outColumn = 0; ///< where this weight's columns start in it
  Element residual = Element::F32;
  // Places in Args; bias vectors are float32 [n]. -1: there is none.
  int32_t argX = 0, argWeight = 1, argOut = 2, argBias = -1, argUpBias = -1, argResidual = -1;

  constexpr int64_t stride() const { return outStride ? outStride : n; }
  constexpr bool valid() const {
    bool pair = x == Element::Q8 ? weight.quantized() : x == Element::F32 || !weight.quantized();
    bool q8Out = out != Element::Q8 || (n % q8Block == 0 && outColumn % q8Block == 0 && stride() % q8Block == 0);
    bool upBias = argUpBias < 0 || swiglu;
    return n > 0 && weight.valid(k) && pair && q8Out && upBias && outColumn + n <= stride() && residual != Element::Q8;
  }
};

/// The arithmetic of a configuration.
enum class Arithmetic : uint8_t {
  Int8, ///< codes times quantized activations, float32 across blocks
  Bf16, ///< pairs of bfloat16, float32 sums
  F32,  ///< everything widened to float32
};

#if defined(__AVX512BF16__) && SINTER_AVX512
inline constexpr bool haveBf16Dot = true;
#else
inline constexpr bool haveBf16Dot = false;
#endif

/// How the kernel cuts a configuration into register tiles, cache-sized chunks and units of work.
template <LinearConfig C>
struct LinearPlan {
  static constexpr Arithmetic arithmetic =
      C.x == Element::Q8 ? Arithmetic::Int8
      : haveBf16Dot && C.x == Element::BF16 && C.weight.element == Element::BF16 && !C.weight.quantized()
          ? Arithmetic::Bf16
          : Arithmetic::F32;
  static constexpr bool int8 = arithmetic == Arithmetic::Int8, bf16 = arithmetic == Arithmetic::Bf16;

  /// A register tile: `tilePanels` panels of 16 rows times up to `tileTokens` tokens.
  static constexpr int tilePanels = SINTER_AVX512 ? 2 : 1;
  static constexpr int tileTokens = SINTER_AVX512 ? (int8 ? 6 : 12) : (int8 ? 2 : 5);

  /// Up to this many tokens, codes are not worth unpacking into memory first.
  static constexpr int64_t directTokens = 2 * tileTokens;

  /// Panels of the packed stream, and those that are finished together: a pair of gate and up makes 16 columns, and a
  /// group of a quantized output needs 32.
  static constexpr int64_t panels = divideUp(C.n, panelRows) * (C.swiglu ? 2 : 1);
  static constexpr int64_t unitPanels = C.swiglu && C.out == Element::Q8 ? 4 : 2;
  static constexpr int64_t unitColumns = unitPanels * panelRows / (C.swiglu ? 2 : 1);
  static constexpr int64_t units = divideUp(panels, unitPanels);

  /// K is walked in chunks whose weights, unpacked, share the first-level cache with the activations of a tile.
  static constexpr int64_t chunkAlign = C.weight.quantized() ? (C.weight.group > 32 ? C.weight.group : 32) : 2;
  static constexpr int64_t elementBytes = int8 ? 1 : bf16 ? 2 : 4;
  static constexpr int64_t maxChunkK = 24576 / (tilePanels * panelRows * elementBytes);
  static constexpr int64_t chunks = divideUp(C.k, maxChunkK);
  static constexpr int64_t chunkK = roundUp(divideUp(C.k, chunks), chunkAlign);

  static constexpr int64_t xRowBytes =
      C.x == Element::Q8 ? int64_t(q8RecordBytes(C.k)) : C.k * (C.x == Element::F32 ? 4 : 2);
  /// Tokens whose activations stay in the second-level cache while all panels pass over them.
  static constexpr int64_t blockTokens = [] {
    int64_t fit = 589824 / xRowBytes;
    return roundUp(fit < 24 ? 24 : fit > 516 ? 516 : fit, tileTokens);
  }();

  // Thread-private scratch: the unit's sums, the unpacked chunk of a tile's panels with its scales, a tile's floats.
  static constexpr int64_t chunkGroups = C.weight.quantized() ? divideUp(chunkK, C.weight.group) : 0;
  static constexpr int64_t sumsBytes = blockTokens * unitPanels * panelRows * 4;
  static constexpr int64_t weightsBytes = tilePanels * panelRows * chunkK * elementBytes;
  static constexpr int64_t scalesBytes =
      int8 ? tilePanels * panelRows * chunkGroups * 4 * (C.weight.hasMin ? 2 : 1) : 0;
  static constexpr int64_t floatsBytes =
      arithmetic == Arithmetic::F32 ? roundUp(tileTokens * (chunkK + 16) * 4, 64) : 0;
};

/// Scratch that linear<C> needs of every thread.
template <LinearConfig C>
constexpr size_t linearScratchBytes() {
  using P = LinearPlan<C>;
  return size_t(P::sumsBytes + P::weightsBytes + P::scalesBytes + P::floatsBytes);
}

} // namespace sinter::cpu
