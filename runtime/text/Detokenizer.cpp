// SPDX-License-Identifier: Apache-2.0
// Holding back what the next token may still complete.
#include "runtime/text/Detokenizer.h"
#include "runtime/text/Utf8.h"

namespace sinter::rt {

std::string Detokenizer::add(int32_t id) {
  if (skipSpecial && tokenizer->isSpecial(id))
    return {};
  std::string bytes = tokenizer->tokenBytes(id);
  if (atStart && !bytes.empty()) {
    atStart = false;
    if (bytes[0] == ' ' && !tokenizer->isByte(id))
      bytes.erase(0, 1);
  }
  pending += bytes;
  return drain(/*atEnd=*/false);
}

std::string Detokenizer::finish() {
  std::string text = drain(/*atEnd=*/true);
  atStart = tokenizer->rules().stripLeadingSpace;
  return text;
}

std::string Detokenizer::drain(bool atEnd) {
  std::string text;
  std::string_view rest = pending;
  // SentencePiece says U+FFFD for every ill-formed byte, `tokenizers` for every maximal ill-formed sequence.
  bool perByte = tokenizer->rules().model != TokenizerModel::ByteLevelBpe;
  while (!rest.empty()) {
    utf8::Decoded step = utf8::decode(rest);
    if (step.truncated && !atEnd)
      break;
    for (uint32_t i = 0; !step.valid && i < (perByte ? step.size : 1); ++i)
      utf8::append(text, utf8::replacementCharacter);
    if (step.valid)
      text += rest.substr(0, step.size);
    rest.remove_prefix(step.size);
  }
  pending = std::string(rest);
  return text;
}

} // namespace sinter::rt
