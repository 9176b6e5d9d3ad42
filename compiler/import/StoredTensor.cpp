// SPDX-License-Identifier: Apache-2.0
// Reading rows of mapped weights: float32 for the interpreter, codes and scales for the packers.
#include "compiler/import/StoredTensor.h"
#include "compiler/import/BlockFormats.h"
#include "compiler/import/Floats.h"
#include "compiler/import/GgmlTypes.h"
#include "ir/Try.h"
#include "llvm/Support/Endian.h"
#include <algorithm>
#include <cstring>

namespace sinter {

using namespace llvm::support;

StoredTensor::StoredTensor(llvm::StringRef tensorName, Type tensorType, std::shared_ptr<const SourceFile> source,
                           llvm::StringRef bytes, RowOrder rowOrder)
    : file(std::move(source)), data(bytes), order(rowOrder) {
  name = tensorName.str();
  origin = file->name().str();
  type = std::move(tensorType);
  if (type.rank() > 0)
    k = type.dim(-1).number();
  for (unsigned i = 0; i + 1 < type.rank(); ++i)
    rows *= type.dim(i).number();
  rowSize = storedBytes(type.element, k);
  assert(data.size() == rows * rowSize && "a tensor's bytes do not match its type");
  assert((order.headDim == 0 || (order.headDim % 2 == 0 && (type.rank() > 1 ? rows : k) % order.headDim == 0)) &&
         "rows are not whole heads");
  assert((order.headDim == 0 || type.rank() > 1 || !type.element.isQuantized()) && "a reordered vector of blocks");
}

llvm::Error StoredTensor::checkRows(int64_t begin, int64_t end) const {
  if (0 <= begin && begin <= end && end <= rows)
    return llvm::Error::success();
  return llvm::createStringError(origin + ": tensor " + quoted(name) + ": expected rows within [0, " +
                                 llvm::Twine(rows) + "), found [" + llvm::Twine(begin) + ", " + llvm::Twine(end) + ")");
}

const uint8_t *StoredTensor::rowBytes(int64_t row) const {
  int64_t stored = type.rank() > 1 ? order.fileRow(row) : row;
  return data.bytes_begin() + stored * rowSize;
}

void StoredTensor::readScalarRow(int64_t row, float *out) const {
  const uint8_t *bytes = rowBytes(row);
  RowOrder elements = type.rank() == 1 ? order : RowOrder();
  auto decode = [&](auto element) {
    for (int64_t i = 0; i < k; ++i)
      out[i] = element(elements.fileRow(i));
  };
  switch (type.element.scalar()) {
  case Scalar::F32:
    return decode([&](int64_t at) { return std::bit_cast<float>(endian::read32le(bytes + 4 * at)); });
  case Scalar::F16:
    return decode([&](int64_t at) { return floatFromHalf(endian::read16le(bytes + 2 * at)); });
  case Scalar::BF16:
    return decode([&](int64_t at) { return floatFromBfloat(endian::read16le(bytes + 2 * at)); });
  case Scalar::I32:
  case Scalar::I8:
    llvm_unreachable("no importer makes integer weights");
  }
}

void StoredTensor::readBlockRow(int64_t row, float *out) const {
  const BlockFormat &format = *blockFormatOf(type.element.quant());
  const uint8_t *bytes = rowBytes(row);
  UnpackedBlock block;
  for (int64_t i = 0; i < k; i += format.elements(), bytes += format.bytes) {
    format.unpack(bytes, block);
    dequantize(format, block, out + i);
  }
}

llvm::Error StoredTensor::readFloats(int64_t begin, int64_t end, llvm::MutableArrayRef<float> out) const {
  TRY(checkRows(begin, end));
  assert(int64_t(out.size()) == (end - begin) * k && "the output is not the rows' size");
  for (int64_t row = begin; row < end; ++row) {
    float *rowOut = out.data() + (row - begin) * k;
    type.element.isQuantized() ? readBlockRow(row, rowOut) : readScalarRow(row, rowOut);
  }
  return llvm::Error::success();
}

llvm::Error StoredTensor::readQuant(int64_t begin, int64_t end, QuantRows &out) const {
  TRY(checkRows(begin, end));
  if (!type.element.isQuantized())
    return llvm::createStringError(origin + ": tensor " + quoted(name) + ": expected a quantized type, found " +
                                   type.element.str());
  const Quant &q = type.element.quant();
  const BlockFormat &format = *blockFormatOf(q);
  int64_t count = end - begin, blocks = k / format.elements(), groups = q.subBits ? k / q.group : 0;
  int64_t groupsInBlock = format.elements() / q.group;
  out.rows = count;
  out.k = k;
  out.codes.resize(count * k);
  out.superScales.resize(count * blocks);
  out.superMins.resize(q.hasMin ? count * blocks : 0);
  out.subScales.resize(count * groups);
  out.subMins.resize(q.hasMin ? count * groups : 0);
  UnpackedBlock block;
  for (int64_t i = 0; i < count * blocks; ++i) {
    format.unpack(rowBytes(begin + i / blocks) + i % blocks * format.bytes, block);
    std::copy_n(block.codes, format.elements(), out.codes.data() + i * format.elements());
    out.superScales[i] = block.scale;
    if (q.hasMin)
      out.superMins[i] = block.min;
    if (q.subBits)
      std::copy_n(block.subScales, groupsInBlock, out.subScales.data() + i * groupsInBlock);
    if (q.subBits && q.hasMin)
      std::copy_n(block.subMins, groupsInBlock, out.subMins.data() + i * groupsInBlock);
  }
  return llvm::Error::success();
}

} // namespace sinter
