// SPDX-License-Identifier: Apache-2.0
// NVRTC for tests: of a toolkit, or of the build folder's Python environment. Where there is none, the test fails.
#pragma once
#include "codegen/cuda/Nvrtc.h"
#include <stdexcept>

namespace sinter {

inline const Nvrtc &testNvrtc() {
  static const Nvrtc opened = [] {
    auto nvrtc = Nvrtc::open(std::string(SINTER_BINARY_DIR "/venv"));
    if (!nvrtc)
      throw std::runtime_error(llvm::toString(nvrtc.takeError())); // gtest shows it
    return *nvrtc;
  }();
  return opened;
}

} // namespace sinter
