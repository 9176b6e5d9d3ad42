// SPDX-License-Identifier: Apache-2.0
// What the sampler asks of a row of logits: the largest, the K largest, sums of exponentials. Each is one or two passes
// at the speed of the cache, in vector code that is chosen for the machine when the program starts; nothing sorts the
// vocabulary.
#pragma once
#include "runtime/engine/LogitsKernels.h"
#include "runtime/support/Error.h"
#include <cstdint>
#include <span>
#include <vector>

namespace sinter::rt {

struct Candidate {
  float logit;
  int32_t token;
};

/// More likely first, equal ones by token id.
inline bool operator<(const Candidate &a, const Candidate &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

/// A row of logits with the largest of every group of 64: what makes finding the K largest cheap, since they lie in the
/// K groups with the largest maxima. Keeps its memory from row to row.
class LogitsRow {
public:
  explicit LogitsRow(const logits::LogitsKernels &kernels = logits::bestKernels()) : kernels(kernels) {}

  /// Borrows the row and scans it once. An error when a logit is NaN, or the largest is infinite.
  Result<void> scan(std::span<const float> logits);

  /// The most likely token; the smallest id of equal ones.
  Candidate largest() const { return top; }
  /// The `count` most likely, sorted; all of them if there are fewer.
  void largest(int32_t count, std::vector<Candidate> &out);
  /// All with a logit of at least `bound`, by chunk of 1024, in a chunk by id modulo 16, then by id.
  void atLeast(float bound, std::vector<Candidate> &out) const;
  /// The sum of exp((logit - largest) * scale) over logits of at least `bound`; the largest's own term is 1.
  double sumExp(float scale, float bound);
  /// Of the terms of the last sumExp, in order of id: the token at which their running sum exceeds `target`.
  int32_t tokenAtSum(double target) const;
  /// log(sum(exp(logit))): subtract it from a logit for its log-probability.
  double logSumExp();

private:
  Result<void> describeBadLogit() const;
  Candidate findTop(float value) const;
  void addGroup(size_t group, float bound, std::vector<Candidate> &out) const;

  const logits::LogitsKernels &kernels;
  std::span<const float> row;
  Candidate top{};
  std::vector<float> groupMax, order;
  std::vector<float> chunkSums; ///< of the last sumExp
  float sumScale = 1, sumBound = 0;
};

} // namespace sinter::rt
