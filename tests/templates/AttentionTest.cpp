// SPDX-License-Identifier: Apache-2.0
// Paged attention against float64 softmax; and that a token's result depends on its own context only, to the bit.
#include "templates/cpu/attention.h"
#include "KernelBatch.h"
#include "KernelHarness.h"

using namespace sinter;
using namespace sinter::cpu;
using namespace sinter::cpu::test;

namespace {

/// Queries, keys and values of whole sequences, row after row of their positions, in float32.
struct Conversation {
  std::vector<std::vector<float>> q, k, v;
};

template <AttentionConfig C>
Conversation randomConversation(const std::vector<int32_t> &lengths) {
  Conversation c;
  for (size_t s = 0; s < lengths.size(); ++s) {
    int64_t kvColumns = C.kv.kvHeads * C.kv.headDim;
    c.q.push_back(rounded(C.in, randomFloats(lengths[s] * C.columns(), uint32_t(3 * s))));
    c.k.push_back(rounded(C.kv.type, randomFloats(lengths[s] * kvColumns, uint32_t(3 * s + 1))));
    c.v.push_back(rounded(C.kv.type, randomFloats(lengths[s] * kvColumns, uint32_t(3 * s + 2))));
  }
  return c;
}

/// The rows of a step, gathered from whole sequences.
Buffer gather(Element type, const std::vector<std::vector<float>> &sequences, const rt::Step &step, int64_t columns) {
  std::vector<float> rows;
  for (int s = 0; s < step.numSeqs; ++s)
    for (int row = step.queryStart[s]; row < step.queryStart[s + 1]; ++row) {
      auto at = sequences[s].begin() + step.positions[row] * columns;
      rows.insert(rows.end(), at, at + columns);
    }
  return encode(type, rows);
}

/// Appends the step's keys and values and attends: [T, columns].
template <AttentionConfig C>
Buffer runStep(const Conversation &c, const rt::Step &step, Buffer &pool, int32_t threads) {
  int64_t kvColumns = C.kv.kvHeads * C.kv.headDim;
  Buffer q = gather(C.in, c.q, step, C.columns()), y(step.numTokens * rowBytes(C.out, C.columns()));
  Buffer k = gather(Element::F32, c.k, step, kvColumns), v = gather(Element::F32, c.v, step, kvColumns);
  runTeam(appendKv<AppendKvConfig{.kv = C.kv}>, step, {&k, &v, &pool}, 0);
  runTeam(pagedAttention<C>, step, {&q, &pool, &y}, C.scratchBytes(), threads);
  return y;
}

template <AttentionConfig C>
std::vector<double> reference(const Conversation &c, int seq, int position, int head) {
  constexpr int dim = C.kv.headDim, kvColumns = C.kv.kvHeads * dim;
  int kvHead = head / C.group();
  const float *q = &c.q[seq][position * C.columns() + head * dim];
  std::vector<double> weights, out(dim);
  double sum = 0;
  for (int t = 0; t <= position; ++t) {
    double score = 0;
    for (int d = 0; d < dim; ++d)
      score += double(q[d]) * c.k[seq][t * kvColumns + kvHead * dim + d];
    weights.push_back(std::exp(score * C.scale));
    sum += weights.back();
  }
  for (int t = 0; t <= position; ++t)
    for (int d = 0; d < dim; ++d)
      out[d] += weights[t] / sum * c.v[seq][t * kvColumns + kvHead * dim + d];
  return out;
}

/// Float caches lose nothing beyond float32 arithmetic; with bfloat16 dot products queries and weights are rounded.
double attentionTolerance(Element cache, Element out) {
  return std::max(cache == Element::BF16 && KvMath<Element::BF16>::perUnit == 2 ? 1e-2 : 1e-5, tolerance(out));
}

/// A mixed batch: a prompt, single tokens in long and short contexts, a chunk in the middle of a prompt.
template <AttentionConfig C>
void checkMixedBatch(int32_t threads) {
  std::vector<int32_t> context{0, 1050, 130, 0, 127}, added{75, 1, 41, 1, 2}, lengths;
  for (size_t s = 0; s < context.size(); ++s)
    lengths.push_back(context[s] + added[s]);
  Conversation c = randomConversation<C>(lengths);
  Batch batch(lengths, C.kv.blockTokens, 7);
  Buffer pool(batch.numBlocks() * C.kv.blockBytes());
  runStep<C>(c, batch.step({0, 0, 0, 0, 0}, context), pool, 2);
  rt::Step step = batch.step(context, added);
  Buffer y = runStep<C>(c, step, pool, threads);
  std::vector<double> want;
  for (int s = 0; s < step.numSeqs; ++s)
    for (int row = step.queryStart[s]; row < step.queryStart[s + 1]; ++row)
      for (int head = 0; head < C.heads; ++head) {
        auto out = reference<C>(c, s, step.positions[row], head);
        want.insert(want.end(), out.begin(), out.end());
      }
  expectClose(decode(C.out, y, C.columns()), want, attentionTolerance(C.kv.type, C.out));
}

TEST(Attention, MatchesSoftmaxOverPagedContexts) {
  checkMixedBatch<{.heads = 9, .kv = {.kvHeads = 3, .headDim = 64}, .scale = 0.125f}>(2);
  checkMixedBatch<{.heads = 9, .kv = {.kvHeads = 3, .headDim = 64, .type = Element::F32}, .scale = 0.125f}>(2);
  checkMixedBatch<{.heads = 4,
                   .kv = {.kvHeads = 4, .headDim = 20, .blockTokens = 16, .type = Element::F16},
                   .scale = 0.22f,
                   .in = Element::F16,
                   .out = Element::F16}>(3);
  checkMixedBatch<{.heads = 5,
                   .kv = {.kvHeads = 1, .headDim = 8, .blockTokens = 48},
                   .scale = 0.35f,
                   .in = Element::BF16,
                   .out = Element::BF16}>(1);
  checkMixedBatch<{.heads = 8, .kv = {.kvHeads = 2, .headDim = 80, .type = Element::F32}, .scale = 0.11f}>(2);
}

/// All results of a sequence of 300 tokens, computed in steps of the given sizes beside a second sequence.
template <AttentionConfig C>
Buffer runChunks(const std::vector<int32_t> &chunks, uint32_t seed, int32_t threads) {
  Conversation c = randomConversation<C>({300, 1000});
  Batch batch({300, 1000}, C.kv.blockTokens, seed);
  Buffer pool(batch.numBlocks() * C.kv.blockBytes()), all(300 * rowBytes(C.out, C.columns()));
  int32_t done = 0, other = 0;
  for (int32_t chunk : chunks) {
    int32_t beside = int32_t(seed) + chunk % 5;
    Buffer y = runStep<C>(c, batch.step({done, other}, {chunk, beside}), pool, threads);
    std::memcpy(all.data() + done * rowBytes(C.out, C.columns()), y.data(), chunk * rowBytes(C.out, C.columns()));
    done += chunk;
    other += beside;
  }
  EXPECT_EQ(done, 300);
  return all;
}

template <AttentionConfig C>
void checkChunks() {
  Buffer whole = runChunks<C>({300}, 1, 1);
  EXPECT_TRUE(runChunks<C>({300}, 2, 3) == whole);
  EXPECT_TRUE(runChunks<C>({17, 1, 1, 110, 1, 126, 32, 5, 7}, 3, 2) == whole);
  EXPECT_TRUE(runChunks<C>(std::vector<int32_t>(300, 1), 0, 2) == whole);
}

TEST(Attention, DoesNotDependOnChunksBatchOrTeam) {
  checkChunks<{.heads = 9, .kv = {.kvHeads = 3, .headDim = 64}, .scale = 0.125f}>();
  checkChunks<{.heads = 9, .kv = {.kvHeads = 3, .headDim = 64, .type = Element::F32}, .scale = 0.125f}>();
  checkChunks<{.heads = 9, .kv = {.kvHeads = 3, .headDim = 64}, .scale = 0.125f, .out = Element::Q8}>();
  checkChunks<{.heads = 5,
               .kv = {.kvHeads = 1, .headDim = 8, .blockTokens = 48},
               .scale = 0.35f,
               .in = Element::BF16,
               .out = Element::BF16}>();
}

TEST(Attention, EncodesTheFloatRow) {
  constexpr AttentionConfig C{.heads = 9, .kv = {.kvHeads = 3, .headDim = 64}, .scale = 0.125f};
  constexpr AttentionConfig toQ8{.heads = 9, .kv = {.kvHeads = 3, .headDim = 64}, .scale = 0.125f, .out = Element::Q8};
  Buffer floats = runChunks<C>({300}, 1, 1), q8 = runChunks<toQ8>({300}, 1, 2);
  expectQ8Of(q8, floats, C.columns());
}

TEST(Attention, EncodesGroupsAcrossHeads) {
  constexpr KvConfig kv{.kvHeads = 2, .headDim = 8, .type = Element::F32};
  constexpr AttentionConfig C{.heads = 8, .kv = kv, .scale = 0.35f};
  constexpr AttentionConfig toQ8{.heads = 8, .kv = kv, .scale = 0.35f, .out = Element::Q8};
  Buffer floats = runChunks<C>({300}, 1, 1), q8 = runChunks<toQ8>({100, 1, 199}, 2, 3);
  expectQ8Of(q8, floats, C.columns());
}

TEST(Attention, OneKeyGivesItsValue) {
  constexpr AttentionConfig C{.heads = 2, .kv = {.kvHeads = 1, .headDim = 16}, .scale = 0.25f};
  Conversation c = randomConversation<C>({1});
  Batch batch({1}, C.kv.blockTokens, 1);
  Buffer pool(batch.numBlocks() * C.kv.blockBytes());
  Buffer y = runStep<C>(c, batch.step({0}, {1}), pool, 1);
  std::vector<float> got = decode(C.out, y, C.columns());
  for (int i = 0; i < C.columns(); ++i)
    EXPECT_EQ(got[i], c.v[0][i % 16]);
}

TEST(Attention, TeamsShareTheRowsExactly) {
  Batch batch({600, 400, 1}, 32, 1);
  rt::Step step = batch.step({599, 100, 0}, {1, 300, 1});
  for (int32_t threads : {1, 2, 3, 7, 64}) {
    std::vector<int> seen(step.numTokens * 9, 0);
    for (int32_t i = 0; i < threads; ++i)
      forMyAttentionRows<3, 3>(step, rt::Worker{i, threads}, [&](const AttentionUnit &u, int begin, int end) {
        for (int r = begin; r < end; ++r)
          ++seen[(u.firstToken + r / 3) * 9 + u.kvHead * 3 + r % 3];
      });
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), std::ptrdiff_t(seen.size())) << threads << " threads";
  }
}

} // namespace
