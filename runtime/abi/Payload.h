// SPDX-License-Identifier: Apache-2.0
// The payload at the end of an executable (or in a file beside it): named sections, aligned, checksummed, found from
// the last bytes of the file. Little-endian. The compiler writes it, the runtime maps it; nothing in it is parsed but
// this table.
//
//   ELF ... | section 0 | section 1 | ... | PayloadSection[count] | PayloadFooter (the last 40 bytes)
#pragma once
#include <cstdint>

namespace sinter::rt {

inline constexpr uint64_t payloadAlignment = 4096;
inline constexpr char payloadMagic[8] = {'S', 'I', 'N', 'T', 'E', 'R', 'P', '1'};

struct PayloadSection {
  char name[24];     ///< "weights", "tokenizer", "info": NUL-padded
  uint64_t offset;   ///< from the start of the file, a multiple of payloadAlignment
  uint64_t size;     ///< in bytes
  uint64_t checksum; ///< payloadChecksum of the bytes
};
static_assert(sizeof(PayloadSection) == 48);

struct PayloadFooter {
  uint64_t tableOffset; ///< of PayloadSection[count]
  uint64_t count;
  uint64_t tableChecksum;
  uint64_t fileSize; ///< of the whole file, so that a truncated copy is known at once
  char magic[8];
};
static_assert(sizeof(PayloadFooter) == 40);

/// A section is checksummed in pieces, so that many threads can check it while they read it.
inline constexpr uint64_t payloadPieceBytes = 1 << 20;

/// FNV-1a over the 8-byte words of one piece (the tail zero-padded), four interleaved lanes, then the lanes and the
/// size.
uint64_t payloadPieceChecksum(const void *data, uint64_t size);

/// FNV-1a over the checksums of the pieces of payloadPieceBytes each (the last may be shorter), then the size.
uint64_t payloadChecksum(const void *data, uint64_t size);

} // namespace sinter::rt
