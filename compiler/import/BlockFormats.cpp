// SPDX-License-Identifier: Apache-2.0
// Unpacking ggml's block formats. A block of 32 holds its low code halves first: byte i has element i and i + 16.
#include "compiler/import/BlockFormats.h"
#include "compiler/import/Floats.h"
#include "llvm/Support/Endian.h"

namespace sinter {

namespace {

float halfAt(const uint8_t *p) { return floatFromHalf(llvm::support::endian::read16le(p)); }

/// Low nibbles of `bytes` to out[0, n), high ones to out[n, 2n).
void unpackNibbles(const uint8_t *bytes, unsigned n, uint8_t *out) {
  for (unsigned i = 0; i < n; ++i) {
    out[i] = bytes[i] & 15;
    out[n + i] = bytes[i] >> 4;
  }
}

/// Bit i of the mask is bit 4 of element i.
void addFifthBits(uint32_t mask, uint8_t *out) {
  for (unsigned i = 0; i < 32; ++i)
    out[i] |= (mask >> i & 1) << 4;
}

/// f16 scale | 32 signed bytes
void unpackQ8_0(const uint8_t *block, UnpackedBlock &out) {
  out.scale = halfAt(block);
  for (unsigned i = 0; i < 32; ++i)
    out.codes[i] = block[2 + i] ^ 0x80;
}

/// f16 scale | 16 bytes of nibbles, offset by 8
void unpackQ4_0(const uint8_t *block, UnpackedBlock &out) {
  out.scale = halfAt(block);
  unpackNibbles(block + 2, 16, out.codes);
}

/// f16 scale | f16 minimum | 16 bytes of nibbles
void unpackQ4_1(const uint8_t *block, UnpackedBlock &out) {
  out.scale = halfAt(block);
  out.min = halfAt(block + 2);
  unpackNibbles(block + 4, 16, out.codes);
}

/// f16 scale | 32 fifth bits | 16 bytes of nibbles, offset by 16
void unpackQ5_0(const uint8_t *block, UnpackedBlock &out) {
  out.scale = halfAt(block);
  unpackNibbles(block + 6, 16, out.codes);
  addFifthBits(llvm::support::endian::read32le(block + 2), out.codes);
}

/// f16 scale | f16 minimum | 32 fifth bits | 16 bytes of nibbles
void unpackQ5_1(const uint8_t *block, UnpackedBlock &out) {
  out.scale = halfAt(block);
  out.min = halfAt(block + 2);
  unpackNibbles(block + 8, 16, out.codes);
  addFifthBits(llvm::support::endian::read32le(block + 4), out.codes);
}

/// f16 scale | f16 minimum | 12 bytes: eight 6-bit scales and minimums. The first four of each lie in the low bits of
/// bytes 0-3 and 4-7; the others have their low nibbles in bytes 8-11 and their high bits above the first four's.
void unpackKScales(const uint8_t *block, UnpackedBlock &out) {
  out.scale = halfAt(block);
  out.min = -halfAt(block + 2);
  const uint8_t *packed = block + 4;
  for (unsigned i = 0; i < 4; ++i) {
    out.subScales[i] = packed[i] & 63;
    out.subMins[i] = packed[4 + i] & 63;
    out.subScales[4 + i] = (packed[8 + i] & 15) | packed[i] >> 6 << 4;
    out.subMins[4 + i] = packed[8 + i] >> 4 | packed[4 + i] >> 6 << 4;
  }
}

/// scales (16 bytes) | 4 times 32 bytes of nibbles: 64 elements each
void unpackQ4_K(const uint8_t *block, UnpackedBlock &out) {
  unpackKScales(block, out);
  for (unsigned part = 0; part < 4; ++part)
    unpackNibbles(block + 16 + 32 * part, 32, out.codes + 64 * part);
}

/// scales (16 bytes) | 32 bytes of fifth bits, bit g of byte i for element i of group g | nibbles as in Q4_K
void unpackQ5_K(const uint8_t *block, UnpackedBlock &out) {
  unpackKScales(block, out);
  for (unsigned part = 0; part < 4; ++part)
    unpackNibbles(block + 48 + 32 * part, 32, out.codes + 64 * part);
  for (unsigned group = 0; group < 8; ++group)
    for (unsigned i = 0; i < 32; ++i)
      out.codes[32 * group + i] |= (block[16 + i] >> group & 1) << 4;
}

/// 128 bytes of low nibbles | 64 bytes of high bit pairs | 16 signed scales | f16 scale. Each half of 128 elements has
/// 64 bytes of nibbles and 32 of pairs, whose bits 2g and 2g + 1 belong to the half's g-th 32 elements.
void unpackQ6_K(const uint8_t *block, UnpackedBlock &out) {
  out.scale = halfAt(block + 208);
  for (unsigned half = 0; half < 2; ++half) {
    unpackNibbles(block + 64 * half, 64, out.codes + 128 * half);
    for (unsigned i = 0; i < 128; ++i)
      out.codes[128 * half + i] |= (block[128 + 32 * half + i % 32] >> (i / 32 * 2) & 3) << 4;
  }
  for (unsigned i = 0; i < 16; ++i)
    out.subScales[i] = static_cast<int8_t>(block[192 + i]);
}

constexpr BlockFormat formats[] = {
    {"Q8_0", quant::q8_0, 34, unpackQ8_0},  {"Q4_0", quant::q4_0, 18, unpackQ4_0},
    {"Q4_1", quant::q4_1, 20, unpackQ4_1},  {"Q5_0", quant::q5_0, 22, unpackQ5_0},
    {"Q5_1", quant::q5_1, 24, unpackQ5_1},  {"Q4_K", quant::q4_k, 144, unpackQ4_K},
    {"Q5_K", quant::q5_k, 176, unpackQ5_K}, {"Q6_K", quant::q6_k, 210, unpackQ6_K},
};

} // namespace

const BlockFormat *blockFormatOf(const Quant &quant) {
  for (const BlockFormat &format : formats)
    if (format.quant == quant)
      return &format;
  return nullptr;
}

const BlockFormat *blockFormatNamed(llvm::StringRef name) {
  for (const BlockFormat &format : formats)
    if (format.name == name)
      return &format;
  return nullptr;
}

void dequantize(const BlockFormat &format, const UnpackedBlock &block, float *out) {
  const Quant &q = format.quant;
  int offset = q.isSigned ? 1 << (q.bits - 1) : 0;
  for (unsigned group = 0; group * q.group < format.elements(); ++group) {
    float scale = q.subBits ? block.scale * block.subScales[group] : block.scale;
    float min = q.subBits ? block.min * block.subMins[group] : block.min;
    for (unsigned i = group * q.group; i < (group + 1u) * q.group; ++i) {
      float product = scale * float(int(block.codes[i]) - offset);
      out[i] = q.hasMin ? product + min : product;
    }
  }
}

} // namespace sinter
