// SPDX-License-Identifier: Apache-2.0
// The ops that each target has kernels for: what select-kernels names, and what that target's selection lowers.
#pragma once
#include "ir/Ops.h"
#include "llvm/ADT/TypeSwitch.h"

namespace sinter {

template <typename... Ops>
struct OpList {
  static bool has(const Op &op) { return llvm::isa<Ops...>(&op); }
  /// `lower` of the op as what it is, or `otherwise` of one that is not in the list.
  template <typename Lower, typename Otherwise>
  static auto visit(const Op &op, Lower &&lower, Otherwise &&otherwise) {
    using Outcome = decltype(otherwise(&op));
    return llvm::TypeSwitch<const Op *, Outcome>(&op).template Case<Ops...>(lower).Default(otherwise);
  }
};

/// templates/cpu has one kernel for each, under the op's own name.
using CpuServedOps = OpList<Embed, RmsNorm, HeadRmsNorm, Add, AddBias, AddRmsNorm, Linear, SiluMul, SwigluLinear,
                            ApplyRope, AppendKv, RopeAppend, PagedAttention, LastTokens, Slice, Cast>;
/// templates/cuda has, for each, kernels among which selection chooses by the number of rows.
using CudaServedOps = OpList<Embed, RmsNorm, Linear, SwigluLinear, RopeAttention, LastTokens>;

} // namespace sinter
