// SPDX-License-Identifier: Apache-2.0
// A row of logits. The last, partial chunk is copied and filled up with -inf, so that the kernels see whole chunks
// only.
#include "runtime/engine/Logits.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

namespace sinter::rt {

using namespace logits;

namespace {

using Chunk = std::array<float, kChunk>;

Chunk paddedTail(std::span<const float> row) {
  Chunk tail;
  auto end = std::ranges::copy(row.subspan(row.size() / kChunk * kChunk), tail.begin()).out;
  std::fill(end, tail.end(), -INFINITY);
  return tail;
}

size_t numChunks(std::span<const float> row) { return (row.size() + kChunk - 1) / kChunk; }

} // namespace

Result<void> LogitsRow::scan(std::span<const float> logits) {
  row = logits;
  size_t whole = row.size() / kChunk;
  groupMax.resize(numChunks(row) * kLanes);
  bool bad = kernels.scanChunks(row.data(), whole, groupMax.data());
  if (whole < numChunks(row))
    bad |= kernels.scanChunks(paddedTail(row).data(), 1, groupMax.data() + whole * kLanes);
  float value = -INFINITY;
  for (float max : groupMax)
    value = max > value ? max : value;
  if (bad || !std::isfinite(value))
    return describeBadLogit();
  top = findTop(value);
  return {};
}

Result<void> LogitsRow::describeBadLogit() const {
  auto bad = std::ranges::find_if(row, [](float x) { return std::isnan(x) || x == INFINITY; });
  if (bad == row.end())
    return fail("no token can be chosen: every logit is -inf");
  return fail("the model's logits are not finite: token " + std::to_string(bad - row.begin()) + " has " +
              (std::isnan(*bad) ? "nan" : "inf"));
}

Candidate LogitsRow::findTop(float value) const {
  size_t best = row.size();
  for (size_t group = 0; group < groupMax.size(); ++group) {
    if (groupMax[group] != value)
      continue;
    size_t place = group / kLanes * kChunk + group % kLanes;
    while (place < best && row[place] != value)
      place += kLanes;
    best = std::min(best, place);
  }
  return {value, static_cast<int32_t>(best)};
}

void LogitsRow::largest(int32_t count, std::vector<Candidate> &out) {
  size_t wanted = std::min<size_t>(std::max(count, 0), row.size());
  out.clear();
  if (wanted == 0)
    return;
  float bound = -INFINITY;
  if (wanted < groupMax.size()) {
    order = groupMax;
    auto place = order.begin() + static_cast<ptrdiff_t>(wanted) - 1;
    std::nth_element(order.begin(), place, order.end(), std::greater<>());
    bound = *place;
  }
  atLeast(bound, out);
  if (wanted < out.size()) {
    std::nth_element(out.begin(), out.begin() + static_cast<ptrdiff_t>(wanted), out.end());
    out.resize(wanted);
  }
  std::ranges::sort(out, std::less<>());
}

void LogitsRow::atLeast(float bound, std::vector<Candidate> &out) const {
  out.clear();
  for (size_t group = 0; group < groupMax.size(); ++group)
    if (groupMax[group] >= bound)
      addGroup(group, bound, out);
}

void LogitsRow::addGroup(size_t group, float bound, std::vector<Candidate> &out) const {
  size_t begin = group / kLanes * kChunk + group % kLanes;
  for (size_t place = begin; place < std::min(begin + kChunk, row.size()); place += kLanes)
    if (row[place] >= bound)
      out.push_back({row[place], static_cast<int32_t>(place)});
}

double LogitsRow::sumExp(float scale, float bound) {
  sumScale = scale;
  sumBound = bound;
  size_t whole = row.size() / kChunk;
  chunkSums.resize(numChunks(row));
  kernels.sumExpChunks(row.data(), whole, top.logit, scale, bound, chunkSums.data());
  if (whole < chunkSums.size())
    kernels.sumExpChunks(paddedTail(row).data(), 1, top.logit, scale, bound, chunkSums.data() + whole);
  double sum = 0;
  for (float part : chunkSums)
    sum += part;
  return sum;
}

int32_t LogitsRow::tokenAtSum(double target) const {
  double sum = 0;
  int32_t last = top.token; // where rounding ends a search that reaches the end of the row
  Chunk terms;
  for (size_t chunk = 0; chunk < chunkSums.size(); ++chunk) {
    if (sum + chunkSums[chunk] <= target) {
      sum += chunkSums[chunk];
      continue;
    }
    bool whole = (chunk + 1) * kChunk <= row.size();
    kernels.expChunk(whole ? row.data() + chunk * kChunk : paddedTail(row).data(), top.logit, sumScale, sumBound,
                     terms.data());
    for (size_t i = 0; i < kChunk; ++i) {
      if (terms[i] == 0)
        continue;
      last = static_cast<int32_t>(chunk * kChunk + i);
      if ((sum += terms[i]) > target)
        return last;
    }
  }
  return last;
}

double LogitsRow::logSumExp() { return top.logit + std::log(sumExp(1, -INFINITY)); }

} // namespace sinter::rt
