// SPDX-License-Identifier: Apache-2.0
// Submit, step, and hand on the error.
#include "runtime/cli/RunAlone.h"

namespace sinter::rt {

Result<void> runAlone(Engine &engine, Request request) {
  std::string error;
  request.onFinish = [&error](const Completion &done) { error = done.error; };
  if (Result<RequestId> id = engine.submit(std::move(request)); !id)
    return tl::unexpected(id.error());
  engine.runUntilIdle();
  return error.empty() ? Result<void>() : failInternal(error);
}

} // namespace sinter::rt
