// SPDX-License-Identifier: Apache-2.0
// A weight that lies in a mapped file: plain scalars or ggml blocks, read row by row, in the order Hugging Face has.
#pragma once
#include "compiler/import/SourceFile.h"
#include "ir/WeightTensor.h"

namespace sinter {

/// The order of a file's rows. llama.cpp's converter reorders the rows of Q and K of the llama family so that the two
/// elements of a rotated pair are neighbours: file row h*D + 2*i + j is Hugging Face's row h*D + j*D/2 + i.
struct RowOrder {
  int64_t headDim = 0; ///< D; 0: the file's order is Hugging Face's

  int64_t fileRow(int64_t row) const {
    if (headDim == 0)
      return row;
    int64_t head = row / headDim, inHead = row % headDim, half = headDim / 2;
    return head * headDim + inHead % half * 2 + inHead / half;
  }
};

class StoredTensor final : public WeightTensor {
public:
  /// `data` lies in `file` and has exactly the bytes of `type`. The order applies to the rows of a matrix and to the
  /// elements of a vector (a bias), which is never quantized then.
  StoredTensor(llvm::StringRef name, Type type, std::shared_ptr<const SourceFile> file, llvm::StringRef data,
               RowOrder order = {});

  llvm::Error readFloats(int64_t begin, int64_t end, llvm::MutableArrayRef<float> out) const override;
  llvm::Error readQuant(int64_t begin, int64_t end, QuantRows &out) const override;

private:
  llvm::Error checkRows(int64_t begin, int64_t end) const;
  const uint8_t *rowBytes(int64_t row) const;
  void readScalarRow(int64_t row, float *out) const;
  void readBlockRow(int64_t row, float *out) const;

  std::shared_ptr<const SourceFile> file;
  llvm::StringRef data;
  RowOrder order;
  int64_t rows = 1, k = 1;
  uint64_t rowSize; ///< in bytes
};

} // namespace sinter
