// SPDX-License-Identifier: Apache-2.0
// Recognises projections.
#include "passes/Projection.h"

namespace sinter {

std::optional<Projection> matchProjection(Value &v) {
  auto *addBias = llvm::dyn_cast_or_null<AddBias>(v.def());
  auto *linear = addBias ? addBias->x.definedBy<Linear>() : llvm::dyn_cast_or_null<Linear>(v.def());
  if (!linear || linear->weights.size() != 1 || !linear->residual.empty() || !linear->norm.empty())
    return std::nullopt;
  if (addBias && (!linear->bias.empty() || !linear->result().hasOneUse()))
    return std::nullopt;
  Value *bias = addBias ? &addBias->bias.get() : linear->bias.empty() ? nullptr : &linear->bias[0];
  if (bias && bias->def())
    return std::nullopt;
  return Projection{linear, bias, addBias ? static_cast<Op *>(addBias) : linear};
}

} // namespace sinter
