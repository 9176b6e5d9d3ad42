// SPDX-License-Identifier: Apache-2.0
// How readBandwidth is launched. Plain C++20 for host and device.
#pragma once

namespace sinter::cuda {

struct ReadBandwidthConfig {
  int sms; ///< multiprocessors, one block each

  constexpr bool valid() const { return sms > 0; }
  constexpr int threads() const { return 1024; }
  constexpr int blocksPerSm() const { return 1; }
  constexpr int grid() const { return sms; }
  constexpr int cluster() const { return 1; }
  constexpr int sharedBytes() const { return 0; }
  constexpr long long workspaceBytes() const { return 0; }
  constexpr int counters() const { return 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("sms", sms);
  }
  constexpr bool operator==(const ReadBandwidthConfig &) const = default;
};

} // namespace sinter::cuda
