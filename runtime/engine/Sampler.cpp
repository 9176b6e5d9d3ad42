// SPDX-License-Identifier: Apache-2.0
// Sampling, in the order that Sampler.h states.
#include "runtime/engine/Sampler.h"
#include "runtime/engine/Philox.h"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace sinter::rt {

Result<int32_t> Sampler::sample(const SampleInput &input) {
  const SamplingParams &params = input.params;
  if (auto scanned = row.scan(input.logits); !scanned)
    return tl::unexpected(scanned.error());
  if (params.editsLogits()) {
    edited.assign(input.logits.begin(), input.logits.end());
    for (const LogitBias &bias : params.logitBias)
      edited[bias.token] += bias.bias;
    if (params.penalizes())
      input.history.penalize(edited, params);
    if (auto scanned = row.scan(edited); !scanned)
      return tl::unexpected(scanned.error());
  }
  return choose(input);
}

int32_t Sampler::choose(const SampleInput &input) {
  const SamplingParams &params = input.params;
  if (params.greedy())
    return row.largest().token;
  double random = uniform(input.seed, input.index);
  float scale = 1 / params.temperature;
  if (params.topK == 0 && params.topP >= 1 && params.minP <= 0)
    return row.tokenAtSum(random * row.sumExp(scale, -INFINITY));
  keepMostLikely(params, scale);
  return drawKept(random);
}

/// min-p, top-k and top-p: fills `kept` and `weights`.
void Sampler::keepMostLikely(const SamplingParams &params, float scale) {
  float bound = params.minP > 0 ? row.largest().logit + std::log(params.minP) / scale : -INFINITY;
  if (params.topK > 0) {
    row.largest(params.topK, kept);
    std::erase_if(kept, [&](const Candidate &one) { return one.logit < bound; });
    keepMass(params.topP * weigh(scale));
  } else if (params.topP < 1) {
    keepTopP(params.topP * row.sumExp(scale, bound), scale, bound);
  } else {
    row.atLeast(bound, kept);
    weigh(scale);
  }
}

/// The shortest start, with at least this mass, of the sorted tokens with a logit of at least `bound`.
void Sampler::keepTopP(double mass, float scale, float bound) {
  // Most distributions are peaked: a few of the most likely tokens suffice.
  constexpr int32_t few = 256;
  row.largest(few, kept);
  std::erase_if(kept, [&](const Candidate &one) { return one.logit < bound; });
  weigh(scale);
  if (keepMass(mass) || kept.size() < few)
    return;
  // Otherwise close in on the last logit to keep, so that only its neighbours need sorting: what is above `high` is too
  // little, what is from `low` up is enough.
  float high = kept.back().logit, low = std::max(bound, row.largest().logit - 87 / scale);
  for (int round = 0; round < 16; ++round) {
    float middle = low + (high - low) / 2;
    (row.sumExp(scale, middle) >= mass ? low : high) = middle;
  }
  row.atLeast(low, kept);
  weigh(scale);
  cutBetween(mass, high);
}

/// Erases from `kept`, without changing its order, what lies past the shortest start with at least this mass of its
/// sorted tokens. Those above `high` are in that start.
void Sampler::cutBetween(double mass, float high) {
  double sum = 0;
  border.clear();
  for (size_t i = 0; i < kept.size(); ++i)
    if (kept[i].logit > high)
      sum += weights[i];
    else
      border.push_back({kept[i], weights[i]});
  std::ranges::sort(border, std::less<>(), &Weighed::candidate);
  auto last = std::ranges::find_if(border, [&](const Weighed &one) { return (sum += one.weight) >= mass; });
  if (last == border.end())
    return;
  size_t count = 0;
  for (size_t i = 0; i < kept.size(); ++i)
    if (!(last->candidate < kept[i])) {
      kept[count] = kept[i];
      weights[count++] = weights[i];
    }
  kept.resize(count);
  weights.resize(count);
}

/// Fills `weights` with exp((logit - largest) * scale) of `kept`; returns their sum.
double Sampler::weigh(float scale) {
  weights.resize(kept.size());
  double total = 0;
  for (size_t i = 0; i < kept.size(); ++i)
    total += weights[i] = std::exp(static_cast<double>(kept[i].logit - row.largest().logit) * scale);
  return total;
}

/// Shortens `kept` to its shortest start with at least this mass; false when all of it has less.
bool Sampler::keepMass(double mass) {
  double sum = 0;
  for (size_t i = 0; i < kept.size(); ++i)
    if ((sum += weights[i]) >= mass) {
      kept.resize(i + 1);
      weights.resize(i + 1);
      return true;
    }
  return false;
}

int32_t Sampler::drawKept(double random) const {
  double total = std::accumulate(weights.begin(), weights.end(), 0.0), sum = 0;
  for (size_t i = 0; i < kept.size(); ++i)
    if ((sum += weights[i]) > random * total)
      return kept[i].token;
  return row.largest().token; // rounding: the draw was at the very end
}

} // namespace sinter::rt
