// SPDX-License-Identifier: Apache-2.0
// dce: ops whose results nobody uses disappear, and then those that fed only them.
//
//   %a = rms_norm %x, @w
//   %b = add %x, %x
//   return %b                =>     %b = add %x, %x
//                                   return %b
//
// Ops with side effects stay: the KV cache outlives the step.

#include "passes/Pass.h"

namespace sinter {

void eliminateDeadCode(Graph &graph, const PassOptions &) { graph.eraseDead(); }

} // namespace sinter
