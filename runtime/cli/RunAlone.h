// SPDX-License-Identifier: Apache-2.0
// A request that has an engine to itself.
#pragma once
#include "runtime/engine/Engine.h"

namespace sinter::rt {

/// Runs an idle engine until this request has ended. An error when it cannot be submitted, or ends with one. Its
/// onFinish is not called.
Result<void> runAlone(Engine &engine, Request request);

} // namespace sinter::rt
