// SPDX-License-Identifier: Apache-2.0
// Compiling and caching.
#include "codegen/HostCompiler.h"
#include "ir/Try.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

namespace sinter {

namespace fs = llvm::sys::fs;
using llvm::Error;

namespace {

Error fileError(llvm::StringRef path, std::error_code ec) { return llvm::createFileError(path, ec); }

llvm::Expected<std::string> findProgram(llvm::StringRef name) {
  auto path = llvm::sys::findProgramByName(name);
  if (path && !fs::can_execute(*path)) // a name with a slash is not looked for
    return llvm::createStringError("no C++ compiler '" + name + "': expected a program, found " +
                                   (fs::exists(*path) ? "a file that is none" : "nothing there"));
  if (!path)
    return llvm::createStringError("no C++ compiler '" + name + "' on PATH: install g++, or name one with --cxx");
  return *path;
}

/// Runs a program with its output in a temporary file. Returns its exit status and what it printed.
llvm::Expected<std::pair<int, std::string>> capture(llvm::ArrayRef<std::string> arguments) {
  llvm::SmallString<128> log;
  if (std::error_code ec = fs::createTemporaryFile("sinter", "log", log))
    return fileError(log, ec);
  llvm::FileRemover removeLog(log);
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(""), log.str(), log.str()};
  llvm::SmallVector<llvm::StringRef> refs(arguments.begin(), arguments.end());
  std::string message;
  int status = llvm::sys::ExecuteAndWait(arguments[0], refs, std::nullopt, redirects, 0, 0, &message);
  auto text = llvm::MemoryBuffer::getFile(log);
  return std::pair(status, (text ? (*text)->getBuffer().str() : "") + message);
}

class CachingCompiler {
public:
  CachingCompiler(const HostCompilerOptions &options, const ObjectCache &cache, std::string program,
                  llvm::SHA256 common)
      : options(options), cache(cache), program(std::move(program)), common(common) {}

  /// Compiles when the object is not in the cache yet.
  llvm::Expected<CachedObject> compile(const EmittedFile &file) {
    llvm::SHA256 digest = common;
    digest.update(file.text);
    return cache.get(digest, ".o", [&](llvm::StringRef object) { return compileTo(file, object); });
  }

private:
  Error compileTo(const EmittedFile &file, llvm::StringRef object) {
    // The source lies in a folder of its own, under a fixed name, so that nothing of its path reaches the object.
    llvm::SmallString<128> work;
    if (std::error_code ec = fs::createUniqueDirectory("sinter", work))
      return fileError(work, ec);
    auto clean = llvm::make_scope_exit([&] { fs::remove_directories(work); });
    std::string source = (work + "/" + file.name).str();
    std::error_code ec;
    {
      llvm::raw_fd_ostream out(source, ec);
      out << file.text;
    }
    if (ec)
      return fileError(source, ec);
    std::vector<std::string> arguments = {program, "-c", source, "-o", object.str(), "-I", options.includeDir};
    llvm::append_range(arguments, options.flags);
    return runProgram(arguments, file.name);
  }

  const HostCompilerOptions &options;
  const ObjectCache &cache;
  std::string program;
  llvm::SHA256 common;
};

} // namespace

Error runProgram(llvm::ArrayRef<std::string> arguments, llvm::StringRef what) {
  TRY_ASSIGN(result, capture(arguments));
  if (result.first == 0)
    return Error::success();
  return llvm::createStringError(what + ": '" + llvm::join(arguments, " ") + "' failed with status " +
                                 llvm::Twine(result.first) + (result.second.empty() ? "" : "\n") +
                                 llvm::StringRef(result.second).rtrim());
}

llvm::Expected<std::string> compilerVersion(llvm::StringRef compiler) {
  TRY_ASSIGN(program, findProgram(compiler));
  TRY_ASSIGN(result, capture({program, "--version"}));
  return llvm::StringRef(result.second).split('\n').first.str();
}

llvm::Expected<CompiledObjects> compileFiles(llvm::ArrayRef<EmittedFile> files, const HostCompilerOptions &options) {
  TRY_ASSIGN(cache, ObjectCache::open(options.cacheDir));
  TRY_ASSIGN(program, findProgram(options.compiler));
  TRY_ASSIGN(version, compilerVersion(options.compiler));
  llvm::SHA256 common;
  common.update(version + "\n" + llvm::join(options.flags, " ") + "\n");
  TRY(digestHeaders(options.includeDir, {".h"}, common));

  CachingCompiler compiler(options, cache, program, common);
  std::vector<CachedObject> made(files.size());
  auto compileOne = [&](size_t i) -> Error {
    TRY_ASSIGN(object, compiler.compile(files[i]));
    made[i] = std::move(object);
    return Error::success();
  };
  TRY(parallelFor(files.size(), options.jobs, compileOne, options.onProgress));
  CompiledObjects objects;
  for (CachedObject &object : made) {
    objects.paths.push_back(std::move(object.path));
    objects.fromCache += object.fromCache;
  }
  return objects;
}

} // namespace sinter
