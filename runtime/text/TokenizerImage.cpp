// SPDX-License-Identifier: Apache-2.0
// Checking a tokenizer image before anything in it is believed, and its lookups.
#include "runtime/text/TokenizerImage.h"
#include "runtime/text/Utf8.h"
#include <algorithm>
#include <cmath>
#include <cstring>

namespace sinter::rt {

namespace {

tl::unexpected<Error> corrupt(const std::string &what) { return fail("corrupt tokenizer: " + what); }

/// The counterpart of RuleWriter. After the first field that does not fit, `good` is false and nothing more is read.
struct RuleReader {
  std::span<const uint8_t> in;
  bool good = true;

  template <typename T>
    requires(std::is_enum_v<T> || std::is_arithmetic_v<T>)
  void operator()(T &value) {
    uint8_t raw[sizeof(T)];
    if (!take(raw, sizeof(T)))
      return;
    if constexpr (std::is_same_v<T, bool>)
      value = raw[0] != 0;
    else
      std::memcpy(&value, raw, sizeof(T));
  }
  void operator()(std::string &text) {
    size_t size = count(1);
    text.assign(reinterpret_cast<const char *>(in.data()), size);
    in = in.subspan(size);
  }
  template <typename T>
  void operator()(std::vector<T> &list) {
    list.resize(count(4)); // no item is smaller in the image
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
  bool take(void *to, size_t size) {
    good = good && in.size() >= size;
    if (good) {
      std::memcpy(to, in.data(), size);
      in = in.subspan(size);
    }
    return good;
  }
  /// A count of items that take at least `itemSize` bytes each: 0 if the rest cannot hold them.
  size_t count(size_t itemSize) {
    uint32_t size = 0;
    if (take(&size, sizeof(size)))
      good = size <= in.size() / itemSize;
    return good ? size : 0;
  }
};

template <typename T>
Result<std::span<const T>> section(std::span<const uint8_t> bytes, ImageSection which) {
  ImageHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  auto [offset, size] = header.sections[static_cast<size_t>(which)];
  if (offset % 8 != 0 || size % sizeof(T) != 0 || offset > bytes.size() || size > bytes.size() - offset)
    return corrupt("section " + std::to_string(static_cast<size_t>(which)) + " at " + std::to_string(offset) + " of " +
                   std::to_string(size) + " bytes does not fit in " + std::to_string(bytes.size()));
  return std::span<const T>(reinterpret_cast<const T *>(bytes.data() + offset), size / sizeof(T));
}

template <typename T>
Result<void> load(std::span<const uint8_t> bytes, ImageSection which, std::span<const T> &to) {
  Result<std::span<const T>> items = section<T>(bytes, which);
  if (!items)
    return tl::unexpected(items.error());
  to = *items;
  return {};
}

bool isPowerOfTwo(size_t size) { return size != 0 && (size & (size - 1)) == 0; }

} // namespace

Result<TokenizerImage> TokenizerImage::parse(std::span<const uint8_t> bytes) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % 8 != 0)
    return fail("tokenizer image is not aligned to 8 bytes");
  if (bytes.size() < sizeof(ImageHeader) || std::memcmp(bytes.data(), tokenizerMagic, sizeof(tokenizerMagic)) != 0)
    return corrupt("it does not start with '" + std::string(tokenizerMagic, sizeof(tokenizerMagic)) + "'");
  TokenizerImage image;
  std::span<const uint8_t> rules;
  Result<void> loaded = load(bytes, ImageSection::Rules, rules)
                            .and_then([&] { return load(bytes, ImageSection::PieceEnds, image.pieceEnds); })
                            .and_then([&] { return load(bytes, ImageSection::PieceText, image.pieceText); })
                            .and_then([&] { return load(bytes, ImageSection::PieceFlags, image.pieceFlags); })
                            .and_then([&] { return load(bytes, ImageSection::Scores, image.scores); })
                            .and_then([&] { return load(bytes, ImageSection::PieceSlots, image.pieceSlots); })
                            .and_then([&] { return load(bytes, ImageSection::MergeSlots, image.mergeSlots); });
  if (!loaded)
    return tl::unexpected(loaded.error());
  RuleReader reader{rules};
  visitFields(reader, image.ruleData);
  if (!reader.good || !reader.in.empty())
    return corrupt("its rules do not fill their section");
  Result<void> checked =
      image.checkRules().and_then([&] { return image.checkPieces(); }).and_then([&] { return image.checkTables(); });
  if (!checked)
    return tl::unexpected(checked.error());
  image.indexBytes();
  return image;
}

Result<void> TokenizerImage::checkRules() const {
  auto known = [&](int32_t id) { return id >= -1 && id < numPieces(); };
  const TokenizerRules &r = ruleData;
  bool enums = r.model <= TokenizerModel::SentencePieceBpe;
  for (const NormalizerStep &step : r.normalizers)
    enums = enums && step.kind <= NormalizerKind::Replace;
  for (const SplitStep &step : r.splits)
    enums = enums && step.behavior <= SplitBehavior::Contiguous;
  if (!enums)
    return corrupt("an unknown kind of rule");
  if (pieceEnds.size() > maxPieces)
    return corrupt(std::to_string(pieceEnds.size()) + " pieces");
  bool ids = known(r.bosId) && known(r.eosId) && known(r.unknownId) && known(r.padId);
  for (const std::vector<int32_t> *list : {&r.prefixIds, &r.suffixIds})
    ids = ids && std::all_of(list->begin(), list->end(), [&](int32_t id) { return id >= 0 && known(id); });
  for (size_t i = 0; i < r.addedTokens.size(); ++i) {
    const AddedToken &token = r.addedTokens[i];
    ids = ids && token.id >= 0 && known(token.id) && (i == 0 || r.addedTokens[i - 1].id < token.id);
    if (!utf8::isValid(token.content))
      return corrupt("added token " + std::to_string(token.id) + " is not UTF-8");
  }
  if (!ids)
    return corrupt("a special token outside the vocabulary of " + std::to_string(numPieces()));
  if (r.model == TokenizerModel::SentencePieceBpe && r.unknownId < 0)
    return corrupt("no unknown token");
  return {};
}

Result<void> TokenizerImage::checkPieces() {
  size_t count = pieceEnds.size();
  bool scored = ruleData.model == TokenizerModel::SentencePieceBpe;
  if (pieceFlags.size() != count || scores.size() != (scored ? count : 0))
    return corrupt("its lists of pieces differ in length");
  uint32_t begin = 0;
  for (size_t id = 0; id < count; ++id) {
    uint32_t end = pieceEnds[id];
    uint8_t kind = pieceFlags[id] & ~encodableFlag;
    if (end < begin || end > pieceText.size() || kind < static_cast<uint8_t>(PieceType::Normal) ||
        kind > static_cast<uint8_t>(PieceType::Byte) ||
        (kind == static_cast<uint8_t>(PieceType::Byte) && end != begin + 1))
      return corrupt("piece " + std::to_string(id));
    if (encodable(static_cast<int32_t>(id)))
      maxPieceBytes = std::max<size_t>(maxPieceBytes, end - begin);
    begin = end;
  }
  if (!std::all_of(scores.begin(), scores.end(), [](float score) { return std::isfinite(score); }))
    return corrupt("a score is not a number");
  return {};
}

Result<void> TokenizerImage::checkTables() const {
  if (!isPowerOfTwo(pieceSlots.size()) || !isPowerOfTwo(mergeSlots.size()))
    return corrupt("a table's size is no power of two");
  auto count = static_cast<uint32_t>(numPieces());
  bool emptyPieceSlot = false, emptyMergeSlot = false; // what ends an unsuccessful search
  for (uint32_t slot : pieceSlots) {
    emptyPieceSlot |= slot == 0;
    if (slot > count)
      return corrupt("piece table names piece " + std::to_string(slot - 1) + " of " + std::to_string(count));
  }
  for (const MergeSlot &slot : mergeSlots) {
    emptyMergeSlot |= slot.left < 0;
    if (slot.left >= 0 && static_cast<uint32_t>(slot.result) >= count)
      return corrupt("merge table names piece " + std::to_string(slot.result) + " of " + std::to_string(count));
  }
  if (!emptyPieceSlot || !emptyMergeSlot)
    return corrupt("a table is full");
  return {};
}

void TokenizerImage::indexBytes() {
  std::fill(std::begin(bytePieces), std::end(bytePieces), -1);
  if (ruleData.model == TokenizerModel::ByteLevelBpe) {
    for (int byte = 0; byte < 256; ++byte) {
      char text = static_cast<char>(byte);
      bytePieces[byte] = findPiece({&text, 1});
    }
    return;
  }
  for (int32_t id = 0; id < numPieces(); ++id)
    if (type(id) == PieceType::Byte)
      bytePieces[static_cast<uint8_t>(piece(id)[0])] = id;
}

int32_t TokenizerImage::findPiece(std::string_view text) const {
  if (text.size() > maxPieceBytes)
    return -1;
  size_t mask = pieceSlots.size() - 1;
  for (size_t slot = pieceHash(text) & mask; pieceSlots[slot] != 0; slot = (slot + 1) & mask) {
    auto id = static_cast<int32_t>(pieceSlots[slot] - 1);
    if (piece(id) == text)
      return id;
  }
  return -1;
}

const MergeSlot *TokenizerImage::findMerge(int32_t left, int32_t right) const {
  size_t mask = mergeSlots.size() - 1;
  for (size_t slot = mergeHash(left, right) & mask; mergeSlots[slot].left >= 0; slot = (slot + 1) & mask)
    if (mergeSlots[slot].left == left && mergeSlots[slot].right == right)
      return &mergeSlots[slot];
  return nullptr;
}

} // namespace sinter::rt
