// SPDX-License-Identifier: Apache-2.0
// ggml's block formats, unpacked: the layouts are those of ggml-quants (ggml-common.h), read into codes and scales.
#pragma once
#include "ir/Type.h"

namespace sinter {

/// One block's contents: 32 elements, or 256 with sub-scales.
struct UnpackedBlock {
  float scale = 0, min = 0; ///< the file's float16 values; a K-quant's minimum is negated, so that value = scale + min
  uint8_t codes[256];       ///< signed ones offset by 2^(bits-1)
  int8_t subScales[16], subMins[16];
};

struct BlockFormat {
  llvm::StringLiteral name; ///< "Q4_K"
  Quant quant;
  unsigned bytes; ///< of a block
  void (*unpack)(const uint8_t *block, UnpackedBlock &out);

  /// Elements of a block.
  unsigned elements() const { return quant.super ? quant.super : quant.group; }
};

/// The format whose element type this is; null when no file format has it.
const BlockFormat *blockFormatOf(const Quant &quant);
/// The format of that name; null for others.
const BlockFormat *blockFormatNamed(llvm::StringRef name);

/// The block's elements in float32, with the roundings of ggml's reference dequantization.
void dequantize(const BlockFormat &format, const UnpackedBlock &block, float *out);

} // namespace sinter
