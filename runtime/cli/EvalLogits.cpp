// SPDX-License-Identifier: Apache-2.0
// One request without an answer whose logits go to a file.
#include "runtime/cli/EvalLogits.h"
#include "runtime/cli/LogitsFile.h"
#include "runtime/cli/RandomRequests.h"
#include "runtime/support/ProgressBar.h"

namespace sinter::rt {

Result<void> writeLogits(const EvalLogitsOptions &options, std::vector<int32_t> tokens, Engine &engine,
                         int32_t vocabSize) {
  auto count = static_cast<int32_t>(tokens.size());
  if (options.from > count)
    return fail("--from is " + std::to_string(options.from) + ", there are " + std::to_string(count) + " tokens");
  Request request;
  request.prompt = std::move(tokens);
  request.maxTokens = 0;
  request.maxChunk = options.decode ? 1 : 0;
  request.chunkFrom = options.from;
  request.logitsFrom = std::max(options.from - 1, 0);
  int32_t rows = count - request.logitsFrom;
  Result<LogitsFile> file = LogitsFile::create(options.path, rows, vocabSize);
  if (!file)
    return tl::unexpected(file.error());
  ProgressBar progress("evaluating", static_cast<uint64_t>(rows));
  Company company(engine, vocabSize);
  request.onLogits = [&](int32_t, std::span<const float> logits) {
    file->append(logits);
    progress.advance(1);
  };
  std::string error;
  request.onFinish = [&](const Completion &done) {
    error = done.error;
    company.dismiss();
  };
  if (Result<void> gathered = company.gather(options.beside); !gathered)
    return gathered;
  if (Result<RequestId> id = engine.submit(std::move(request)); !id)
    return tl::unexpected(id.error());
  engine.runUntilIdle();
  return error.empty() ? file->commit() : failInternal(error);
}

} // namespace sinter::rt
