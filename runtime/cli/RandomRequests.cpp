// SPDX-License-Identifier: Apache-2.0
// Random requests: the same in every run of the program.
#include "runtime/cli/RandomRequests.h"
#include <cmath>

namespace sinter::rt {

int32_t randomLength(std::mt19937 &random, int32_t most) {
  double exponent = std::uniform_real_distribution<double>(0, std::log(static_cast<double>(most) + 1))(random);
  return std::clamp(static_cast<int32_t>(std::exp(exponent)), 1, most);
}

Request randomRequest(std::mt19937 &random, int32_t vocabSize, int32_t longestPrompt, int32_t longestAnswer) {
  Request request;
  std::uniform_int_distribution<int32_t> token(0, vocabSize - 1);
  request.prompt.resize(static_cast<size_t>(randomLength(random, longestPrompt)));
  for (int32_t &id : request.prompt)
    id = token(random);
  request.maxTokens = randomLength(random, longestAnswer);
  request.ignoreEos = true;
  return request;
}

Result<void> Company::gather(int32_t count) {
  for (int32_t i = 0; i < count && error.empty(); ++i)
    send();
  while (error.empty() && answering < count && engine.step()) {
  }
  return error.empty() ? Result<void>() : failInternal("a request beside: " + error);
}

void Company::dismiss() {
  dismissed = true;
  for (RequestId id : std::exchange(present, {}))
    engine.cancel(id);
}

void Company::send() {
  int32_t most = std::max(engine.maxLength() / 2, 1);
  Request request = randomRequest(random, vocabSize, std::min(most, 1024), std::min(most, 256));
  request.onToken = [this](const TokenEvent &event) { answering += event.index == 0; };
  request.onFinish = [this](const Completion &done) {
    std::erase(present, done.id);
    if (!done.error.empty())
      error = done.error;
    else if (!dismissed)
      send();
  };
  if (Result<RequestId> id = engine.submit(std::move(request)); id)
    present.push_back(*id);
  else
    error = id.error().message;
}

} // namespace sinter::rt
