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

} // namespace sinter::cuda
