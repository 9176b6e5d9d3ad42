// SPDX-License-Identifier: Apache-2.0
// Matrix multiplication over packed weights, for one token or thousands: y = x W^T with its epilogue.
//
// The team shares the weight's panels (and, when there are more threads than panels to go round, the tokens). With few
// tokens, codes are widened in registers on their way from the packed stream; with more than a tile's worth, a chunk of
// K is unpacked into the thread's scratch once and all tokens pass over it. Both do the same arithmetic in the same
// order: a token's result does not depend on the other tokens, nor on the number of threads, to the last bit.
#pragma once
#include "templates/cpu/linear_epilogue.h"
#include "templates/cpu/linear_tile.h"

namespace sinter::cpu {

/// The thread-private buffers of LinearPlan, cut from Worker::scratch.
template <LinearConfig C>
struct LinearScratch {
  using P = LinearPlan<C>;
  float *sums;
  std::byte *weights;
  float *scales, *mins, *floats;

  explicit LinearScratch(std::byte *base)
      : sums(reinterpret_cast<float *>(base)), weights(base + P::sumsBytes),
        scales(reinterpret_cast<float *>(weights + P::weightsBytes)),
        mins(scales + P::tilePanels * panelRows * P::chunkGroups),
        floats(reinterpret_cast<float *>(weights + P::weightsBytes + P::scalesBytes)) {}
};

/// Calls f(std::integral_constant<int, n>) for a run-time n in [1, most].
template <int most>
inline void withCount(int64_t n, auto f) {
  if constexpr (most > 1) {
    if (n < most)
      return withCount<most - 1>(n, f);
  }
  f(std::integral_constant<int, most>());
}

/// Calls f(first token, std::integral_constant<int, tokens>) for the tiles of [0, count).
template <int most>
inline void forEachTile(int64_t count, auto f) {
  int64_t t = 0;
  for (; t + most <= count; t += most)
    f(t, std::integral_constant<int, most>());
  if constexpr (most > 1) {
    if (t < count)
      withCount<most - 1>(count - t, [&](auto rest) { f(t, rest); });
  }
}

/// Some tokens of x and the panels that they meet: sums of `panels` panels from `weights` on.
struct TileJob {
  const std::byte *weights; ///< the first panel
  const std::byte *next;    ///< the panels that this thread reads after these
  const std::byte *x;       ///< the first token's row
  int64_t tokens;
  float *sums; ///< [tokens][sumsStride], this tile's panels
  int64_t sumsStride;
};

/// Quantized times quantized.
template <LinearConfig C, int panels>
inline void runInt8(TileJob job, const LinearScratch<C> &scratch) {
  using P = LinearPlan<C>;
  constexpr WeightFormat F = C.weight;
  constexpr int64_t blocks = C.k / blockK;
  if (job.tokens <= P::directTokens) {
    // Two tiles of about one size where one does not do; the second finds the panels in the first-level cache.
    int64_t most = divideUp(job.tokens, divideUp(job.tokens, P::tileTokens));
    for (int64_t t = 0; t < job.tokens; t += most) {
      withCount<P::tileTokens>(job.tokens - t < most ? job.tokens - t : most, [&](auto tokens) {
        int8Tile<F, C.k, panels, tokens()>(PackedCodes<F, C.k, panels>{job.weights, 0, job.next},
                                           job.x + t * P::xRowBytes, 0, blocks,
                                           TileSums{job.sums + t * job.sumsStride, job.sumsStride, true});
      });
    }
    return;
  }
  constexpr int64_t chunkBlocks = P::chunkK / blockK, panelBytes = P::chunkK * panelRows;
  for (int64_t first = 0; first < blocks; first += chunkBlocks) {
    int64_t count = blocks - first < chunkBlocks ? blocks - first : chunkBlocks;
    for (int p = 0; p < panels; ++p) {
      QuantPanel<F, C.k> panel{job.weights + p * panelLayout(F, C.k).bytes};
      unpackCodes(panel, first, count, scratch.weights + p * panelBytes);
      for (int64_t g = 0; g < divideUp(count * blockK, F.group); ++g) {
        store(scratch.scales + (g * panels + p) * panelRows, panel.scale(first * blockK / F.group + g));
        if constexpr (F.hasMin)
          store(scratch.mins + (g * panels + p) * panelRows, panel.minimum(first * blockK / F.group + g));
      }
    }
    UnpackedCodes<panels> codes{scratch.weights, panelBytes, scratch.scales, scratch.mins};
    forEachTile<P::tileTokens>(job.tokens, [&](int64_t t, auto tokens) {
      int8Tile<F, C.k, panels, tokens()>(codes, job.x + t * P::xRowBytes, first, count,
                                         TileSums{job.sums + t * job.sumsStride, job.sumsStride, first == 0});
    });
  }
}

#if defined(__AVX512BF16__) && SINTER_AVX512
/// bfloat16 times bfloat16, straight from the packed stream.
template <LinearConfig C, int panels>
inline void runBf16(TileJob job) {
  using P = LinearPlan<C>;
  for (int64_t k0 = 0; k0 < C.k; k0 += P::chunkK) {
    int64_t count = C.k - k0 < P::chunkK ? C.k - k0 : P::chunkK;
    forEachTile<P::tileTokens>(job.tokens, [&](int64_t t, auto tokens) {
      // The last tile to pass over these panels fetches the same chunk of the next ones.
      const std::byte *next = t + tokens() < job.tokens ? job.weights : job.next;
      bf16Tile<panels, tokens(), panelLayout(C.weight, C.k).bytes, C.k>(
          job.weights + k0 * 32, next + k0 * 32, reinterpret_cast<const uint16_t *>(job.x) + t * C.k + k0, count / 2,
          count % 2, TileSums{job.sums + t * job.sumsStride, job.sumsStride, k0 == 0});
    });
  }
}
#endif

/// A chunk of one panel as floats, [count][16].
template <LinearConfig C>
inline void widenPanel(const std::byte *panel, int64_t k0, int64_t count, float *out) {
  if constexpr (C.weight.quantized()) {
    dequantize(QuantPanel<C.weight, C.k>{panel}, k0 / blockK, count / blockK, out);
  } else {
    widenFloats<C.weight.element>(panel, k0, count, out);
  }
}

/// Columns [k0, k0 + count) of `tokens` rows of x as floats, or where they lie when they are floats already.
template <LinearConfig C>
inline const float *widenRows(const std::byte *x, int64_t tokens, int64_t k0, int64_t count, float *out) {
  if constexpr (C.x == Element::F32)
    return reinterpret_cast<const float *>(x) + k0;
  constexpr int64_t stride = LinearPlan<C>::chunkK + lanes;
  auto *rows = reinterpret_cast<const uint16_t *>(x);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t i = 0; i < count; i += lanes)
      store(out + t * stride + i, loadElements(C.x, rows, t * C.k + k0 + i, count - i));
  }
  return out;
}

/// Anything, in float32.
template <LinearConfig C, int panels>
inline void runF32(TileJob job, const LinearScratch<C> &scratch) {
  using P = LinearPlan<C>;
  constexpr int64_t packedStride = panelLayout(C.weight, C.k).bytes;
  constexpr bool direct = !C.weight.quantized() && C.weight.element == Element::F32;
  constexpr int64_t xStride = C.x == Element::F32 ? C.k : P::chunkK + lanes;
  // Quantized panels are few bytes an element, and their arithmetic hides them.
  constexpr int64_t nextStep =
      C.weight.quantized() ? 0 : panels * panelRows * (C.weight.element == Element::F32 ? 4 : 2);
  for (int64_t k0 = 0; k0 < C.k; k0 += P::chunkK) {
    int64_t count = C.k - k0 < P::chunkK ? C.k - k0 : P::chunkK;
    auto *weights =
        reinterpret_cast<const float *>(direct ? job.weights : scratch.weights) + (direct ? k0 * panelRows : 0);
    constexpr int64_t stride = direct ? packedStride / 4 : P::chunkK * panelRows;
    if constexpr (!direct) {
      for (int p = 0; p < panels; ++p)
        widenPanel<C>(job.weights + p * packedStride, k0, count,
                      reinterpret_cast<float *>(scratch.weights) + p * stride);
    }
    forEachTile<P::tileTokens>(job.tokens, [&](int64_t t, auto tokens) {
      const float *x = widenRows<C>(job.x + t * P::xRowBytes, tokens(), k0, count, scratch.floats);
      const std::byte *next = t + tokens() < job.tokens ? job.weights : job.next;
      f32Tile<panels, tokens(), stride, xStride, nextStep>(
          weights, next + k0 * nextStep, x, count, TileSums{job.sums + t * job.sumsStride, job.sumsStride, k0 == 0});
    });
  }
}

/// One unit of work: unitPanels panels, complete, for some tokens. The thread goes on to units before `unitsEnd`.
template <LinearConfig C>
inline void linearUnit(const rt::Args &args, const LinearScratch<C> &scratch, int64_t unit, int64_t unitsEnd,
                       int64_t row, int64_t tokens) {
  using P = LinearPlan<C>;
  constexpr int64_t sumsStride = P::unitPanels * panelRows, panelBytes = panelLayout(C.weight, C.k).bytes;
  auto *x = args.template get<const std::byte>(C.argX) + row * P::xRowBytes;
  auto *weights = args.template get<const std::byte>(C.argWeight);
  auto run = [&]<int panels>(int64_t first) {
    // Beyond this thread's last panel there is nothing to fetch ahead: these are here already.
    int64_t next = first + panels < unitsEnd * P::unitPanels ? first + panels : first;
    TileJob job{weights + first * panelBytes,
                weights + next * panelBytes,
                x,
                tokens,
                scratch.sums + first % P::unitPanels * panelRows,
                sumsStride};
    if constexpr (P::int8)
      runInt8<C, panels>(job, scratch);
    else if constexpr (P::bf16)
      runBf16<C, panels>(job);
    else
      runF32<C, panels>(job, scratch);
  };
  int64_t first = unit * P::unitPanels, end = first + P::unitPanels < P::panels ? first + P::unitPanels : P::panels;
  for (; first + P::tilePanels <= end; first += P::tilePanels)
    run.template operator()<P::tilePanels>(first);
  if constexpr (P::panels % P::tilePanels != 0) {
    if (first < end)
      run.template operator()<1>(first);
  }
  finishRows<C>(args, row, tokens, unit * P::unitColumns, scratch.sums);
}

/// Fetches the start of a thread's first panels: nobody has yet asked for them ahead of time.
inline __attribute__((always_inline)) void prefetchStart(const std::byte *panels, int64_t bytes) {
  for (int64_t at = 0; at < bytes && at < 32768; at += 64)
    __builtin_prefetch(panels + at, 0, 2);
}

/// See LinearConfig for what it computes.
template <LinearConfig C>
void linear(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.valid(), "no kernel for this combination of formats and sizes");
  using P = LinearPlan<C>;
  LinearScratch<C> scratch(worker.scratch);
  int64_t rows = C.rows == Rows::Tokens ? step.numTokens : step.numLogits;
  int64_t blocks = divideUp(rows, P::blockTokens);
  int64_t blockRows = blocks ? roundUp(divideUp(rows, blocks), P::tileTokens) : 0;
  for (int64_t row = 0; row < rows; row += blockRows) {
    int64_t count = rows - row < blockRows ? rows - row : blockRows;
    // Enough pieces for every thread: the tokens are cut only when there are few panels.
    int64_t pieces = divideUp(2 * worker.count, P::units);
    int64_t piece = roundUp(divideUp(count, pieces), P::tileTokens);
    pieces = divideUp(count, piece);
    auto mine = worker.range(P::units * pieces);
    constexpr int64_t unitBytes = P::unitPanels * panelLayout(C.weight, C.k).bytes;
    if (count <= P::directTokens && mine.begin < mine.end)
      prefetchStart(args.template get<const std::byte>(C.argWeight) + mine.begin / pieces * unitBytes, unitBytes);
    for (int64_t i = mine.begin; i < mine.end; ++i) {
      int64_t at = i % pieces * piece;
      linearUnit<C>(args, scratch, i / pieces, divideUp(mine.end, pieces), row + at,
                    count - at < piece ? count - at : piece);
    }
  }
}

} // namespace sinter::cpu
