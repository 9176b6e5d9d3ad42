// SPDX-License-Identifier: Apache-2.0
// The tokenizer's streaming detokenizer, as the engine wants it.
#pragma once
#include "runtime/engine/StreamDecoder.h"
#include "runtime/text/Detokenizer.h"

namespace sinter::rt {

class TextDecoder final : public StreamDecoder {
public:
  explicit TextDecoder(const Tokenizer &tokenizer) : detokenizer(tokenizer) {}
  std::string push(int32_t token) override { return detokenizer.add(token); }
  std::string flush() override { return detokenizer.finish(); }

private:
  Detokenizer detokenizer;
};

} // namespace sinter::rt
