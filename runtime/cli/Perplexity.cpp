// SPDX-License-Identifier: Apache-2.0
// Windows go through the engine as prompts without an answer; every position's logits score the token after it.
#include "runtime/cli/Perplexity.h"
#include "runtime/engine/Logits.h"
#include <cassert>
#include <cmath>

namespace sinter::rt {

std::vector<PerplexityWindow> perplexityWindows(size_t numTokens, size_t context, size_t stride) {
  assert(context >= 2 && stride >= 1 && stride <= context && "arguments of perplexity");
  std::vector<PerplexityWindow> windows;
  size_t scored = 0; // tokens before this one are scored, or the first of the text
  for (size_t begin = 0; begin + 1 < numTokens; begin += stride) {
    size_t end = std::min(begin + context, numTokens);
    if (end - begin >= 2)
      windows.push_back({begin, end, std::max(scored, begin + 1)});
    scored = end;
    if (end == numTokens)
      break;
  }
  return windows;
}

double Perplexity::perplexity() const { return std::exp(nll / static_cast<double>(tokens)); }

Result<Perplexity> computePerplexity(Engine &engine, std::span<const int32_t> tokens, size_t context, size_t stride,
                                     const std::function<void(int64_t)> &advance) {
  Perplexity total;
  LogitsRow row;
  Result<void> status;
  auto score = [&](size_t next, std::span<const float> logits) {
    if (!status)
      return;
    if (Result<void> scanned = row.scan(logits); !scanned) {
      status = failInternal(scanned.error().message);
      return;
    }
    total.nll += row.logSumExp() - static_cast<double>(logits[static_cast<size_t>(tokens[next])]);
    ++total.tokens;
  };
  for (const PerplexityWindow &window : perplexityWindows(tokens.size(), context, stride)) {
    Request request;
    request.prompt.assign(tokens.begin() + static_cast<ptrdiff_t>(window.begin),
                          tokens.begin() + static_cast<ptrdiff_t>(window.end));
    request.maxTokens = 0;
    request.onLogits = [&, window](int32_t position, std::span<const float> logits) {
      advance(1);
      size_t next = window.begin + static_cast<size_t>(position) + 1;
      if (next >= window.firstScored && next < window.end)
        score(next, logits);
    };
    request.onFinish = [&](const Completion &done) {
      if (status && !done.error.empty())
        status = failInternal(done.error);
    };
    if (Result<RequestId> id = engine.submit(std::move(request)); !id)
      return tl::unexpected(id.error());
    engine.runUntilIdle();
    if (!status)
      return tl::unexpected(status.error());
  }
  return total;
}

} // namespace sinter::rt
