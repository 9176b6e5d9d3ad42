// SPDX-License-Identifier: Apache-2.0
// Names and sizes of types, and the parser of element types.
#include "ir/Type.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace sinter {

namespace {

struct ScalarInfo {
  Scalar scalar;
  llvm::StringLiteral name;
  unsigned size;
};
constexpr ScalarInfo scalarInfos[] = {
    {Scalar::F32, "f32", 4}, {Scalar::F16, "f16", 2}, {Scalar::BF16, "bf16", 2},
    {Scalar::I32, "i32", 4}, {Scalar::I8, "i8", 1},
};

const ScalarInfo &info(Scalar s) {
  const ScalarInfo &found = scalarInfos[static_cast<unsigned>(s)];
  assert(found.scalar == s && "scalarInfos is not in the order of Scalar");
  return found;
}

std::optional<Scalar> scalarNamed(llvm::StringRef name) {
  for (const ScalarInfo &each : scalarInfos)
    if (each.name == name)
      return each.scalar;
  return std::nullopt;
}

std::string quantName(const Quant &q) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << (q.isSigned ? 'i' : 'u') << unsigned(q.bits) << "<g" << q.group;
  if (q.subBits)
    os << ", " << unsigned(q.subBits) << "b/g" << q.super;
  os << ", " << scalarName(q.scale);
  if (q.hasMin)
    os << ", min";
  os << '>';
  return text;
}

llvm::Error badElement(llvm::StringRef text, const llvm::Twine &expected, llvm::StringRef found) {
  return llvm::createStringError("element type '" + text + "': expected " + expected + ", found '" + found + "'");
}

/// "g32" -> 32
bool parseGroup(llvm::StringRef text, uint16_t &group) {
  return text.consume_front("g") && !text.getAsInteger(10, group) && group > 0;
}

/// The parts between the angle brackets: group, optional sub-scales, scale type, optional "min".
llvm::Error parseQuantParts(llvm::StringRef text, llvm::StringRef inner, Quant &q) {
  llvm::SmallVector<llvm::StringRef, 4> parts;
  inner.split(parts, ',');
  for (llvm::StringRef &part : parts)
    part = part.trim(' ');
  llvm::ArrayRef<llvm::StringRef> rest = parts;
  auto next = [&] { return rest.empty() ? llvm::StringRef() : rest.front(); };

  if (!parseGroup(next(), q.group))
    return badElement(text, "a group size like 'g32'", next());
  rest = rest.drop_front();
  if (auto [bits, super] = next().split("b/"); !super.empty()) {
    if (bits.getAsInteger(10, q.subBits) || q.subBits < 1 || q.subBits > 8 || !parseGroup(super, q.super) ||
        q.super % q.group != 0)
      return badElement(text, "sub-scales of 1 to 8 bits over a multiple of the group like '6b/g256'", next());
    rest = rest.drop_front();
  }
  std::optional<Scalar> scale = scalarNamed(next());
  if (!scale || !ElementType(*scale).isFloat())
    return badElement(text, "a scale type (f32, f16 or bf16)", next());
  q.scale = *scale;
  rest = rest.drop_front();
  if (next() == "min") {
    q.hasMin = true;
    rest = rest.drop_front();
  }
  if (!rest.empty())
    return badElement(text, "'>'", next());
  return llvm::Error::success();
}

} // namespace

llvm::StringRef scalarName(Scalar s) { return info(s).name; }
unsigned scalarSize(Scalar s) { return info(s).size; }

std::string ElementType::str() const { return isQuantized() ? quantName(quantType) : scalarName(scalarType).str(); }

llvm::Expected<ElementType> parseElementType(llvm::StringRef text) {
  if (std::optional<Scalar> scalar = scalarNamed(text))
    return ElementType(*scalar);
  auto [code, inner] = text.split('<');
  if (inner.empty() && !text.contains('<'))
    return badElement(text, "f32, f16, bf16, i32, i8 or a quantized type like 'i4<g32, f16>'", text);
  Quant q;
  q.isSigned = code.starts_with("i");
  if (!(code.consume_front("i") || code.consume_front("u")) || code.getAsInteger(10, q.bits) || q.bits < 2 ||
      q.bits > 8)
    return badElement(text, "codes 'i2' to 'i8' or 'u2' to 'u8'", text.split('<').first);
  if (!inner.consume_back(">"))
    return badElement(text, "'>' at the end", inner);
  if (llvm::Error error = parseQuantParts(text, inner, q))
    return error;
  return ElementType(q);
}

std::string Dim::str() const { return value == T ? "T" : value == S ? "S" : std::to_string(value); }

int64_t Type::numElements(int64_t t, int64_t s) const {
  int64_t count = 1;
  for (Dim d : shape)
    count *= d.resolve(t, s);
  return count;
}

std::string Type::str() const {
  std::string text = element.str() + "[";
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(shape, os, [&](Dim d) { os << d.str(); });
  os << ']';
  return text;
}

} // namespace sinter
