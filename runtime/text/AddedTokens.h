// SPDX-License-Identifier: Apache-2.0
// Finds added tokens (special ones and others) in a text: leftmost, then longest, as Hugging Face `tokenizers` does.
#pragma once
#include "runtime/text/Normalizer.h"
#include "runtime/text/PatternSet.h"
#include "runtime/text/TokenizerData.h"
#include <optional>
#include <string_view>
#include <vector>

namespace sinter::rt {

class AddedTokens {
public:
  /// A stretch of the text: an added token, or (id < 0) text between them.
  struct Segment {
    std::string_view text;
    int32_t id;
  };
  /// Which tokens are looked for: those matched in the text as it is, or those matched in the normalized text.
  enum class Pass { Raw, Normalized };

  AddedTokens(std::vector<AddedToken> tokens, const Normalizer &normalizer);

  /// Cuts `text` (valid UTF-8) at the tokens of `pass`. Special tokens are text without `parseSpecial`. Segments are in
  /// order, and those of text are not empty.
  std::vector<Segment> split(std::string_view text, Pass pass, bool parseSpecial) const;

  bool isSpecial(int32_t id) const;
  std::optional<int32_t> find(std::string_view content) const;

private:
  std::vector<AddedToken> tokens; ///< by id
  PatternSet raw, normalized;     ///< values are indices into `tokens`
  PatternSet contents;            ///< all of them, for find()
};

} // namespace sinter::rt
