// SPDX-License-Identifier: Apache-2.0
#include "codegen/cpu/PackLinear.h"
#include "codegen/cpu/CpuConfigText.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace sinter {
namespace {

using cpu::blockK;
using cpu::panelRows;

Error failure(const WeightTensor &tensor, const Twine &what) {
  return createStringError(inconvertibleErrorCode(), Twine(tensor.origin) + ": " + tensor.name + ": " + what);
}

/// The bits of `value` in a 16-bit format that can hold it exactly.
Expected<uint16_t> exactBits(const WeightTensor &tensor, float value, const fltSemantics &semantics) {
  APFloat exact(value);
  bool lost = false;
  exact.convert(semantics, APFloat::rmNearestTiesToEven, &lost);
  if (lost && !exact.isNaN())
    return failure(
        tensor, formatv("{0} is not a {1} number", value, &semantics == &APFloat::IEEEhalf() ? "float16" : "bfloat16"));
  return uint16_t(exact.bitcastToAPInt().getZExtValue());
}

/// Writes the rows of one panel. `panel` is zero at first, and so are the rows that the tensor does not have.
class PanelWriter {
public:
  PanelWriter(const WeightTensor &tensor, const cpu::WeightFormat &format, int64_t k)
      : tensor(tensor), format(format), k(k), layout(cpu::panelLayout(format, k)) {}

  Error write(int64_t firstRow, int64_t rows, uint8_t *panel) {
    std::memset(panel, 0, size_t(layout.bytes));
    return format.quantized() ? writeQuantized(firstRow, rows, panel) : writeFloats(firstRow, rows, panel);
  }

private:
  Error writeFloats(int64_t firstRow, int64_t rows, uint8_t *panel);
  Error writeQuantized(int64_t firstRow, int64_t rows, uint8_t *panel);
  void writeCodes(const uint8_t *codes, int64_t r, uint8_t *panel) const;
  Error writeHalves(ArrayRef<float> values, int64_t r, uint8_t *section) const;
  void writeBytes(ArrayRef<int8_t> values, int64_t r, uint8_t *section) const;

  const WeightTensor &tensor;
  const cpu::WeightFormat format;
  const int64_t k;
  const cpu::PanelLayout layout;
  std::vector<float> floats; // kept from panel to panel
  QuantRows quant;
};

Error PanelWriter::writeFloats(int64_t firstRow, int64_t rows, uint8_t *panel) {
  floats.resize(size_t(rows * k));
  if (Error e = tensor.readFloats(firstRow, firstRow + rows, floats))
    return e;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < k; ++i) {
      float value = floats[size_t(r * k + i)];
      if (format.element == cpu::Element::F32) {
        support::endian::write32le(panel + (i * panelRows + r) * 4, bit_cast<uint32_t>(value));
        continue;
      }
      bool half = format.element == cpu::Element::F16;
      // bfloat16 is the upper half of a float32; float16 needs the long way.
      Expected<uint16_t> bits = half || (bit_cast<uint32_t>(value) & 0xffff)
                                    ? exactBits(tensor, value, half ? APFloat::IEEEhalf() : APFloat::BFloat())
                                    : Expected<uint16_t>(uint16_t(bit_cast<uint32_t>(value) >> 16));
      if (!bits)
        return bits.takeError();
      int64_t at = half ? i * panelRows + r : (i / 2 * panelRows + r) * 2 + i % 2;
      support::endian::write16le(panel + at * 2, *bits);
    }
  }
  return Error::success();
}

void PanelWriter::writeCodes(const uint8_t *codes, int64_t r, uint8_t *panel) const {
  for (int64_t i = 0; i < k; ++i) {
    int64_t block = i / blockK, step = i % blockK / 4, at = r * 4 + i % 4;
    uint8_t code = codes[i];
    if (format.bits == 8) {
      panel[layout.codes + (block * 8 + step) * 64 + at] = code;
      continue;
    }
    panel[layout.codes + (block * 4 + step % 4) * 64 + at] |= uint8_t((code & 15) << (step < 4 ? 0 : 4));
    if (format.bits == 5)
      panel[layout.high + block * 64 + at] |= uint8_t((code >> 4) << step);
    else if (format.bits == 6)
      panel[layout.high + (block * 2 + step / 4) * 64 + at] |= uint8_t((code >> 4) << 2 * (step % 4));
  }
}

Error PanelWriter::writeHalves(ArrayRef<float> values, int64_t r, uint8_t *section) const {
  for (size_t g = 0; g < values.size(); ++g) {
    Expected<uint16_t> bits = exactBits(tensor, values[g], APFloat::IEEEhalf());
    if (!bits)
      return bits.takeError();
    support::endian::write16le(section + (int64_t(g) * panelRows + r) * 2, *bits);
  }
  return Error::success();
}

void PanelWriter::writeBytes(ArrayRef<int8_t> values, int64_t r, uint8_t *section) const {
  for (size_t g = 0; g < values.size(); ++g)
    section[int64_t(g) * panelRows + r] = uint8_t(values[g]);
}

Error PanelWriter::writeQuantized(int64_t firstRow, int64_t rows, uint8_t *panel) {
  if (Error e = tensor.readQuant(firstRow, firstRow + rows, quant))
    return e;
  assert(quant.rows == rows && quant.k == k && "readQuant gives the rows it is asked for");
  auto rowOf = [&](const auto &all, int64_t r) {
    size_t length = all.size() / size_t(rows);
    return ArrayRef(all).slice(size_t(r) * length, length);
  };
  for (int64_t r = 0; r < rows; ++r) {
    writeCodes(rowOf(quant.codes, r).data(), r, panel);
    bool two = format.twoLevel();
    if (Error e = writeHalves(rowOf(quant.superScales, r), r, panel + (two ? layout.superScales : layout.scales)))
      return e;
    if (Error e = writeHalves(rowOf(quant.superMins, r), r, panel + (two ? layout.superMins : layout.mins)))
      return e;
    writeBytes(rowOf(quant.subScales, r), r, panel + layout.scales);
    writeBytes(rowOf(quant.subMins, r), r, panel + layout.mins);
  }
  return Error::success();
}

} // namespace

Expected<cpu::WeightFormat> packedFormat(const ElementType &type, int64_t k) {
  cpu::WeightFormat format;
  auto unsupported = [&](const char *why) {
    return createStringError(inconvertibleErrorCode(), "no CPU kernel for weights of type %s with %lld columns: %s",
                             type.str().c_str(), static_cast<long long>(k), why);
  };
  if (type.isQuantized()) {
    const Quant &q = type.quant();
    format = {.bits = q.bits,
              .isSigned = q.isSigned,
              .hasMin = q.hasMin,
              .subBits = q.subBits,
              .group = q.group,
              .super = q.super};
    if (q.scale != Scalar::F16)
      return unsupported("scales must be f16");
    if (q.bits != 4 && q.bits != 5 && q.bits != 6 && q.bits != 8)
      return unsupported("codes must have 4, 5, 6 or 8 bits");
    if (!format.valid(k))
      return unsupported(
          "groups must be 16 or a multiple of 32, and columns a multiple of 32, the group and the super group");
    return format;
  }
  if (!type.isFloat())
    return unsupported("weights must be f32, f16, bf16 or quantized");
  format.element = elementOf(type);
  return format;
}

uint64_t packedLinearBytes(const ElementType &type, int64_t n, int64_t k) {
  return uint64_t(cpu::packedBytes(cantFail(packedFormat(type, k)), n, k));
}

Error packLinear(ArrayRef<const WeightTensor *> parts, bool swiglu, MutableArrayRef<uint8_t> out) {
  assert(parts.size() == (swiglu ? 2 : 1) && "one weight, or gate and up");
  const Type &type = parts.front()->type;
  assert(type.rank() == 2 && "a matmul's weight is [n, k]");
  int64_t n = type.dim(0).number(), k = type.dim(1).number();
  Expected<cpu::WeightFormat> format = packedFormat(type.element, k);
  if (!format)
    return failure(*parts.front(), toString(format.takeError()));
  if (!(parts.back()->type == type))
    return failure(*parts.back(),
                   "is " + parts.back()->type.str() + ", but " + parts.front()->name + " is " + type.str());
  int64_t panelBytes = cpu::panelLayout(*format, k).bytes, count = int64_t(parts.size());
  assert(out.size() == uint64_t(cpu::packedBytes(*format, n, k) * count) && "room for every part");
  for (auto [index, part] : enumerate(parts)) {
    PanelWriter writer(*part, *format, k);
    for (int64_t row = 0; row < n; row += panelRows) {
      uint8_t *panel = out.data() + (row / panelRows * count + int64_t(index)) * panelBytes;
      if (Error e = writer.write(row, std::min(panelRows, n - row), panel))
        return e;
    }
  }
  return Error::success();
}

} // namespace sinter
