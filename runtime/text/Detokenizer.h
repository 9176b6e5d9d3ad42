// SPDX-License-Identifier: Apache-2.0
// Token ids to text, one at a time: what it gives out is always whole, valid UTF-8.
#pragma once
#include "runtime/text/Tokenizer.h"
#include <string>

namespace sinter::rt {

/// Usage: `out << d.add(id)` for every token, then `out << d.finish()`. The pieces together are Tokenizer::decode of
/// all the ids. Bytes that may become a character with the next token are held back.
class Detokenizer {
public:
  /// `tokenizer` outlives the detokenizer.
  explicit Detokenizer(const Tokenizer &tokenizer, bool skipSpecial = true)
      : tokenizer(&tokenizer), skipSpecial(skipSpecial), atStart(tokenizer.rules().stripLeadingSpace) {}

  /// The text that is certain after token `id`; empty while a character is incomplete.
  std::string add(int32_t id);

  /// The end of the text: an incomplete character becomes U+FFFD. Then as new.
  std::string finish();

private:
  std::string drain(bool atEnd);

  const Tokenizer *tokenizer;
  bool skipSpecial;
  bool atStart;        ///< a space that comes next is the model's own and is dropped
  std::string pending; ///< bytes not given out yet
};

} // namespace sinter::rt
