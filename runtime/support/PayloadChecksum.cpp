// SPDX-License-Identifier: Apache-2.0
// The checksum of payload sections: FNV-1a in 64-bit words. Every step is a bijection of the state, so one flipped bit
// is always seen; it guards against damage, not against malice.
#include "runtime/support/PayloadChecksum.h"
#include <algorithm>
#include <cstring>

namespace sinter::rt {
namespace {

constexpr uint64_t basis = 0xcbf29ce484222325, prime = 0x100000001b3;

uint64_t fold(uint64_t hash, uint64_t word) { return (hash ^ word) * prime; }

uint64_t loadWord(const char *bytes, uint64_t size = 8) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, size);
  return word;
}

} // namespace

uint64_t payloadPieceChecksum(const void *data, uint64_t size) {
  const char *bytes = static_cast<const char *>(data);
  // Four chains, each in a register: in memory, a step would wait for the store of the one before.
  uint64_t a = basis, b = basis + 1, c = basis + 2, d = basis + 3;
  uint64_t at = 0;
  for (; at + 32 <= size; at += 32) {
    a = fold(a, loadWord(bytes + at));
    b = fold(b, loadWord(bytes + at + 8));
    c = fold(c, loadWord(bytes + at + 16));
    d = fold(d, loadWord(bytes + at + 24));
  }
  uint64_t lanes[4] = {a, b, c, d};
  for (int lane = 0; at < size; at += 8, ++lane)
    lanes[lane] = fold(lanes[lane], loadWord(bytes + at, std::min<uint64_t>(8, size - at)));
  uint64_t hash = fold(basis, size);
  for (uint64_t lane : lanes)
    hash = fold(hash, lane);
  return hash;
}

uint64_t combinePieceChecksums(std::span<const uint64_t> pieces, uint64_t size) {
  uint64_t hash = basis;
  for (uint64_t piece : pieces)
    hash = fold(hash, piece);
  return fold(hash, size);
}

uint64_t payloadChecksum(const void *data, uint64_t size) {
  const char *bytes = static_cast<const char *>(data);
  uint64_t hash = basis;
  for (uint64_t at = 0; at < size; at += payloadPieceBytes)
    hash = fold(hash, payloadPieceChecksum(bytes + at, std::min(payloadPieceBytes, size - at)));
  return fold(hash, size);
}

} // namespace sinter::rt
