// SPDX-License-Identifier: Apache-2.0
// How the compiler reads a weight, whatever file it lies in: importers implement it; the interpreter and the packers
// read through it.
#pragma once
#include "ir/Type.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace sinter {

/// Rows of a quantized tensor, unpacked from whatever blocks the file had, exactly: the neutral form that packers read.
/// One level: subScales/subMins are empty and superScales/superMins hold one value a group.
struct QuantRows {
  int64_t rows = 0, k = 0;
  std::vector<uint8_t> codes;     ///< [rows, k]; signed codes are stored offset by 2^(bits-1)
  std::vector<float> superScales; ///< [rows, k / (super ? super : group)], exactly the file's float16
  std::vector<float> superMins;   ///< same, when hasMin: value = scale*code + min (K-quants' minimum is negated here)
  std::vector<int8_t> subScales;  ///< [rows, k / group] when two-level
  std::vector<int8_t> subMins;    ///< same, when two-level and hasMin
};

/// A named tensor of a checkpoint: its type, and its rows on demand. Reading is cheap to repeat and safe from threads.
class WeightTensor {
public:
  virtual ~WeightTensor() = default;
  std::string name;   ///< "model.layers.0.mlp.up_proj.weight"
  std::string origin; ///< "model-00001-of-00002.safetensors", for messages
  Type type;          ///< shape as Hugging Face has it: [out, in] for a matmul

  /// Rows [begin, end) as float32, exact for every format. A rank-1 tensor is one row.
  virtual llvm::Error readFloats(int64_t begin, int64_t end, llvm::MutableArrayRef<float> out) const = 0;
  /// Rows [begin, end) in the neutral quantized form; only for quantized element types.
  virtual llvm::Error readQuant(int64_t begin, int64_t end, QuantRows &out) const = 0;
};

} // namespace sinter
