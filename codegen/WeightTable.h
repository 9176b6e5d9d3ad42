// SPDX-License-Identifier: Apache-2.0
// The "weights" section of an executable: which weights it holds, in what layout, at which offset. Equal items are held
// once (an embedding table tied to the LM head), in the order in which a step first reads them.
#pragma once
#include "ir/Graph.h"
#include "ir/WeightTensor.h"
#include <functional>

namespace sinter {

struct WeightItem {
  enum class Layout {
    Linear,      ///< panels of one matmul weight (codegen/cpu/PackLinear.h)
    Swiglu,      ///< panels of gate and up, alternating
    Vector,      ///< a row of its own element type
    Floats,      ///< rows as float32, one after another
    Constant,    ///< the value of a constant op
    Atoms,       ///< matmul weights stacked along n, as the CUDA kernels stream them (templates/cuda/layout.h)
    SwigluAtoms, ///< gate and up, eight rows of each in turn
  };
  Layout layout;
  llvm::SmallVector<const Value *, 2> weights; ///< or the constant op's result
  const Value *columnScale = nullptr;          ///< of Atoms: what multiplies their columns, a norm's weight; or null
  uint64_t offset = 0, size = 0;               ///< bytes
};

class WeightTable {
public:
  /// The item of that layout and these weights, added if it is new. Its index.
  llvm::Expected<size_t> add(WeightItem::Layout layout, llvm::ArrayRef<const Value *> weights,
                             const Value *columnScale = nullptr);

  const WeightItem &operator[](size_t i) const { return items[i]; }
  llvm::ArrayRef<WeightItem> all() const { return items; }
  uint64_t bytes() const { return end; }

private:
  std::vector<WeightItem> items;
  uint64_t end = 0;
};

/// A norm's weight, whose values lie around 1; not a bias, nor the weight of a matmul.
bool isNormWeight(const Value &weight);

/// Where an item's tensors are read from; null when the checkpoint has none of that name.
using TensorLookup = std::function<const WeightTensor *(llvm::StringRef name)>;

/// Writes an item's bytes, `item.size` of them.
llvm::Error packWeight(const WeightItem &item, const TensorLookup &find, llvm::MutableArrayRef<uint8_t> out);

} // namespace sinter
