// SPDX-License-Identifier: Apache-2.0
// The types of values: an element type and a shape whose dims are numbers or the step's symbols T and S.
//
//   bf16[T, 2560]                        bfloat16, one row a token of the step
//   i4<g32, f16>[576, 1536]              4-bit symmetric codes, one f16 scale a group of 32 along the last dim
//   u4<g32, f16, min>[576, 1536]         unsigned codes, an f16 scale and an f16 minimum a group
//   u4<g32, 6b/g256, f16, min>[...]      two levels: 6-bit group scales and minimums times f16 ones of 256
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"
#include <cassert>
#include <cstdint>
#include <string>

namespace sinter {

enum class Scalar : uint8_t { F32, F16, BF16, I32, I8 };

llvm::StringRef scalarName(Scalar s);
/// Bytes of one element.
unsigned scalarSize(Scalar s);

/// How the elements of a quantized tensor are coded, along its last dimension (K).
/// Signed codes q lie in [-2^(bits-1), 2^(bits-1)-1] and mean scale*q; unsigned ones in [0, 2^bits-1] and mean
/// scale*q + minimum (hasMin). One level: a scale of type `scale` every `group` elements. Two levels (subBits > 0):
/// scale = super scale * integer sub-scale, with a sub-scale every `group` and a super scale every `super` elements.
struct Quant {
  uint8_t bits = 0;
  bool isSigned = true;
  bool hasMin = false;
  uint8_t subBits = 0; ///< bits of the integer sub-scales; 0: one level
  uint16_t group = 0;  ///< elements that share a (sub-)scale
  uint16_t super = 0;  ///< elements that share a super scale; 0: one level
  Scalar scale = Scalar::F16;
  bool operator==(const Quant &) const = default;
};

/// A plain scalar or a quantized code.
class ElementType {
public:
  constexpr ElementType(Scalar s = Scalar::F32) : scalarType(s) {}
  constexpr explicit ElementType(Quant q) : scalarType(Scalar::I8), quantType(q) {}
  bool isQuantized() const { return quantType.bits != 0; }
  bool isFloat() const {
    return !isQuantized() && (scalarType == Scalar::F32 || scalarType == Scalar::F16 || scalarType == Scalar::BF16);
  }
  Scalar scalar() const {
    assert(!isQuantized() && "a quantized element type has no scalar");
    return scalarType;
  }
  const Quant &quant() const {
    assert(isQuantized() && "a scalar element type has no quantization");
    return quantType;
  }
  bool operator==(const ElementType &) const = default;
  /// "bf16", "i4<g32, f16>"
  std::string str() const;

private:
  Scalar scalarType;
  Quant quantType;
};

/// What ElementType::str() prints, back: "bf16", "u4<g32, 6b/g256, f16, min>". Errors name the text and the wrong part.
llvm::Expected<ElementType> parseElementType(llvm::StringRef text);

/// A dimension: a number, or a symbol of the step.
class Dim {
public:
  enum Symbol : int64_t { T = -1, S = -2 };
  constexpr Dim(int64_t n = 0) : value(n) {}
  constexpr Dim(Symbol s) : value(s) {}
  bool isSymbol() const { return value < 0; }
  int64_t number() const {
    assert(!isSymbol() && "a symbolic dim has no number");
    return value;
  }
  /// The number, with T and S given.
  int64_t resolve(int64_t t, int64_t s) const { return value == T ? t : value == S ? s : value; }
  bool operator==(const Dim &) const = default;
  std::string str() const;

private:
  int64_t value;
};

struct Type {
  ElementType element;
  llvm::SmallVector<Dim, 3> shape;

  Type() = default;
  Type(ElementType e, llvm::ArrayRef<Dim> dims) : element(e), shape(dims.begin(), dims.end()) {}
  unsigned rank() const { return shape.size(); }
  Dim dim(int i) const { return shape[i < 0 ? shape.size() + i : i]; }
  /// Elements, with T and S given.
  int64_t numElements(int64_t t = 0, int64_t s = 0) const;
  bool operator==(const Type &) const = default;
  /// "bf16[T, 2560]"
  std::string str() const;
};

inline llvm::raw_ostream &operator<<(llvm::raw_ostream &os, const Type &t) { return os << t.str(); }
inline llvm::raw_ostream &operator<<(llvm::raw_ostream &os, const ElementType &t) { return os << t.str(); }

/// The GGUF block formats as element types, by the names users know them under.
namespace quant {
inline constexpr Quant q8_0{.bits = 8, .group = 32};
inline constexpr Quant q4_0{.bits = 4, .group = 32};
inline constexpr Quant q4_1{.bits = 4, .isSigned = false, .hasMin = true, .group = 32};
inline constexpr Quant q5_0{.bits = 5, .group = 32};
inline constexpr Quant q5_1{.bits = 5, .isSigned = false, .hasMin = true, .group = 32};
inline constexpr Quant q4_k{.bits = 4, .isSigned = false, .hasMin = true, .subBits = 6, .group = 32, .super = 256};
inline constexpr Quant q5_k{.bits = 5, .isSigned = false, .hasMin = true, .subBits = 6, .group = 32, .super = 256};
inline constexpr Quant q6_k{.bits = 6, .subBits = 8, .group = 16, .super = 256};
/// Activations on their way into an integer matmul: signed bytes, a float32 scale every 16, rows of whole blocks of 32.
inline constexpr Quant activation{.bits = 8, .group = 16, .scale = Scalar::F32};
inline constexpr int64_t activationBlock = 32;
} // namespace quant

} // namespace sinter
