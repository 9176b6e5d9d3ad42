// SPDX-License-Identifier: Apache-2.0
// A tensor of a checkpoint that has no file.
#pragma once
#include "ir/WeightTensor.h"
#include <algorithm>
#include <atomic>
#include <random>

namespace sinter {

class FloatTensor : public WeightTensor {
public:
  FloatTensor(llvm::StringRef tensorName, llvm::ArrayRef<int64_t> shape, uint32_t seed = 1) {
    name = tensorName.str();
    origin = "random.safetensors";
    type = Type(Scalar::F32, llvm::to_vector_of<Dim>(shape));
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    values.resize(size_t(type.numElements()));
    std::generate(values.begin(), values.end(), [&] { return normal(random); });
  }

  llvm::Error readFloats(int64_t begin, int64_t end, llvm::MutableArrayRef<float> out) const override {
    if (broken)
      return llvm::createStringError(origin + ": " + name + ": no such bytes");
    int64_t row = type.dim(-1).number();
    mostRows = std::max<int64_t>(mostRows, end - begin);
    std::copy(values.begin() + begin * row, values.begin() + end * row, out.begin());
    return llvm::Error::success();
  }
  llvm::Error readQuant(int64_t, int64_t, QuantRows &) const override {
    return llvm::createStringError("these are floats");
  }

  std::vector<float> values;
  bool broken = false;
  mutable std::atomic<int64_t> mostRows = 0; ///< of one read
};

} // namespace sinter
