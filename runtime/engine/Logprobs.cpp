// SPDX-License-Identifier: Apache-2.0
// Log-probabilities to report.
#include "runtime/engine/Logprobs.h"
#include <cmath>

namespace sinter::rt {

Result<TokenLogprobs> LogprobReporter::report(std::span<const float> logits, int32_t token, int32_t count) {
  if (auto scanned = row.scan(logits); !scanned)
    return tl::unexpected(scanned.error());
  double logSum = row.logSumExp();
  row.largest(count, mostLikely);
  auto logprob = [&](int32_t id) {
    return TokenLogprob{id, static_cast<float>(static_cast<double>(logits[id]) - logSum)};
  };
  TokenLogprobs result{logprob(token), {}};
  for (const Candidate &one : mostLikely)
    if (std::isfinite(one.logit))
      result.top.push_back(logprob(one.token));
  return result;
}

} // namespace sinter::rt
