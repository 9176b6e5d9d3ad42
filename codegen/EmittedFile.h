// SPDX-License-Identifier: Apache-2.0
// A source file that the compiler wrote, C++ or CUDA.
#pragma once
#include <string>

namespace sinter {

struct EmittedFile {
  std::string name; ///< "k05_linear.cpp"
  std::string text;
};

} // namespace sinter
