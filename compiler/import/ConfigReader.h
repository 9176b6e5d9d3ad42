// SPDX-License-Identifier: Apache-2.0
// Typed reading of a JSON object's keys: an absent or null key is nothing, one of another type is an error.
#pragma once
#include "compiler/import/JsonText.h"
#include <optional>

namespace sinter {

template <typename T>
using Optional = llvm::Expected<std::optional<T>>;

class ConfigReader {
public:
  /// `prefix` is put before the names of keys in messages: "rope_scaling.".
  ConfigReader(const SourceFile &file, const llvm::json::Object &object, llvm::StringRef prefix = "")
      : file(file), object(object), prefix(prefix) {}

  const llvm::json::Value *get(llvm::StringRef key) const; ///< null when absent or JSON's null
  Optional<int64_t> integer(llvm::StringRef key) const;
  Optional<double> number(llvm::StringRef key) const;
  Optional<bool> boolean(llvm::StringRef key) const;
  Optional<std::string> string(llvm::StringRef key) const;
  Optional<const llvm::json::Object *> nested(llvm::StringRef key) const;
  /// A token id: an integer that is not negative.
  Optional<int32_t> tokenId(llvm::StringRef key) const;
  /// One token id or a list of them.
  llvm::Expected<std::vector<int32_t>> tokenIds(llvm::StringRef key) const;

  /// "PATH: KEY: expected EXPECTED, found FOUND"
  llvm::Error bad(llvm::StringRef key, const llvm::Twine &expected, const llvm::Twine &found) const;

private:
  const SourceFile &file;
  const llvm::json::Object &object;
  std::string prefix;
};

} // namespace sinter
