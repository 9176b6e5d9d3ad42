// SPDX-License-Identifier: Apache-2.0
// What a launch must agree with, read from a cubin as the driver reads it.
#pragma once
#include <string>
#include <vector>

namespace sinter::rt {

struct FakeKernel {
  std::string name;
  std::vector<int> parameters; ///< bytes of each; empty: unknown
  size_t arguments = 0;        ///< pointers in its CudaArgs
  int capability = 0;          ///< 90; 0: any
  int maxThreads = 1024;
  int cluster = 1;
  int staticShared = 0; ///< bytes
  int maxDynamicShared = 0;
  bool largeClusters = false; ///< more than 8 blocks were allowed
};

/// Of an ELF image with one kernel, or of the text "NAME ARGUMENTS" of the toy model; without a name if it is neither.
FakeKernel readFakeCubin(const void *image);

} // namespace sinter::rt
