// SPDX-License-Identifier: Apache-2.0
// The least that a step can cost: what its launches move and compute, over what a device can.
#pragma once
#include "compiler/driver/PlanRecord.h"
#include <optional>

namespace sinter {

struct DeviceRates {
  double bytesPerSecond = 0, flopsPerSecond = 0; ///< measured ones: what a kernel can reach
};

/// "h200", or "4.54,778": TB/s read from memory and TFLOP/s of bfloat16 matmuls.
llvm::Expected<DeviceRates> parseDevice(llvm::StringRef text);

/// A step of `sequences` sequences of `context` tokens each, those of this step included.
struct StepShape {
  int64_t sequences = 1, tokensEach = 1, context = 1024;
  int64_t tokens() const { return sequences * tokensEach; }
  /// Of a new token and one of its context, itself included.
  int64_t pairs() const { return sequences * (tokensEach * context - tokensEach * (tokensEach - 1) / 2); }
};

struct Cost {
  double bytes = 0, flops = 0;
  /// The longer of moving and computing, as if they overlapped perfectly.
  double seconds(const DeviceRates &device) const;
};

/// A launch of the step, and what it costs there.
struct StepLaunch {
  const LaunchRecord *launch;
  Cost cost;
};

/// The launches that run such a step, body and head. An error names what the plan has no list for.
llvm::Expected<std::vector<StepLaunch>> launchesOf(const PlanRecord &plan, const StepShape &shape);

} // namespace sinter
