// SPDX-License-Identifier: Apache-2.0
// Causal attention over the paged KV cache, for prompts and single tokens in one batch.
//
//   pagedAttention  args: q [T, heads * headDim], pool of the layer | y [T, heads * headDim]
//
// The cache already holds this step's keys and values. Softmax is computed online (Milakov and Gimelshein,
// arXiv:1805.02867) in float32, over tiles of 128 keys at fixed positions in ascending order: a row's result depends on
// its own query and context only, not on how the prompt was cut into steps, nor on the batch, nor on the team.
#pragma once
#include "templates/cpu/attention_schedule.h"
#include "templates/cpu/kv_append.h"
#include <limits>

namespace sinter::cpu {

inline constexpr int attentionTileKeys = 128;

struct AttentionConfig {
  int heads;
  KvConfig kv;
  float scale; ///< of the scores, > 0
  Element in = Element::F32, out = Element::F32;
  constexpr int group() const { return heads / kv.kvHeads; }
  constexpr int columns() const { return heads * kv.headDim; }
  constexpr int maxRows() const { return attentionTileTokens(group()) * group(); }
  /// Units of a query row, which ends in whole vectors.
  constexpr int queryStride() const { return kv.valueDims(); }
  /// Groups of q8 codes reach across heads: a row is then one thread's, all heads of it.
  constexpr bool wholeRows() const { return out == Element::Q8 && kv.headDim % q8Block != 0; }
  constexpr bool valid() const {
    return kv.valid() && heads > 0 && heads % kv.kvHeads == 0 && in != Element::Q8 && scale > 0 &&
           validRow(out, columns());
  }
  constexpr int64_t scratchBytes() const;
};

/// What a thread keeps of the rows it works on, in its scratch.
template <AttentionConfig C>
struct AttentionState {
  using Unit = typename KvMath<C.kv.type>::Unit;
  alignas(64) float out[C.maxRows() * C.kv.valueDims()]; ///< weighted values so far
  alignas(64) float sums[C.maxRows() * lanes];           ///< sums of weights so far, by lane
  alignas(64) Unit queries[C.maxRows() * C.queryStride()];
  alignas(64) float scores[rowsAtOnce * attentionTileKeys];
  alignas(64) Unit weights[rowsAtOnce * attentionTileKeys];
  float maxima[C.maxRows()];                              ///< largest score so far, before scaling
  int keys[C.maxRows()];                                  ///< keys that the row sees
  alignas(64) float row[C.wholeRows() ? C.columns() : 1]; ///< all heads of a token
};

constexpr int64_t AttentionConfig::scratchBytes() const {
  int64_t rows = maxRows(), tile = rowsAtOnce * attentionTileKeys;
  return (rows * (kv.valueDims() + lanes + queryStride() + 2) + 2 * tile + columns()) * 4 + 8 * 64;
}

/// A tile of keys: where each 16 of them lie.
struct KeyTile {
  int first; ///< position
  const std::byte *keys[attentionTileKeys / lanes], *values[attentionTileKeys / lanes];
};

template <KvConfig C>
inline KeyTile keyTile(const std::byte *pool, const int32_t *blocks, int first, int end, int head) {
  KeyTile tile{first, {}, {}};
  for (int g = 0; g < attentionTileKeys / lanes && first + g * lanes < end; ++g) {
    int position = first + g * lanes;
    const std::byte *block = pool + blocks[position / C.blockTokens] * C.blockBytes();
    tile.keys[g] = block + C.keyOffset(head, position % C.blockTokens, 0);
    tile.values[g] = block + C.valueOffset(head, position % C.blockTokens, 0);
  }
  return tile;
}

template <KvConfig C, int rows, int vectors = vectorsAtOnce, typename Unit>
inline void scoreTiles(const Unit *queries, int queryStride, const std::byte *const *groups, int count, float *scores) {
  int j = 0;
  for (; j + vectors <= count; j += vectors)
    scoreTile<C, rows, vectors>(queries, queryStride, groups + j, scores + j * lanes, attentionTileKeys);
  if constexpr (vectors > 1)
    if (j < count)
      scoreTiles<C, rows, vectors / 2>(queries, queryStride, groups + j, count - j, scores + j * lanes);
}

template <KvConfig C, int rows, int dim = 0, typename Unit>
inline void weighAllValues(const Unit *weights, const std::byte *const *groups, int keys, const float *factors,
                           float *out) {
  constexpr int left = (C.valueDims() - dim) / lanes, vectors = left < vectorsAtOnce ? left : vectorsAtOnce;
  constexpr int stride = attentionTileKeys / KvMath<C.type>::perUnit;
  weighValues<C, rows, vectors>(weights, stride, groups, dim, keys, factors, out + dim, C.valueDims());
  if constexpr (vectors < left)
    weighAllValues<C, rows, dim + vectors * lanes>(weights, groups, keys, factors, out);
}

/// The largest of a row's first `keys` scores; scores behind them, in the same vector, are not looked at.
inline float largestScore(const float *scores, int keys) {
  F32x16 largest = splat(-std::numeric_limits<float>::infinity());
  int i = 0;
  for (; i + lanes <= keys; i += lanes)
    largest = max(largest, load(scores + i));
  if (i < keys)
    largest = max(largest, firstLanes(keys - i, load(scores + i), largest));
  return reduceMax(largest);
}

/// weights[t] = 2^(scale * (scores[t] - maximum)) of a row's first `keys` scores, zero up to `end`; returns their sums.
template <Element type, typename Unit>
inline F32x16 softmaxWeights(const float *scores, int keys, int end, float scale, float maximum, Unit *weights) {
  using Math = KvMath<type>;
  constexpr int degree = Math::perUnit == 2 ? 3 : 5; // weights are rounded to bfloat16, or kept
  F32x16 sum = zeroF(), shift = splat(-maximum * scale);
  int i = 0;
  for (; i + lanes <= keys; i += lanes) {
    F32x16 w = exp2<degree>(fma(load(scores + i), splat(scale), shift));
    sum = sum + w;
    Math::storeUnits(weights, i, w);
  }
  for (; i < end; i += lanes) {
    F32x16 w = firstLanes(keys - i, exp2<degree>(fma(load(scores + i), splat(scale), shift)), zeroF());
    sum = sum + w;
    Math::storeUnits(weights, i, w);
  }
  return sum;
}

/// Rows [row, row + rows) of the state take in a tile of keys.
template <AttentionConfig C, int rows>
inline void attendTile(AttentionState<C> &state, const KeyTile &tile, int row) {
  constexpr int stride = attentionTileKeys;
  constexpr float scale = float(double(C.scale) * 1.4426950408889634); // e^x = 2^(x log2 e)
  int seen = state.keys[row + rows - 1] - tile.first, keys = seen < stride ? seen : stride;
  int groups = (keys + lanes - 1) / lanes;
  scoreTiles<C.kv, rows>(state.queries + row * C.queryStride(), C.queryStride(), tile.keys, groups, state.scores);

  alignas(64) float factors[lanes] = {};
  int rowKeys[rows];
  for (int r = 0; r < rows; ++r) {
    int own = state.keys[row + r] - tile.first;
    rowKeys[r] = own < 0 ? 0 : own < keys ? own : keys;
    float before = state.maxima[row + r], largest = largestScore(state.scores + r * stride, rowKeys[r]);
    state.maxima[row + r] = largest > before ? largest : before;
    factors[r] = (before - state.maxima[row + r]) * scale;
  }
  store(factors, exp2<5>(load(factors)));
  for (int r = 0; r < rows; ++r) {
    float *sums = state.sums + (row + r) * lanes;
    F32x16 sum =
        softmaxWeights<C.kv.type>(state.scores + r * stride, rowKeys[r], groups * lanes, scale, state.maxima[row + r],
                                  state.weights + r * (stride / KvMath<C.kv.type>::perUnit));
    store(sums, fma(load(sums), splat(factors[r]), sum));
  }
  weighAllValues<C.kv, rows>(state.weights, tile.values, keys, factors, state.out + row * C.kv.valueDims());
}

/// attendTile for a number of rows known at run time.
template <AttentionConfig C, int rows = rowsAtOnce>
inline void attendTileRows(AttentionState<C> &state, const KeyTile &tile, int row, int count) {
  if (count == rows)
    return attendTile<C, rows>(state, tile, row);
  if constexpr (rows > 1)
    attendTileRows<C, rows - 1>(state, tile, row, count);
}

/// Divides a row of the state by the sum of its weights and writes it as a head at `column` of y.
template <AttentionConfig C, Element out>
inline void writeHead(AttentionState<C> &state, int r, int column, std::byte *y, BlockBatch &batch) {
  float *head = state.out + r * C.kv.valueDims();
  F32x16 inverse = splat(1.0f / reduceAdd(load(state.sums + r * lanes)));
  forVectors<C.kv.headDim>([&](int i, auto count) {
    if constexpr (out == Element::Q8)
      store(head + i, load(head + i) * inverse);
    else
      storeAs<out, count()>(y, column + i, load(head + i) * inverse);
  });
  if constexpr (out == Element::Q8)
    for (int i = 0; i < C.kv.headDim; i += q8Block)
      batch.add(head + i, (column + i) / q8Block, y);
}

/// Rows [begin, end) of a unit, from queries to results, written as `out` to the row y(token).
template <AttentionConfig C, Element out, typename Row>
void attendRows(const rt::Step &step, const rt::Args &args, AttentionState<C> &state, const AttentionUnit &unit,
                int begin, int end, Row &&y) {
  constexpr int group = C.group(), headDim = C.kv.headDim;
  int rows = end - begin;
  auto column = [&](int r) { return (unit.kvHead * group + (begin + r) % group) * headDim; };
  auto token = [&](int r) { return unit.firstToken + (begin + r) / group; };
  for (int r = 0; r < rows; ++r) {
    const std::byte *q = args.get<const std::byte>(0) + token(r) * rowBytes(C.in, C.columns());
    forVectors<headDim>([&](int i, auto count) {
      KvMath<C.kv.type>::storeUnits(state.queries + r * C.queryStride(), i, loadAs<C.in, count()>(q, column(r) + i));
    });
    for (int i = 0; i < C.kv.valueDims(); i += lanes)
      store(state.out + r * C.kv.valueDims() + i, zeroF());
    store(state.sums + r * lanes, zeroF());
    state.maxima[r] = -std::numeric_limits<float>::infinity();
    state.keys[r] = unit.keys - (unit.firstToken + unit.tokens - 1 - token(r));
  }

  const int32_t *blocks = step.blockTable + int64_t(unit.seq) * step.blockTableStride;
  int keys = state.keys[rows - 1];
  for (int first = 0; first < keys; first += attentionTileKeys) {
    KeyTile tile = keyTile<C.kv>(args.get<const std::byte>(1), blocks, first, keys, unit.kvHead);
    for (int row = 0; row < rows; row += rowsAtOnce) {
      int count = rows - row < rowsAtOnce ? rows - row : rowsAtOnce;
      if (state.keys[row + count - 1] > first)
        attendTileRows<C>(state, tile, row, count);
    }
  }

  BlockBatch batch(C.columns());
  for (int r = 0; r < rows; ++r)
    writeHead<C, out>(state, r, column(r), y(token(r)), batch);
}

/// Token by token, for results that are encoded across heads.
template <AttentionConfig C>
void attendWholeRows(const rt::Step &step, const rt::Args &args, const rt::Worker &worker, AttentionState<C> &state) {
  SequenceCursor sequence(step);
  auto [begin, end] = worker.range(step.numTokens);
  for (int64_t token = begin; token < end; ++token) {
    for (int32_t kvHead = 0; kvHead < C.kv.kvHeads; ++kvHead) {
      AttentionUnit unit{sequence.at(token), kvHead, int32_t(token), 1, step.positions[token] + 1, 0};
      attendRows<C, Element::F32>(step, args, state, unit, 0, C.group(),
                                  [&](int) { return reinterpret_cast<std::byte *>(state.row); });
    }
    quantizeWholeRow(state.row, C.columns(), args.get<std::byte>(2) + token * rowBytes(C.out, C.columns()));
  }
}

template <AttentionConfig C>
void pagedAttention(const rt::Step &step, const rt::Args &args, const rt::Worker &worker) {
  static_assert(C.valid() && sizeof(AttentionState<C>) <= size_t(C.scratchBytes()));
  auto &state = *reinterpret_cast<AttentionState<C> *>(worker.scratch);
  if constexpr (C.wholeRows())
    return attendWholeRows<C>(step, args, worker, state);
  else
    forMyAttentionRows<C.kv.kvHeads, C.group()>(step, worker, [&](const AttentionUnit &unit, int begin, int end) {
      attendRows<C, C.out>(step, args, state, unit, begin, end,
                           [&](int token) { return args.get<std::byte>(2) + token * rowBytes(C.out, C.columns()); });
    });
}

} // namespace sinter::cpu
