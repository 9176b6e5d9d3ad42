// SPDX-License-Identifier: Apache-2.0
// Packs matmul weights into the atoms that every CUDA kernel reads (templates/cuda/layout.h). Whatever the checkpoint
// has becomes bfloat16, rounded to nearest even: what is bfloat16 already keeps its bits.
#pragma once
#include "ir/Graph.h"
#include "ir/WeightTensor.h"

namespace sinter {

/// Bytes of the stream of these weights [Ni, K], stacked along N. All are alike but for Ni.
uint64_t packedAtomBytes(llvm::ArrayRef<const Value *> weights);

/// Packs the weights, stacked; with `swiglu` they are gate and up, eight rows of each in turn. `columnScale` [K] (or
/// empty) multiplies every row before it is rounded. `out` has packedAtomBytes. Reads sixteen rows at a time.
llvm::Error packAtoms(llvm::ArrayRef<const WeightTensor *> parts, bool swiglu, llvm::ArrayRef<float> columnScale,
                      llvm::MutableArrayRef<uint8_t> out);

} // namespace sinter
