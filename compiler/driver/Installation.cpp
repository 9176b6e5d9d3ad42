// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/Installation.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace sinter {

namespace path = llvm::sys::path;

llvm::Expected<Installation> findInstallation() {
  // On Linux this reads /proc/self/exe; the arguments matter elsewhere only.
  std::string self = llvm::sys::fs::getMainExecutable(nullptr, nullptr);
  llvm::SmallString<128> root(path::parent_path(path::parent_path(self))), lib(root), share(root);
  path::append(lib, "lib");
  path::append(share, "share", "sinter");
  for (llvm::StringRef folder : {lib.str(), share.str()})
    if (!llvm::sys::fs::is_directory(folder))
      return llvm::createStringError("'" + folder + "' is missing: bin, lib and share of sinter belong together");
  return Installation{root.str().str(), lib.str().str(), share.str().str()};
}

} // namespace sinter
