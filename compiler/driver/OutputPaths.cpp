// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/OutputPaths.h"
#include "ir/Try.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

namespace sinter {

namespace {

namespace fs = llvm::sys::fs;
using llvm::Error;

Error bad(llvm::StringRef flag, llvm::StringRef path, const llvm::Twine &expected, const llvm::Twine &found) {
  return llvm::createStringError(flag + " " + path + ": expected " + expected + ", found " + found);
}

/// A folder that is there or can be made.
Error checkFolder(llvm::StringRef flag, llvm::StringRef path) {
  if (fs::exists(path) && !fs::is_directory(path))
    return bad(flag, path, "a folder", "a file");
  return Error::success();
}

/// A file that can appear under its name by a rename: its folder is there and may be written.
Error checkFile(llvm::StringRef flag, llvm::StringRef path) {
  if (fs::is_directory(path))
    return bad(flag, path, "a file to write", "a folder");
  if (fs::exists(path) && !fs::is_regular_file(path))
    return bad(flag, path, "a file to write", "a device or a pipe"); // a rename would put a file in its place
  llvm::StringRef folder = llvm::sys::path::parent_path(path);
  if (folder.empty())
    folder = ".";
  if (!fs::is_directory(folder))
    return bad(flag, path, "the folder '" + folder + "' to write into", fs::exists(folder) ? "a file" : "none");
  if (llvm::sys::path::is_separator(path.back()))
    return bad(flag, path, "a file to write", "the name of a folder");
  if (fs::access(folder, fs::AccessMode::Write))
    return bad(flag, path, "the folder '" + folder + "' to write into", "one that must not be written");
  return Error::success();
}

} // namespace

Error checkOutputPaths(const CompileOptions &options) {
  if (!options.dumpDir.empty())
    TRY(checkFolder("--dump", options.dumpDir));
  if (options.until == Phase::Codegen)
    return checkFolder("-o", options.output);
  bool toStream = options.output.empty() || options.output == "-" || options.output == "/dev/null";
  if (options.until < Phase::Codegen && toStream)
    return Error::success();
  if (options.externalWeights && options.until == Phase::Executable)
    TRY(checkFile("--weights external", options.output + ".weights"));
  return checkFile("-o", options.output);
}

} // namespace sinter
