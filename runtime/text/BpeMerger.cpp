// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding with a heap of candidates (Sennrich et al. 2016; the algorithm of `tokenizers` and
// `sentencepiece`): the best-ranked pair merges first, the leftmost of equal ones.
#include "runtime/text/BpeMerger.h"
#include "runtime/text/Utf8.h"
#include <algorithm>
#include <bit>
#include <functional>

namespace sinter::rt {

namespace {

/// Higher scores first: a key that grows as the score falls.
uint32_t scoreKey(float score) {
  auto bits = std::bit_cast<uint32_t>(score == 0 ? 0.0f : score);
  return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

} // namespace

void BpeMerger::addSymbol(size_t begin, size_t size, int32_t id, bool frozen) {
  auto index = static_cast<int32_t>(symbols.size());
  if (index > 0)
    symbols.back().next = index;
  symbols.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(size), id, index - 1, -1, frozen});
}

void BpeMerger::addUnknown(size_t begin, size_t size) {
  int32_t unknown = image.rules().unknownId;
  if (unknown < 0)
    return; // a model without an unknown token leaves out what it cannot say
  bool fuse = image.rules().fuseUnknown && !symbols.empty() && symbols.back().frozen;
  if (fuse)
    symbols.back().size += static_cast<uint32_t>(size);
  else
    addSymbol(begin, size, unknown, /*frozen=*/true);
}

void BpeMerger::splitBytes() {
  for (size_t i = 0; i < word.size(); ++i) {
    int32_t id = image.bytePiece(static_cast<uint8_t>(word[i]));
    if (id >= 0)
      addSymbol(i, 1, id);
    else
      addUnknown(i, 1);
  }
}

void BpeMerger::splitCharacters() {
  auto hasPiece = [&](char byte) { return image.bytePiece(static_cast<uint8_t>(byte)) >= 0; };
  for (size_t i = 0; i < word.size();) {
    size_t size = utf8::decode(word.substr(i)).size;
    std::string_view character = word.substr(i, size);
    int32_t id = image.findPiece(character);
    if (id >= 0) {
      addSymbol(i, size, id);
    } else if (image.rules().byteFallback && std::all_of(character.begin(), character.end(), hasPiece)) {
      for (size_t j = i; j < i + size; ++j)
        addSymbol(j, 1, image.bytePiece(static_cast<uint8_t>(word[j])));
    } else {
      addUnknown(i, size);
    }
    i += size;
  }
}

void BpeMerger::splitSentencePiece() {
  for (size_t i = 0; i < word.size();) {
    if (const PatternSet::Pattern *symbol = userDefined.longestAt(word.substr(i))) {
      addSymbol(i, symbol->text.size(), symbol->value, /*frozen=*/true);
      i += symbol->text.size();
      continue;
    }
    size_t size = utf8::decode(word.substr(i)).size;
    addSymbol(i, size, image.findPiece(word.substr(i, size)));
    i += size;
  }
}

bool BpeMerger::findRanked(int32_t left, Candidate &found) const {
  const Symbol &a = symbols[left], &b = symbols[a.next];
  const MergeSlot *merge = image.findMerge(a.id, b.id);
  if (!merge)
    return false;
  found = {uint64_t(merge->rank) << 32 | uint32_t(left), a.size + b.size, merge->result};
  return true;
}

bool BpeMerger::findScored(int32_t left, Candidate &found) {
  const Symbol &a = symbols[left], &b = symbols[a.next];
  uint32_t size = a.size + b.size;
  if (a.frozen || b.frozen || size > image.longestPiece())
    return false;
  std::string_view text = word.substr(a.begin, size);
  int32_t id = image.findPiece(text);
  if (id < 0)
    return false;
  if (image.type(id) == PieceType::Unused)
    unusedSplits[text] = a.size;
  found = {uint64_t(scoreKey(image.score(id))) << 32 | uint32_t(left), size, id};
  return true;
}

bool BpeMerger::findCandidate(int32_t left, Candidate &found) {
  if (left < 0 || symbols[left].next < 0)
    return false;
  return image.rules().model == TokenizerModel::SentencePieceBpe ? findScored(left, found) : findRanked(left, found);
}

void BpeMerger::merge(const Candidate &next, int32_t left) {
  Symbol &a = symbols[left], &b = symbols[a.next];
  a.size = next.size;
  a.id = next.result;
  b.size = 0;
  a.next = b.next;
  if (a.next >= 0)
    symbols[a.next].previous = left;
}

void BpeMerger::mergeAll() {
  Candidate found;
  heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i)
    if (findCandidate(static_cast<int32_t>(i), found))
      heap.push_back(found);
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  auto push = [&](int32_t left) {
    if (!findCandidate(left, found))
      return;
    heap.push_back(found);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    Candidate next = heap.back();
    heap.pop_back();
    auto left = static_cast<int32_t>(next.key & 0xFFFFFFFFu);
    const Symbol &symbol = symbols[left];
    if (symbol.size == 0 || symbol.next < 0 || symbol.size + symbols[symbol.next].size != next.size)
      continue;
    merge(next, left);
    push(symbols[left].previous);
    push(left);
  }
}

void BpeMerger::encode(std::string_view text, std::vector<int32_t> &ids) {
  const TokenizerRules &rules = image.rules();
  word = text;
  if (rules.ignoreMerges) {
    int32_t whole = image.findPiece(word);
    if (whole >= 0) {
      ids.push_back(whole);
      return;
    }
  }
  symbols.clear();
  if (rules.model == TokenizerModel::SentencePieceBpe) {
    unusedSplits.clear();
    splitSentencePiece();
    mergeAll();
    emitSentencePiece(ids);
    return;
  }
  if (rules.model == TokenizerModel::ByteLevelBpe)
    splitBytes();
  else
    splitCharacters();
  mergeAll();
  emitRanked(ids);
}

void BpeMerger::emitRanked(std::vector<int32_t> &ids) const {
  for (int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[i].next)
    ids.push_back(symbols[i].id);
}

void BpeMerger::emitSentencePiece(std::vector<int32_t> &ids) const {
  bool afterUnknown = false;
  for (int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[i].next) {
    const Symbol &symbol = symbols[i];
    emitPiece(word.substr(symbol.begin, symbol.size), symbol.id, afterUnknown, ids);
    afterUnknown = symbol.id < 0;
  }
}

void BpeMerger::emitPiece(std::string_view text, int32_t id, bool afterUnknown, std::vector<int32_t> &ids) const {
  if (id < 0 && image.rules().byteFallback) {
    for (char byte : text) {
      int32_t piece = image.bytePiece(static_cast<uint8_t>(byte));
      ids.push_back(piece >= 0 ? piece : image.rules().unknownId);
    }
  } else if (id < 0) {
    // A run of unknown characters is one unknown token.
    if (!afterUnknown)
      ids.push_back(image.rules().unknownId);
  } else if (auto split = unusedSplits.find(text); image.type(id) == PieceType::Unused && split != unusedSplits.end()) {
    // An unused piece only helps others to form: what it was merged from is what is said.
    for (std::string_view part : {text.substr(0, split->second), text.substr(split->second)})
      emitPiece(part, image.findPiece(part), false, ids);
  } else {
    ids.push_back(id);
  }
}

} // namespace sinter::rt
