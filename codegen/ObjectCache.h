// SPDX-License-Identifier: Apache-2.0
// A folder of objects, each named by the digest of all that went into it, so that an object that is there is right.
// Several threads and processes may share one: an object is written under another name and renamed when it is whole.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/SHA256.h"
#include <string>

namespace sinter {

struct CachedObject {
  std::string path;
  bool fromCache = false;
};

class ObjectCache {
public:
  /// Creates `dir` when it is missing.
  static llvm::Expected<ObjectCache> open(llvm::StringRef dir);

  /// The object of `digest` with that extension (".o"). When there is none, `make` writes it to the path that it is
  /// given, in the same folder; if that fails, nothing stays.
  llvm::Expected<CachedObject> get(llvm::SHA256 digest, llvm::StringRef extension,
                                   llvm::function_ref<llvm::Error(llvm::StringRef path)> make) const;

private:
  explicit ObjectCache(llvm::StringRef dir) : dir(dir) {}
  std::string dir;
};

/// $SINTER_CACHE, or sinter in $XDG_CACHE_HOME, or ~/.cache/sinter.
std::string defaultCacheDir();

/// Digests every file that an emitted file may include from `includeDir`: those of templates/ and runtime/abi/ with one
/// of `extensions`, in order of path.
llvm::Error digestHeaders(llvm::StringRef includeDir, llvm::ArrayRef<llvm::StringRef> extensions, llvm::SHA256 &digest);

} // namespace sinter
