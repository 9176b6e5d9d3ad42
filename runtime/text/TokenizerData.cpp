// SPDX-License-Identifier: Apache-2.0
// Writing a tokenizer image: the small rules field by field, the large tables in the form lookups use.
#include "runtime/text/TokenizerData.h"
#include "runtime/text/TokenizerImage.h"
#include <cassert>
#include <cstring>

namespace sinter::rt {

namespace {

using Bytes = std::vector<uint8_t>;

void appendRaw(Bytes &out, const void *data, size_t size) {
  auto *bytes = static_cast<const uint8_t *>(data);
  out.insert(out.end(), bytes, bytes + size);
}

/// Writes fields one after the other; lists and strings after their u32 count.
struct RuleWriter {
  Bytes &out;

  template <typename T>
    requires(std::is_enum_v<T> || std::is_arithmetic_v<T>)
  void operator()(T &value) {
    appendRaw(out, &value, sizeof(T));
  }
  void operator()(std::string &text) {
    count(text.size());
    appendRaw(out, text.data(), text.size());
  }
  template <typename T>
  void operator()(std::vector<T> &list) {
    count(list.size());
    for (T &item : list)
      field(item);
  }

private:
  template <typename T>
  void field(T &item) {
    if constexpr (std::is_arithmetic_v<T>)
      (*this)(item);
    else
      visitFields(*this, item);
  }
  void count(size_t size) {
    assert(size < UINT32_MAX && "a rule's list or string is too long");
    auto value = static_cast<uint32_t>(size);
    appendRaw(out, &value, sizeof(value));
  }
};

/// Slots for `count` entries: a power of two that leaves a third of them empty.
size_t tableSize(size_t count) {
  size_t size = 4;
  while (size * 2 < count * 3 + 2)
    size *= 2;
  return size;
}

std::vector<uint32_t> makePieceSlots(const TokenizerData &data) {
  size_t count = 0;
  for (const Piece &piece : data.pieces)
    count += piece.encodable;
  std::vector<uint32_t> slots(tableSize(count), 0);
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    if (!data.pieces[id].encodable)
      continue;
    size_t slot = pieceHash(data.pieces[id].text) & (slots.size() - 1);
    while (slots[slot] != 0)
      slot = (slot + 1) & (slots.size() - 1);
    slots[slot] = static_cast<uint32_t>(id + 1);
  }
  return slots;
}

std::vector<MergeSlot> makeMergeSlots(const TokenizerData &data) {
  std::vector<MergeSlot> slots(tableSize(data.merges.size()), MergeSlot{-1, -1, 0, -1});
  for (size_t rank = 0; rank < data.merges.size(); ++rank) {
    const Merge &merge = data.merges[rank];
    size_t slot = mergeHash(merge.left, merge.right) & (slots.size() - 1);
    while (slots[slot].left >= 0)
      slot = (slot + 1) & (slots.size() - 1);
    slots[slot] = {merge.left, merge.right, static_cast<uint32_t>(rank), merge.result};
  }
  return slots;
}

/// Collects the sections behind a header that is filled in as they come.
class ImageWriter {
public:
  ImageWriter() : out(sizeof(ImageHeader), 0) { std::memcpy(header.magic, tokenizerMagic, sizeof(header.magic)); }

  template <typename T>
  void add(ImageSection section, const std::vector<T> &items) {
    out.resize((out.size() + 7) / 8 * 8, 0);
    header.sections[static_cast<size_t>(section)] = {out.size(), items.size() * sizeof(T)};
    appendRaw(out, items.data(), items.size() * sizeof(T));
  }

  Bytes finish() {
    std::memcpy(out.data(), &header, sizeof(header));
    return std::move(out);
  }

private:
  ImageHeader header{};
  Bytes out;
};

} // namespace

std::vector<uint8_t> serialize(const TokenizerData &data) {
  assert(data.pieces.size() <= maxPieces && "the importer bounds the vocabulary");
  Bytes rules, text, flags;
  TokenizerRules copy = data;
  visitFields(RuleWriter{rules}, copy);
  std::vector<uint32_t> ends;
  std::vector<float> scores;
  for (const Piece &piece : data.pieces) {
    appendRaw(text, piece.text.data(), piece.text.size());
    ends.push_back(static_cast<uint32_t>(text.size()));
    flags.push_back(static_cast<uint8_t>(static_cast<uint8_t>(piece.type) | (piece.encodable ? encodableFlag : 0)));
    if (data.model == TokenizerModel::SentencePieceBpe)
      scores.push_back(piece.score);
  }
  assert(text.size() < UINT32_MAX && "the importer bounds the vocabulary");
  ImageWriter writer;
  writer.add(ImageSection::Rules, rules);
  writer.add(ImageSection::PieceEnds, ends);
  writer.add(ImageSection::PieceText, text);
  writer.add(ImageSection::PieceFlags, flags);
  writer.add(ImageSection::Scores, scores);
  writer.add(ImageSection::PieceSlots, makePieceSlots(data));
  writer.add(ImageSection::MergeSlots, makeMergeSlots(data));
  return writer.finish();
}

} // namespace sinter::rt
