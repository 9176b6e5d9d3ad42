// SPDX-License-Identifier: Apache-2.0
// The life of a sequence outside the scheduler: its output grows, and ends.
#include "runtime/engine/Sequence.h"
#include <algorithm>

namespace sinter::rt {

const char *name(FinishReason reason) {
  switch (reason) {
  case FinishReason::None:
    return "";
  case FinishReason::Stop:
    return "stop";
  case FinishReason::Length:
    return "length";
  case FinishReason::Cancelled:
    return "cancelled";
  case FinishReason::Error:
    return "error";
  }
  return "";
}

Sequence::Sequence(RequestId id, Request theRequest, int32_t maxLength, uint64_t seed)
    : id(id), request(std::move(theRequest)), tokens(request.prompt),
      promptLength(static_cast<int32_t>(request.prompt.size())), maxLength(maxLength), seed(seed),
      stops(request.stopStrings), arrival(Clock::now()) {
  nextLogits = request.logitsFrom;
  completion.id = id;
  completion.promptTokens = promptLength;
  if (request.sampling.penalizes())
    history.addPrompt(request.prompt);
}

FinishReason Sequence::append(int32_t token, const TokenLogprobs *logprobs, FinishReason ended) {
  int32_t index = numOutput();
  if (index == 0)
    firstToken = Clock::now();
  tokens.push_back(token);
  completion.tokens.push_back(token);
  if (logprobs)
    completion.logprobs.push_back(*logprobs);
  if (request.sampling.penalizes())
    history.addOutput(token);

  std::string text = decode(token, ended);
  if (const std::string *stop = stops.found()) {
    completion.stopString = *stop;
    ended = FinishReason::Stop;
  }
  completion.text += text;
  if (request.onToken)
    request.onToken({id, index, token, text, logprobs});
  return ended;
}

std::string Sequence::decode(int32_t token, FinishReason ended) {
  if (!request.decoder)
    return {};
  std::string text;
  if (ended != FinishReason::Stop) // a stop token is not part of the text
    text = stops.push(request.decoder->push(token));
  if (ended != FinishReason::None) {
    text += stops.push(request.decoder->flush());
    text += stops.flush();
  }
  return text;
}

void Sequence::finish(FinishReason reason, Clock::time_point now) {
  state = SequenceState::Finished;
  completion.reason = reason;
  auto seconds = [](Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  };
  Timings &timings = completion.timings;
  timings.total = seconds(arrival, now);
  timings.queue = scheduledBefore ? seconds(arrival, firstScheduled) : timings.total;
  if (numOutput() > 0) {
    timings.prefill = seconds(firstScheduled, firstToken);
    timings.timeToFirstToken = seconds(arrival, firstToken);
    timings.decode = seconds(firstToken, now);
  } else if (scheduledBefore) {
    timings.prefill = seconds(firstScheduled, now);
  }
  if (request.onFinish)
    request.onFinish(completion);
}

} // namespace sinter::rt
