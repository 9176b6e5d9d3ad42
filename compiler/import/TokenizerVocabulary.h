// SPDX-License-Identifier: Apache-2.0
// What every source of byte-pair tokenizers needs: GPT-2's alphabet for bytes, and merges from names to ids.
#pragma once
#include "runtime/text/TokenizerData.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <optional>

namespace sinter {

/// The bytes that a byte-level piece ("Ġthe") stands for; nothing if a character is outside GPT-2's alphabet, in which
/// every byte is a printable character.
std::optional<std::string> bytesOfByteLevel(llvm::StringRef piece);

/// The byte of a SentencePiece byte piece ("<0x0A>").
std::optional<uint8_t> byteOfPiece(llvm::StringRef piece);

struct NamedMerge {
  llvm::StringRef left, right;
};

/// Cuts "left right" at its one space.
std::optional<NamedMerge> parseMerge(llvm::StringRef text);

/// Finds both sides and the result of every merge among the pieces; of several merges of a pair, the last counts. The
/// error starts with `where` and the merge's index: "WHERE[3]: expected ..., found ...".
llvm::Expected<std::vector<rt::Merge>> resolveMerges(llvm::ArrayRef<NamedMerge> merges,
                                                     const llvm::StringMap<int32_t> &ids, const llvm::Twine &where);

/// A step that cuts at `pattern`, in the dialect of tokenizer.json. The error says what is wrong with the pattern.
llvm::Expected<rt::SplitStep> splitAt(llvm::StringRef pattern, rt::SplitBehavior behavior, bool invert = false);

/// GPT-2's words: what tokenizer.json's ByteLevel step cuts text into.
inline constexpr llvm::StringLiteral gpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

} // namespace sinter
