// SPDX-License-Identifier: Apache-2.0
// Writes logits as a safetensors file (https://github.com/huggingface/safetensors), row by row as they are computed.
#pragma once
#include "runtime/support/File.h"

namespace sinter::rt {

/// One tensor "logits", F32 [rows, vocab]. The file has its name only after commit().
class LogitsFile {
public:
  static Result<LogitsFile> create(const std::string &path, int64_t rows, int32_t vocabSize);
  /// The next row, vocabSize long. An error is kept and returned by commit().
  void append(std::span<const float> row);
  /// All rows were appended: puts the file in its place.
  Result<void> commit();

private:
  LogitsFile(OutputFile output, int64_t rows) : file(std::move(output)), missing(rows) {}
  OutputFile file;
  int64_t missing;
  Result<void> status;
};

} // namespace sinter::rt
