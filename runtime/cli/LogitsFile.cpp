// SPDX-License-Identifier: Apache-2.0
// The safetensors header is an 8-byte length and JSON, padded with blanks so that the floats are aligned.
#include "runtime/cli/LogitsFile.h"
#include <cassert>

namespace sinter::rt {

Result<LogitsFile> LogitsFile::create(const std::string &path, int64_t rows, int32_t vocabSize) {
  Result<OutputFile> output = OutputFile::create(path);
  if (!output)
    return tl::unexpected(output.error());
  std::string header = R"({"logits":{"dtype":"F32","shape":[)" + std::to_string(rows) + "," +
                       std::to_string(vocabSize) + R"(],"data_offsets":[0,)" + std::to_string(rows * vocabSize * 4) +
                       "]}}";
  header.resize((header.size() + 8 + 63) / 64 * 64 - 8, ' ');
  uint64_t length = header.size();
  LogitsFile file(std::move(*output), rows);
  file.status = file.file.write(&length, sizeof(length));
  if (file.status)
    file.status = file.file.write(header.data(), header.size());
  return file;
}

void LogitsFile::append(std::span<const float> row) {
  assert(missing > 0 && "more rows than the header says");
  --missing;
  if (status)
    status = file.write(row.data(), row.size_bytes());
}

Result<void> LogitsFile::commit() {
  assert(missing == 0 && "fewer rows than the header says");
  return status ? file.commit() : status;
}

} // namespace sinter::rt
