// SPDX-License-Identifier: Apache-2.0
// What reading memory at full speed is specialised for. Plain C++20.
#pragma once

namespace sinter::cuda {

/// Reads everything in a range once and leaves nothing but time.
struct ReadBandwidthConfig {
  int sms = 132; ///< multiprocessors of the chip, one block each

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
};

} // namespace sinter::cuda
