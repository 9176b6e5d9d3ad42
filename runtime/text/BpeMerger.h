// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding of one word: symbols in a linked list, candidate merges in a heap, so n log n for any word.
#pragma once
#include "runtime/text/PatternSet.h"
#include "runtime/text/TokenizerImage.h"
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sinter::rt {

/// Holds the work space of merging, so that one merger encodes all words of a text. Not shared between threads.
class BpeMerger {
public:
  /// `userDefined` are the pieces that SentencePieceBpe takes whole wherever they stand. Both outlive the merger.
  BpeMerger(const TokenizerImage &image, const PatternSet &userDefined) : image(image), userDefined(userDefined) {}

  /// Appends the ids of `word` (valid UTF-8; SentencePieceBpe: a whole segment, its spaces already U+2581).
  void encode(std::string_view word, std::vector<int32_t> &ids);

private:
  /// A stretch of the word that is one piece so far; size 0: merged into its left neighbour.
  struct Symbol {
    uint32_t begin, size;
    int32_t id; ///< the piece, or -1 (SentencePieceBpe: no such piece)
    int32_t previous, next;
    bool frozen; ///< a user-defined symbol: takes no part in merges
  };
  /// A merge that was possible when it was found; stale if the two symbols have changed since.
  struct Candidate {
    uint64_t key; ///< rank, then position: the smallest is next
    uint32_t size;
    int32_t result;
    bool operator>(const Candidate &other) const { return key > other.key; }
  };

  void addSymbol(size_t begin, size_t size, int32_t id, bool frozen = false);
  void addUnknown(size_t begin, size_t size);
  void splitBytes();
  void splitCharacters();
  void splitSentencePiece();

  bool findRanked(int32_t left, Candidate &found) const;
  bool findScored(int32_t left, Candidate &found);
  bool findCandidate(int32_t left, Candidate &found);
  void merge(const Candidate &next, int32_t left);
  void mergeAll();

  void emitRanked(std::vector<int32_t> &ids) const;
  void emitSentencePiece(std::vector<int32_t> &ids) const;
  void emitPiece(std::string_view text, int32_t id, bool afterUnknown, std::vector<int32_t> &ids) const;

  const TokenizerImage &image;
  const PatternSet &userDefined;
  std::string_view word;
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::unordered_map<std::string_view, size_t> unusedSplits; ///< an unused piece and the size of its left part
};

} // namespace sinter::rt
