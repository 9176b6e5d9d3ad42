// SPDX-License-Identifier: Apache-2.0
// RoPE, and the kernels that put keys and values into the paged cache, against plain loops over the stated layout.
#include "KernelBatch.h"
#include "KernelHarness.h"
#include "templates/cpu/rope_append.h"

using namespace sinter;
using namespace sinter::cpu;
using namespace sinter::cpu::test;

namespace {

constexpr int maxPositions = 80;

std::vector<float> angleTable(int headDim) {
  std::vector<float> table;
  for (int position = 0; position < maxPositions; ++position) {
    for (int i = 0; i < headDim / 2; ++i)
      table.push_back(float(std::cos(position * std::pow(1e4, -2.0 * i / headDim))));
    for (int i = 0; i < headDim / 2; ++i)
      table.push_back(float(std::sin(position * std::pow(1e4, -2.0 * i / headDim))));
  }
  return table;
}

std::vector<double> rotated(const float *x, const std::vector<float> &table, int position, int headDim) {
  std::vector<double> y(headDim);
  int half = headDim / 2;
  for (int i = 0; i < half; ++i) {
    double cosine = table[position * headDim + i], sine = table[position * headDim + half + i];
    y[i] = x[i] * cosine - x[half + i] * sine;
    y[half + i] = x[half + i] * cosine + x[i] * sine;
  }
  return y;
}

std::vector<double> normed(const float *x, const std::vector<float> &w, double eps) {
  double squares = 0;
  for (size_t i = 0; i < w.size(); ++i)
    squares += double(x[i]) * x[i];
  std::vector<double> y;
  for (size_t i = 0; i < w.size(); ++i)
    y.push_back(x[i] * w[i] / std::sqrt(squares / double(w.size()) + eps));
  return y;
}

template <RopeConfig C>
void checkRope(int32_t threads) {
  std::vector<int32_t> positions{3, 4, 5, 70, 0};
  std::vector<float> x = rounded(C.in, randomFloats(5 * C.columns(), 1)), table = angleTable(C.headDim);
  std::vector<double> want;
  for (int row = 0; row < 5; ++row)
    for (int head = 0; head < C.heads; ++head) {
      auto y = rotated(&x[row * C.columns() + head * C.headDim], table, positions[row], C.headDim);
      want.insert(want.end(), y.begin(), y.end());
    }
  Buffer xs = encode(C.in, x), ts = encode(Element::F32, table), y(5 * rowBytes(C.out, C.columns()));
  runTeam(rope<C>, rt::Step{.numTokens = 5, .positions = positions.data()}, {&xs, &ts, &y}, C.scratchBytes(), threads);
  expectClose(decode(C.out, y, C.columns()), want, tolerance(C.out));
}

TEST(Rope, RotatesHalves) {
  checkRope<{.heads = 3, .headDim = 64}>(1);
  checkRope<{.heads = 2, .headDim = 20, .in = Element::BF16, .out = Element::BF16}>(2);
  checkRope<{.heads = 5, .headDim = 8, .in = Element::F16, .out = Element::F16}>(3);
}

/// An element of the cache, by the offsets of kv_cache.h.
float cached(Element type, const std::byte *at) {
  float f;
  uint16_t h;
  std::memcpy(&f, at, 4);
  std::memcpy(&h, at, 2);
  return type == Element::F32 ? f : type == Element::BF16 ? bf16ToFloat(h) : halfToFloat(h);
}

/// What a row of the cache must hold, and that it does.
template <KvConfig C>
struct CacheCheck {
  Buffer &pool;
  const rt::Step &step;
  double error;

  void expect(int32_t seq, int32_t position, int head, const std::vector<double> &key,
              const std::vector<double> &value) const {
    int32_t id = step.blockTable[seq * step.blockTableStride + position / C.blockTokens];
    const std::byte *block = pool.data() + id * C.blockBytes();
    for (int d = 0; d < C.headDim; ++d) {
      float k = cached(C.type, block + C.keyOffset(head, position % C.blockTokens, d));
      float v = cached(C.type, block + C.valueOffset(head, position % C.blockTokens, d));
      ASSERT_TRUE(std::abs(k - key[d]) <= error * (std::abs(key[d]) + 1)) << seq << ' ' << position << ' ' << d;
      ASSERT_TRUE(std::abs(v - value[d]) <= error * (std::abs(value[d]) + 1)) << seq << ' ' << position << ' ' << d;
    }
  }
};

template <RopeAppendConfig C>
void checkRopeAppend(int32_t threads) {
  constexpr int dim = C.kv.headDim, columns = (C.heads + 2 * C.kv.kvHeads) * dim;
  Batch batch({40, 70, 3}, C.kv.blockTokens, 11);
  rt::Step step = batch.step({0, 69, 1}, {40, 1, 2});
  std::vector<float> qkv = rounded(C.in, randomFloats(step.numTokens * columns, 2)), table = angleTable(dim);
  std::vector<float> qw = rounded(C.normWeight, randomFloats(dim, 3)), kw = rounded(C.normWeight, randomFloats(dim, 4));
  Buffer xs = encode(C.in, qkv), ts = encode(Element::F32, table), qws = encode(C.normWeight, qw);
  Buffer kws = encode(C.normWeight, kw), pool(batch.numBlocks() * C.kv.blockBytes());
  Buffer q(step.numTokens * rowBytes(C.out, C.heads * dim));
  std::vector<Buffer *> buffers{&xs, &ts, &pool, &q};
  if (C.norm)
    buffers.insert(buffers.begin() + 2, {&qws, &kws});
  runTeam(ropeAppend<C>, step, buffers, C.scratchBytes(), threads);

  auto head = [&](const float *x, const std::vector<float> &w, int position) {
    if (!C.norm)
      return rotated(x, table, position, dim);
    std::vector<double> y = normed(x, w, C.eps);
    return rotated(std::vector<float>(y.begin(), y.end()).data(), table, position, dim);
  };
  std::vector<double> want;
  CacheCheck<C.kv> cache{pool, step, tolerance(C.kv.type)};
  for (int seq = 0; seq < step.numSeqs; ++seq)
    for (int row = step.queryStart[seq]; row < step.queryStart[seq + 1]; ++row) {
      const float *x = &qkv[row * columns];
      for (int h = 0; h < C.heads; ++h, x += dim) {
        auto y = head(x, qw, step.positions[row]);
        want.insert(want.end(), y.begin(), y.end());
      }
      for (int h = 0; h < C.kv.kvHeads; ++h, x += dim) {
        const float *v = x + C.kv.kvHeads * dim;
        cache.expect(seq, step.positions[row], h, head(x, kw, step.positions[row]), std::vector<double>(v, v + dim));
      }
    }
  expectClose(decode(C.out, q, C.heads * dim), want, tolerance(C.out) + (C.norm ? 1e-6 : 0));
}

TEST(Rope, AppendsToTheCache) {
  checkRopeAppend<{.heads = 9, .kv = {.kvHeads = 3, .headDim = 64}}>(2);
  checkRopeAppend<{.heads = 4, .kv = {.kvHeads = 2, .headDim = 20, .type = Element::F32}}>(3);
  checkRopeAppend<{.heads = 4,
                   .kv = {.kvHeads = 4, .headDim = 16, .blockTokens = 16, .type = Element::F16},
                   .in = Element::F16,
                   .out = Element::F16}>(1);
}

TEST(Rope, NormalisesHeadsFirst) {
  checkRopeAppend<{.heads = 4,
                   .kv = {.kvHeads = 2, .headDim = 20},
                   .norm = true,
                   .eps = 1e-6f,
                   .in = Element::BF16,
                   .normWeight = Element::BF16,
                   .out = Element::BF16}>(2);
}

TEST(Rope, AppendsUnfusedKeysAndValues) {
  constexpr AppendKvConfig C{.kv = {.kvHeads = 2, .headDim = 8}, .in = Element::F16};
  Batch batch({33, 5}, C.kv.blockTokens, 12);
  rt::Step step = batch.step({31, 0}, {2, 5});
  std::vector<float> k = rounded(C.in, randomFloats(7 * 16, 5)), v = rounded(C.in, randomFloats(7 * 16, 6));
  Buffer ks = encode(C.in, k), vs = encode(C.in, v), pool(batch.numBlocks() * C.kv.blockBytes());
  runTeam(appendKv<C>, step, {&ks, &vs, &pool}, C.scratchBytes(), 2);
  CacheCheck<C.kv> cache{pool, step, tolerance(C.kv.type)};
  for (int row = 0; row < 7; ++row)
    for (int h = 0; h < 2; ++h) {
      int at = row * 16 + h * 8;
      cache.expect(row < 2 ? 0 : 1, step.positions[row], h, {&k[at], &k[at] + 8}, {&v[at], &v[at] + 8});
    }
}

} // namespace
