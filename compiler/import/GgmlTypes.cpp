// SPDX-License-Identifier: Apache-2.0
// The table of ggml's tensor types (enum ggml_type in ggml.h), retired ids included.
#include "compiler/import/GgmlTypes.h"
#include "compiler/import/BlockFormats.h"
#include "llvm/ADT/StringExtras.h"

namespace sinter {

namespace {

constexpr GgmlType types[] = {
    {0, "F32"},         {1, "F16"},         {30, "BF16"},       {2, "Q4_0"},      {3, "Q4_1"},   {6, "Q5_0"},
    {7, "Q5_1"},        {8, "Q8_0"},        {12, "Q4_K"},       {13, "Q5_K"},     {14, "Q6_K"},  {4, "Q4_2"},
    {5, "Q4_3"},        {9, "Q8_1"},        {10, "Q2_K"},       {11, "Q3_K"},     {15, "Q8_K"},  {16, "IQ2_XXS"},
    {17, "IQ2_XS"},     {18, "IQ3_XXS"},    {19, "IQ1_S"},      {20, "IQ4_NL"},   {21, "IQ3_S"}, {22, "IQ2_S"},
    {23, "IQ4_XS"},     {24, "I8"},         {25, "I16"},        {26, "I32"},      {27, "I64"},   {28, "F64"},
    {29, "IQ1_M"},      {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"}, {34, "TQ1_0"}, {35, "TQ2_0"},
    {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}, {39, "MXFP4"},    {40, "NVFP4"}, {41, "Q1_0"},
};

} // namespace

const GgmlType *findGgmlType(uint32_t id) {
  for (const GgmlType &type : types)
    if (type.id == id)
      return &type;
  return nullptr;
}

std::optional<ElementType> elementTypeOf(const GgmlType &type) {
  if (type.name == "F32")
    return Scalar::F32;
  if (type.name == "F16")
    return Scalar::F16;
  if (type.name == "BF16")
    return Scalar::BF16;
  if (const BlockFormat *format = blockFormatNamed(type.name))
    return ElementType(format->quant);
  return std::nullopt;
}

std::string supportedGgmlTypes() {
  std::string names;
  llvm::ListSeparator comma;
  for (const GgmlType &type : types)
    if (elementTypeOf(type))
      (names += llvm::StringRef(comma)) += type.name;
  return names;
}

uint64_t storedBytes(const ElementType &type, uint64_t count) {
  if (!type.isQuantized())
    return count * scalarSize(type.scalar());
  const BlockFormat *format = blockFormatOf(type.quant());
  assert(format && count % format->elements() == 0 && "not a whole number of a file format's blocks");
  return count / format->elements() * format->bytes;
}

unsigned blockElements(const ElementType &type) {
  return type.isQuantized() ? blockFormatOf(type.quant())->elements() : 1;
}

} // namespace sinter
