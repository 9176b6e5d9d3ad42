// SPDX-License-Identifier: Apache-2.0
// What tests see of the GPU that FakeGpu.cpp plays, through fakeCudaGpu().
#pragma once
#include "runtime/abi/CudaStep.h"
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sinter::rt {

/// A kernel as it runs, alone or in a graph.
struct FakeLaunch {
  std::string kernel;
  unsigned grid = 0, threads = 0, sharedBytes = 0;
  bool overlaps = false; ///< with the launch before
  CudaStep step{};
  std::vector<void *> args;
  template <typename T>
  T *get(size_t i) const {
    return static_cast<T *>(args[i]);
  }
};

/// Device memory is the host's, copies up are made at once, and kernels are run at once by `kernels`; what is copied
/// down arrives when it is waited for. A cubin is the text "NAME ARGUMENTS", NUL-terminated, or a real one.
struct FakeGpu {
  std::function<void(const FakeLaunch &)> kernels; ///< runs every launch; null: see FakeLaunch.cpp
  std::string failing;                             ///< the driver's function that fails, with error 700
  int live = 0;                                    ///< things handed out and not given back
  int captures = 0;
  std::vector<size_t> uploads; ///< bytes of every copy to the device
  /// What was set of each kernel, by the driver's number of the attribute.
  std::map<std::string, std::map<int, int>> attributes;
};

} // namespace sinter::rt
