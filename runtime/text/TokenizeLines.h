// SPDX-License-Identifier: Apache-2.0
// The core of `tokenize --jsonl`: JSON strings, one a line, to JSON arrays of ids, one a line; and back.
#pragma once
#include "runtime/support/Error.h"
#include "runtime/text/Tokenizer.h"
#include <istream>
#include <ostream>

namespace sinter::rt {

struct TokenizeOptions {
  EncodeOptions encode;
  bool decode = false;      ///< the input is arrays of ids, the output is JSON strings
  bool skipSpecial = false; ///< decode: special tokens give no text
};

/// Reads every line of `in` and writes one line to `out` for each; an empty line is an error too. The error names the
/// line ("line 3: ...").
Result<void> tokenizeLines(const Tokenizer &tokenizer, std::istream &in, std::ostream &out,
                           const TokenizeOptions &options);

} // namespace sinter::rt
