// SPDX-License-Identifier: Apache-2.0
// From rows of any format to atoms of bfloat16, on all cores.
#include "codegen/cuda/PackAtoms.h"
#include "codegen/Parallel.h"
#include "ir/Try.h"
#include "templates/cuda/pack_weight.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Threading.h"
#include <cstring>

namespace sinter {

namespace {

constexpr int64_t rowsOfTask = 512;

/// Rounds to nearest even; NaN stays NaN.
uint16_t toBf16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  if (value != value)
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Rows [begin, end) of one tensor, sixteen at a time; `place` gives a row's place in the stream.
llvm::Error packRows(const WeightTensor &tensor, int64_t begin, int64_t end,
                     llvm::function_ref<int64_t(int64_t row)> place, llvm::ArrayRef<float> columnScale,
                     uint16_t *stream) {
  auto k = size_t(tensor.type.dim(1).number());
  std::vector<float> floats;
  std::vector<uint16_t> rounded(k);
  for (int64_t row = begin; row < end; row += 16) {
    int64_t count = std::min<int64_t>(16, end - row);
    floats.resize(size_t(count) * k);
    TRY(tensor.readFloats(row, row + count, floats));
    for (size_t i = 0; i < floats.size() && !columnScale.empty(); ++i)
      floats[i] *= columnScale[i % k];
    for (int64_t i = 0; i < count; ++i) {
      llvm::transform(llvm::ArrayRef(floats).slice(size_t(i) * k, k), rounded.begin(), toBf16);
      cuda::packRow(stream, place(row + i), int(k), rounded.data());
    }
  }
  return llvm::Error::success();
}

} // namespace

uint64_t packedAtomBytes(llvm::ArrayRef<const Value *> weights) {
  int64_t rows = 0;
  for (const Value *w : weights)
    rows += w->type.dim(0).number();
  int k = int(weights[0]->type.dim(1).number());
  return cuda::packedElements(cuda::paddedRows(rows), k) * sizeof(uint16_t);
}

llvm::Error packAtoms(llvm::ArrayRef<const WeightTensor *> parts, bool swiglu, llvm::ArrayRef<float> columnScale,
                      llvm::MutableArrayRef<uint8_t> out) {
  struct Task {
    const WeightTensor *tensor;
    int64_t begin, end, firstRow;
    bool up;
  };
  std::vector<Task> tasks;
  int64_t firstRow = 0;
  for (const WeightTensor *tensor : parts) {
    int64_t rows = tensor->type.dim(0).number();
    for (int64_t begin = 0; begin < rows; begin += rowsOfTask)
      tasks.push_back({tensor, begin, std::min(begin + rowsOfTask, rows), firstRow, tensor != parts[0]});
    firstRow += rows;
  }
  std::memset(out.data(), 0, out.size());
  auto *stream = reinterpret_cast<uint16_t *>(out.data());
  auto pack = [&](size_t i) {
    const Task &t = tasks[i];
    auto place = [&](int64_t row) { return swiglu ? cuda::gateUpRow(row, t.up) : t.firstRow + row; };
    return packRows(*t.tensor, t.begin, t.end, place, columnScale, stream);
  };
  unsigned jobs = llvm::hardware_concurrency().compute_thread_count();
  return parallelFor(tasks.size(), jobs, pack);
}

} // namespace sinter
