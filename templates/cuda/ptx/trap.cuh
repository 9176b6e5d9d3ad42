// SPDX-License-Identifier: Apache-2.0
// The end of a kernel that cannot go on: its launch reports an error. A compiler takes __trap() for the end of the path
// and moves code around it; for this it is an instruction like others.
// Source: PTX ISA 9.0, "Miscellaneous Instructions": trap
#pragma once

namespace sinter::cuda {

__device__ __forceinline__ void trap() { asm volatile("trap;"); }

} // namespace sinter::cuda
