// SPDX-License-Identifier: Apache-2.0
// What a multiprocessor has, where configurations are cut to fit it. Plain C++20.
// Source: CUDA C++ Programming Guide, "Compute Capabilities"
#pragma once

namespace sinter::cuda {

inline constexpr int sharedReserved = 1024; ///< bytes of shared memory that every block costs besides its own

// sm_90 and sm_100.
inline constexpr int registersPerSm = 65536;
inline constexpr int sharedPerSm = 233472;                          ///< bytes
inline constexpr int sharedPerBlock = sharedPerSm - sharedReserved; ///< bytes, at most

/// Bytes of shared memory that let `count` blocks share an SM.
constexpr int sharedFor(int count) { return sharedPerSm / count - sharedReserved; }

/// Clusters of `size` that surely run at once, a CTA an SM. The SMs of each of the eight graphics clusters come in
/// pairs, in a number that differs from chip to chip, and what a cluster does not fill is lost.
constexpr int clustersOf(int size, int sms) { return size <= 2 ? sms / size : (sms - 8 * (size - 2)) / size; }

} // namespace sinter::cuda
