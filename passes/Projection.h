// SPDX-License-Identifier: Apache-2.0
// What fuse-qkv and fuse-swiglu look for: one linear of one weight, with its bias if it has one.
#pragma once
#include "ir/Ops.h"

namespace sinter {

/// %y = linear %x, @w, with the bias as the linear's operand or as the add_bias that alone uses the linear.
struct Projection {
  Linear *linear;
  Value *bias; ///< null: none
  Op *last;    ///< computes the value with the bias: the linear or the add_bias

  Value &x() const { return linear->x; }
  Value &weight() const { return linear->weights[0]; }
  Value &result() const { return last->result(); }
};

/// The projection that computes `v`, or nothing. A bias that an op computes is not taken: it may come too late.
std::optional<Projection> matchProjection(Value &v);

} // namespace sinter
