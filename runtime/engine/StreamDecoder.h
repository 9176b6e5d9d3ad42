// SPDX-License-Identifier: Apache-2.0
// The engine's only view of text: tokens in, pieces of valid UTF-8 out. The tokenizer's streaming detokenizer
// implements it.
#pragma once
#include <cstdint>
#include <string>

namespace sinter::rt {

class StreamDecoder {
public:
  virtual ~StreamDecoder() = default;
  /// The text that `token` completes: whole code points only, empty while one is unfinished.
  virtual std::string push(int32_t token) = 0;
  /// What is left at the end of the output, made valid UTF-8.
  virtual std::string flush() = 0;
};

} // namespace sinter::rt
