// SPDX-License-Identifier: Apache-2.0
// JSON from untrusted files: bounded nesting, no duplicate keys, errors with the place.
#pragma once
#include "compiler/import/SourceFile.h"
#include "llvm/Support/JSON.h"

namespace sinter {

struct JsonKey {
  std::string name;
  uint64_t offset; ///< of its quote, in bytes from the start of the file
};

/// A JSON object and the keys of its outermost level, in the order of the file (llvm::json::Object has none).
struct JsonObject {
  llvm::json::Object root;
  std::vector<JsonKey> keys;
};

/// Parses a file that is one JSON object. Errors: "PATH:LINE:COLUMN: ...".
llvm::Expected<JsonObject> parseJsonFile(const SourceFile &file);

/// Parses `text`, a part of `file`. Errors: "PATH: malformed WHAT at byte OFFSET: expected ..., found ...".
llvm::Expected<JsonObject> parseJsonPart(const SourceFile &file, llvm::StringRef text, llvm::StringRef what);

/// "an object", "a string", "the number 3", for messages.
std::string describe(const llvm::json::Value &value);

} // namespace sinter
