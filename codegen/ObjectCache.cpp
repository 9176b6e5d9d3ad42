// SPDX-License-Identifier: Apache-2.0
// Keys, and objects that appear whole or not at all.
#include "codegen/ObjectCache.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

namespace sinter {

namespace fs = llvm::sys::fs;
using llvm::Error;

std::string defaultCacheDir() {
  if (auto dir = llvm::sys::Process::GetEnv("SINTER_CACHE"))
    return *dir;
  llvm::SmallString<128> dir;
  llvm::sys::path::cache_directory(dir); // $XDG_CACHE_HOME or ~/.cache
  llvm::sys::path::append(dir, "sinter");
  return dir.str().str();
}

Error digestHeaders(llvm::StringRef includeDir, llvm::ArrayRef<llvm::StringRef> extensions, llvm::SHA256 &digest) {
  std::vector<std::string> paths;
  for (llvm::StringRef room : {"templates", "runtime/abi"}) {
    std::error_code ec;
    llvm::SmallString<128> root(includeDir);
    llvm::sys::path::append(root, room);
    for (fs::recursive_directory_iterator it(root, ec), end; it != end && !ec; it.increment(ec))
      if (llvm::is_contained(extensions, llvm::sys::path::extension(it->path())))
        paths.push_back(it->path());
    if (ec)
      return llvm::createFileError(root, ec);
  }
  llvm::sort(paths);
  for (const std::string &path : paths) {
    auto text = llvm::MemoryBuffer::getFile(path);
    if (!text)
      return llvm::createFileError(path, text.getError());
    digest.update(llvm::StringRef(path).drop_front(includeDir.size()));
    digest.update((*text)->getBuffer());
  }
  return Error::success();
}

llvm::Expected<ObjectCache> ObjectCache::open(llvm::StringRef dir) {
  if (std::error_code ec = fs::create_directories(dir))
    return llvm::createStringError("the cache of objects '" + dir + "': cannot make the folder: " + ec.message() +
                                   "; SINTER_CACHE names another");
  if (!fs::is_directory(dir))
    return llvm::createStringError("the cache of objects '" + dir + "': expected a folder, found a file");
  return ObjectCache(dir);
}

llvm::Expected<CachedObject> ObjectCache::get(llvm::SHA256 digest, llvm::StringRef extension,
                                              llvm::function_ref<Error(llvm::StringRef path)> make) const {
  llvm::SmallString<128> object(dir);
  llvm::sys::path::append(object, llvm::toHex(digest.final(), /*LowerCase=*/true).substr(0, 40) + extension);
  if (fs::exists(object))
    return CachedObject{object.str().str(), true};

  llvm::SmallString<128> temporary;
  fs::createUniquePath(object + ".%%%%%%%%", temporary, /*MakeAbsolute=*/false);
  if (Error error = make(temporary)) {
    fs::remove(temporary);
    return error;
  }
  if (std::error_code ec = fs::rename(temporary, object)) {
    fs::remove(temporary);
    return llvm::createFileError(object, ec);
  }
  return CachedObject{object.str().str(), false};
}

} // namespace sinter
