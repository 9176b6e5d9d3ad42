// SPDX-License-Identifier: Apache-2.0
// How the arrays of a step (runtime/abi/CudaStep.h) lie in one flat buffer, so that one copy uploads them.
//
// Every graph has its own layout, as large as its bucket: a step of one sequence copies a few hundred bytes and its
// block table. What a head reads comes first, so that it lies at the same place under bodies of any size. The table is
// last, with rows of a fixed stride, and the copy ends with the last block that is used.
#pragma once
#include "runtime/abi/CudaStep.h"
#include "runtime/device/Executor.h"
#include "runtime/device/cuda/CudaApi.h"
#include <vector>

namespace sinter::rt {

/// Rows of each array.
struct CudaStepShape {
  int32_t tokens, sequences, logits;
  int32_t tableStride; ///< blocks of the longest sequence
};

/// Addresses of what lies outside the flat buffer.
struct CudaStepArrays {
  CudaAddress history, bias, sampled, published;
};

class CudaStepLayout {
public:
  explicit CudaStepLayout(const CudaStepShape &shape);

  /// Of the whole buffer; a layout of no fewer rows of every array is no smaller.
  uint64_t bytes() const { return total; }
  /// The arrays of a buffer at `base`, 256-byte aligned, as the kernels of a body or of a head see them: to the latter
  /// the counts are of rows of logits, and what is by token or by sequence is null.
  CudaStep body(CudaAddress base, const CudaStepArrays &others) const;
  CudaStep head(CudaAddress base, const CudaStepArrays &others) const;
  /// Writes all but the samplings, padding included: token 0 at position 0, to slot -1. Returns how many bytes of the
  /// buffer count.
  uint64_t write(std::byte *buffer, const Step &step, int32_t blockTokens) const;
  CudaSampling *samplings(std::byte *buffer) const;

private:
  CudaStepShape shape;
  uint64_t headCounts, logitRows, sampling, tokens, positions, slots, queryStart, contextLengths, blockTable, total;
};

/// The parts of samplings that are of no fixed length, for all rows.
struct CudaSamplingLists {
  std::vector<CudaTokenCount> history;
  std::vector<CudaLogitBias> bias;
};

/// `row` as the device reads it; its history and biases are appended to `lists`. A row without parameters gets a
/// temperature of -1: no token is wanted.
CudaSampling cudaSampling(const SampleRow &row, CudaSamplingLists &lists);

} // namespace sinter::rt
