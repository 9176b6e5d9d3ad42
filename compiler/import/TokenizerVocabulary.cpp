// SPDX-License-Identifier: Apache-2.0
// Pieces and merges, checked as they are brought into the runtime's form.
#include "compiler/import/TokenizerVocabulary.h"
#include "compiler/import/SourceFile.h"
#include "runtime/text/Regex.h"
#include "runtime/text/Utf8.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringExtras.h"
#include <array>

namespace sinter {

namespace {

/// The byte of each of the alphabet's characters, which are all below U+0144; -1 for the rest.
std::array<int16_t, 0x144> makeAlphabet() {
  std::array<int16_t, 0x144> bytes;
  bytes.fill(-1);
  int16_t next = 0x100; // bytes that do not print take the characters from U+0100 on
  for (int16_t byte = 0; byte < 256; ++byte) {
    bool prints = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    bytes[prints ? byte : next++] = byte;
  }
  return bytes;
}

} // namespace

std::optional<std::string> bytesOfByteLevel(llvm::StringRef piece) {
  static const std::array<int16_t, 0x144> alphabet = makeAlphabet();
  std::string bytes;
  while (!piece.empty()) {
    rt::utf8::Decoded step = rt::utf8::decode(piece);
    if (!step.valid || step.codePoint >= alphabet.size() || alphabet[step.codePoint] < 0)
      return std::nullopt;
    bytes += static_cast<char>(alphabet[step.codePoint]);
    piece = piece.drop_front(step.size);
  }
  return bytes;
}

std::optional<uint8_t> byteOfPiece(llvm::StringRef piece) {
  uint8_t byte = 0;
  if (piece.size() != 6 || !piece.consume_front("<0x") || !piece.consume_back(">") || piece.getAsInteger(16, byte))
    return std::nullopt;
  return byte;
}

std::optional<NamedMerge> parseMerge(llvm::StringRef text) {
  auto [left, right] = text.split(' ');
  if (left.empty() || right.empty() || right.contains(' '))
    return std::nullopt;
  return NamedMerge{left, right};
}

llvm::Expected<std::vector<rt::Merge>> resolveMerges(llvm::ArrayRef<NamedMerge> merges,
                                                     const llvm::StringMap<int32_t> &ids, const llvm::Twine &where) {
  std::vector<rt::Merge> resolved;
  llvm::DenseMap<std::pair<int32_t, int32_t>, size_t> last;
  for (auto [index, merge] : llvm::enumerate(merges)) {
    auto idOf = [&](llvm::StringRef piece) { return ids.contains(piece) ? ids.lookup(piece) : -1; };
    std::string joined = (merge.left + merge.right).str();
    rt::Merge found{idOf(merge.left), idOf(merge.right), idOf(joined)};
    llvm::StringRef unknown = found.left < 0 ? merge.left : found.right < 0 ? merge.right : llvm::StringRef(joined);
    if (found.left < 0 || found.right < 0 || found.result < 0)
      return llvm::createStringError(where + "[" + llvm::Twine(index) + "]: expected a merge of pieces, found " +
                                     quoted(unknown) + ", which is not in the vocabulary");
    last[{found.left, found.right}] = index;
    resolved.push_back(found);
  }
  std::vector<rt::Merge> unique;
  for (auto [index, merge] : llvm::enumerate(resolved))
    if (last.lookup({merge.left, merge.right}) == index)
      unique.push_back(merge);
  return unique;
}

llvm::Expected<rt::SplitStep> splitAt(llvm::StringRef pattern, rt::SplitBehavior behavior, bool invert) {
  rt::Result<std::string> regex = rt::translateOniguruma(pattern);
  if (!regex)
    return llvm::createStringError(regex.error().message);
  rt::Result<rt::Regex> compiled = rt::Regex::compile(*regex);
  if (!compiled)
    return llvm::createStringError(compiled.error().message);
  rt::SplitStep step;
  step.regex = *regex;
  step.behavior = behavior;
  step.invert = invert;
  return step;
}

} // namespace sinter
