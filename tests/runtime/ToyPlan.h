// SPDX-License-Identifier: Apache-2.0
// A plan written by hand, small enough to know its answers: what tests run in place of a compiled model.
//
// Each of two layers replaces a token's value by the sum, modulo the vocabulary, of the values of its context, which it
// keeps in a paged KV cache; the logits peak at the token (value + position) modulo the vocabulary.
#pragma once
#include "runtime/abi/Plan.h"
#include <vector>

namespace sinter::rt::toy {

inline constexpr int32_t vocab = 97, layers = 2, blockTokens = 4, maxSeqLen = 64, maxStepTokens = 24, maxSeqs = 6;

/// value[t] = table[token[t]]
inline void embed(const Step &step, const Args &args, const Worker &worker) {
  const int32_t *table = args.get<const int32_t>(0);
  int32_t *value = args.get<int32_t>(1);
  auto [begin, end] = worker.range(step.numTokens);
  for (int64_t t = begin; t < end; ++t)
    value[t] = table[step.tokens[t]];
}

inline int32_t &slot(const Step &step, int32_t *pool, int32_t sequence, int32_t position) {
  int32_t block = step.blockTable[sequence * step.blockTableStride + position / blockTokens];
  return pool[block * blockTokens + position % blockTokens];
}

/// Appends the values of the step to the layer's pool, then sums each token's context.
inline void layer(const Step &step, const Args &args, const Worker &worker) {
  int32_t *pool = args.get<int32_t>(0), *value = args.get<int32_t>(1);
  auto [begin, end] = worker.range(step.numSeqs);
  for (int64_t s = begin; s < end; ++s)
    for (int32_t t = step.queryStart[s]; t < step.queryStart[s + 1]; ++t)
      slot(step, pool, static_cast<int32_t>(s), step.positions[t]) = value[t];
  worker.barrier();
  for (int32_t s = 0; s < step.numSeqs; ++s)
    for (int32_t t = step.queryStart[s]; t < step.queryStart[s + 1]; ++t) {
      if (t % worker.count != worker.index)
        continue;
      int32_t sum = 0;
      for (int32_t position = 0; position <= step.positions[t]; ++position)
        sum += slot(step, pool, s, position);
      value[t] = sum % vocab;
    }
}

inline void head(const Step &step, const Args &args, const Worker &worker) {
  const int32_t *value = args.get<const int32_t>(0);
  float *logits = args.get<float>(1);
  auto [begin, end] = worker.range(step.numLogits);
  for (int64_t row = begin; row < end; ++row) {
    int32_t t = step.logitRows[row], peak = (value[t] + step.positions[t]) % vocab;
    for (int32_t v = 0; v < vocab; ++v)
      logits[row * vocab + v] = v == peak ? 8.0f : -0.01f * static_cast<float>(v);
  }
}

inline constexpr Arg embedArgs[] = {{ArgKind::Weight, 64}, {ArgKind::Value, 0}};
inline constexpr Arg layer0Args[] = {{ArgKind::KvLayer, 0}, {ArgKind::Value, 0}};
inline constexpr Arg layer1Args[] = {{ArgKind::KvLayer, 1}, {ArgKind::Value, 0}};
inline constexpr Arg headArgs[] = {{ArgKind::Value, 0}, {ArgKind::Logits, 0}};
inline constexpr Launch launches[] = {
    {embed, "%0 = embed %tokens, @table : i32[T]", "k00_embed", embedArgs, 2, -1, vocab * 4, 1},
    {layer, "%1 = layer %0 : i32[T]", "k01_layer", layer0Args, 2, 0, 0, 2},
    {layer, "%2 = layer %1 : i32[T]", "k01_layer", layer1Args, 2, 1, 0, 2},
    {head, "%3 = head %2 : f32[S, 97]", "k02_head", headArgs, 2, -1, 0, vocab}};
inline constexpr Bucket buckets[] = {{1, launches, 4}, {8, launches, 4}, {maxStepTokens, launches, 4}};
inline constexpr uint64_t weightsBytes = 64 + vocab * 4;

inline constexpr Plan plan = {.model = "toy",
                              .target = "cpu:test",
                              .cpuFeatures = "",
                              .vocabSize = vocab,
                              .numLayers = layers,
                              .hiddenSize = 1,
                              .maxSeqLen = maxSeqLen,
                              .maxStepTokens = maxStepTokens,
                              .maxSeqs = maxSeqs,
                              .maxStepLogits = maxStepTokens,
                              .kvBlockTokens = blockTokens,
                              .kvBlockBytes = blockTokens * 4,
                              .arenaBytes = maxStepTokens * 4,
                              .scratchBytes = 0,
                              .weightsBytes = weightsBytes,
                              .weightRegions = nullptr,
                              .numWeightRegions = 0,
                              .weightSeed = 0,
                              .buckets = buckets,
                              .numBuckets = 3,
                              .cuda = nullptr};

/// The weights section: 64 bytes of nothing, then table[token] = (5 * token + 1) % vocab.
inline std::vector<int32_t> makeWeights() {
  std::vector<int32_t> words(weightsBytes / 4);
  for (int32_t token = 0; token < vocab; ++token)
    words[static_cast<size_t>(16 + token)] = (5 * token + 1) % vocab;
  return words;
}

/// The most likely token after `tokens`, computed without any of the above.
inline int32_t nextToken(const std::vector<int32_t> &tokens) {
  std::vector<int32_t> values;
  for (int32_t token : tokens)
    values.push_back((5 * token + 1) % vocab);
  for (int32_t l = 0; l < layers; ++l) {
    int32_t sum = 0;
    for (int32_t &value : values) {
      sum += value;
      value = sum % vocab;
    }
  }
  return (values.back() + static_cast<int32_t>(tokens.size()) - 1) % vocab;
}

} // namespace sinter::rt::toy
