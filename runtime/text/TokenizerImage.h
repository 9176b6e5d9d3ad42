// SPDX-License-Identifier: Apache-2.0
// A serialized tokenizer, checked once and then used in place: pieces are slices of the image, lookups probe hash
// tables that the compiler built. Opening a vocabulary of 150,000 pieces takes about a millisecond.
//
//   ImageHeader | rules | piece ends u32[n] | piece text | piece flags u8[n] | scores f32[n or 0]
//               | piece slots u32[2^a] | merge slots MergeSlot[2^b]            (little-endian, 8-byte aligned sections)
#pragma once
#include "runtime/support/Error.h"
#include "runtime/text/TokenizerData.h"
#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

namespace sinter::rt {

inline constexpr char tokenizerMagic[8] = {'S', 'N', 'T', 'R', 'T', 'O', 'K', '1'};

enum class ImageSection : uint32_t { Rules, PieceEnds, PieceText, PieceFlags, Scores, PieceSlots, MergeSlots };
inline constexpr uint32_t numImageSections = 7;

struct ImageHeader {
  char magic[8];
  struct {
    uint64_t offset, size; ///< bytes from the start of the image
  } sections[numImageSections];
};

/// An entry of the open-addressing table of merges, probed linearly from mergeHash; left < 0: empty.
struct MergeSlot {
  int32_t left, right;
  uint32_t rank;
  int32_t result;
};

/// Piece flags: the PieceType, and this bit if merging may arrive at the piece.
inline constexpr uint8_t encodableFlag = 0x80;

/// The tables' hashes are part of the format.
inline uint64_t pieceHash(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (char c : text)
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return hash ^ hash >> 29;
}
inline uint64_t mergeHash(int32_t left, int32_t right) {
  uint64_t hash = (uint64_t(uint32_t(left)) << 32 | uint32_t(right)) * 0x9E3779B97F4A7C15u;
  return hash >> 32;
}

class TokenizerImage {
public:
  /// Checks every offset, index and count of `bytes`, which outlive the image and are aligned to 8 bytes.
  static Result<TokenizerImage> parse(std::span<const uint8_t> bytes);

  const TokenizerRules &rules() const { return ruleData; }
  int32_t numPieces() const { return static_cast<int32_t>(pieceEnds.size()); }
  size_t longestPiece() const { return maxPieceBytes; } ///< bytes of the longest encodable piece

  /// `id` is in [0, numPieces()).
  std::string_view piece(int32_t id) const {
    uint32_t begin = id == 0 ? 0 : pieceEnds[id - 1];
    return {pieceText.data() + begin, pieceEnds[id] - begin};
  }
  PieceType type(int32_t id) const { return static_cast<PieceType>(pieceFlags[id] & ~encodableFlag); }
  bool encodable(int32_t id) const { return (pieceFlags[id] & encodableFlag) != 0; }
  float score(int32_t id) const { return scores[id]; }

  /// The encodable piece with this text, or -1.
  int32_t findPiece(std::string_view text) const;

  /// The merge of two pieces, or null.
  const MergeSlot *findMerge(int32_t left, int32_t right) const;

  /// The piece of a single byte (byte-level: its symbol; else its Byte piece), or -1.
  int32_t bytePiece(uint8_t byte) const { return bytePieces[byte]; }

private:
  Result<void> checkPieces();
  Result<void> checkTables() const;
  Result<void> checkRules() const;
  void indexBytes();

  TokenizerRules ruleData;
  std::span<const uint32_t> pieceEnds;
  std::span<const char> pieceText;
  std::span<const uint8_t> pieceFlags;
  std::span<const float> scores;
  std::span<const uint32_t> pieceSlots; ///< id + 1; 0: empty
  std::span<const MergeSlot> mergeSlots;
  size_t maxPieceBytes = 0;
  int32_t bytePieces[256];
};

static_assert(std::endian::native == std::endian::little, "images are used in place");

} // namespace sinter::rt
