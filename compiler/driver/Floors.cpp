// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/Floors.h"
#include "ir/Try.h"
#include <algorithm>

namespace sinter {

namespace {

/// Measured on an H200: a read of 4 GiB, and the best of cuBLAS' large matmuls.
constexpr DeviceRates h200 = {4.54e12, 778e12};

Cost costOf(const LaunchRecord &l, int64_t rows, const StepShape &shape) {
  return {l.weightBytes + double(rows) * l.rowBytes + double(shape.sequences * shape.context) * l.contextBytes,
          double(rows) * l.rowFlops + double(shape.pairs()) * l.pairFlops};
}

} // namespace

llvm::Expected<DeviceRates> parseDevice(llvm::StringRef text) {
  if (text == "h200")
    return h200;
  auto [bytes, flops] = text.split(',');
  DeviceRates rates;
  if (bytes.getAsDouble(rates.bytesPerSecond) || flops.getAsDouble(rates.flopsPerSecond) ||
      !(rates.bytesPerSecond > 0) || !(rates.flopsPerSecond > 0))
    return llvm::createStringError("--device " + text + ": expected h200, or TB/s and TFLOP/s such as 4.54,778");
  return DeviceRates{rates.bytesPerSecond * 1e12, rates.flopsPerSecond * 1e12};
}

double Cost::seconds(const DeviceRates &device) const {
  return std::max(bytes / device.bytesPerSecond, flops / device.flopsPerSecond);
}

llvm::Expected<std::vector<StepLaunch>> launchesOf(const PlanRecord &plan, const StepShape &shape) {
  bool isCpu = plan.find("step", 0) != nullptr;
  llvm::StringRef body = isCpu ? "step" : shape.tokensEach == 1 ? "decode" : "mixed";
  std::vector<StepLaunch> launches;
  auto add = [&](llvm::StringRef kind, int64_t rows) -> llvm::Error {
    const LaunchListRecord *list = plan.find(kind, rows);
    if (!list)
      return llvm::createStringError(plan.model + " was not compiled for a " + kind + " of " + llvm::Twine(rows) +
                                     " rows");
    for (const LaunchRecord &l : list->launches)
      launches.push_back({&l, costOf(l, rows, shape)});
    return llvm::Error::success();
  };
  // Decoding wants the logits of every row.
  llvm::StringRef head = body == "decode" ? "dense-head" : "head";
  if (body == "decode" && plan.find("resident", shape.tokens()))
    body = "resident", head = "resident-head";
  TRY(add(body, shape.tokens()));
  if (!isCpu)
    TRY(add(head, shape.sequences));
  return launches;
}

} // namespace sinter
