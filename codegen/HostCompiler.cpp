// SPDX-License-Identifier: Apache-2.0
// Compiling and caching.
#include "codegen/HostCompiler.h"
#include "ir/Try.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/SHA256.h"
#include <mutex>
#include <thread>

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

/// Digest of all headers that an emitted file may include, in order of path.
Error addHeaders(llvm::StringRef includeDir, llvm::SHA256 &digest) {
  std::vector<std::string> paths;
  for (llvm::StringRef room : {"templates", "runtime/abi"}) {
    std::error_code ec;
    llvm::SmallString<128> root(includeDir);
    llvm::sys::path::append(root, room);
    for (fs::recursive_directory_iterator it(root, ec), end; it != end && !ec; it.increment(ec))
      if (llvm::StringRef(it->path()).ends_with(".h"))
        paths.push_back(it->path());
    if (ec)
      return fileError(root, ec);
  }
  llvm::sort(paths);
  for (const std::string &path : paths) {
    auto text = llvm::MemoryBuffer::getFile(path);
    if (!text)
      return fileError(path, text.getError());
    digest.update(llvm::StringRef(path).drop_front(includeDir.size()));
    digest.update((*text)->getBuffer());
  }
  return Error::success();
}

class CachingCompiler {
public:
  CachingCompiler(const HostCompilerOptions &options, std::string program, llvm::SHA256 common)
      : options(options), program(std::move(program)), common(common) {}

  /// The object's path in the cache; compiles when it is not there yet.
  llvm::Expected<std::string> compile(const SourceFile &file, bool &cached) {
    llvm::SHA256 digest = common;
    digest.update(file.text);
    llvm::SmallString<128> object(options.cacheDir);
    llvm::sys::path::append(object, llvm::toHex(digest.final(), /*LowerCase=*/true).substr(0, 40) + ".o");
    cached = fs::exists(object);
    if (!cached)
      TRY(compileTo(file, object));
    return object.str().str();
  }

private:
  Error compileTo(const SourceFile &file, llvm::StringRef object) {
    // The source lies beside the temporary object, under a fixed name, so that nothing of its path reaches the object.
    llvm::SmallString<128> work;
    if (std::error_code ec = fs::createUniqueDirectory("sinter", work))
      return fileError(work, ec);
    std::string source = (work + "/" + file.name).str(),
                temporary = (object + "." + llvm::sys::path::filename(work)).str();
    auto clean = [&] { fs::remove_directories(work); };
    std::error_code ec;
    {
      llvm::raw_fd_ostream out(source, ec);
      out << file.text;
    }
    std::vector<std::string> arguments = {program, "-c", source, "-o", temporary, "-I", options.includeDir};
    llvm::append_range(arguments, options.flags);
    Error error = ec ? fileError(source, ec) : runProgram(arguments, file.name);
    clean();
    if (error) {
      fs::remove(temporary);
      return error;
    }
    if ((ec = fs::rename(temporary, object)))
      return fileError(object, ec);
    return Error::success();
  }

  const HostCompilerOptions &options;
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

std::string defaultCacheDir() {
  if (auto dir = llvm::sys::Process::GetEnv("SINTER_CACHE"))
    return *dir;
  llvm::SmallString<128> dir;
  llvm::sys::path::cache_directory(dir); // $XDG_CACHE_HOME or ~/.cache
  llvm::sys::path::append(dir, "sinter");
  return dir.str().str();
}

llvm::Expected<CompiledObjects> compileFiles(llvm::ArrayRef<SourceFile> files, const HostCompilerOptions &options) {
  if (std::error_code ec = fs::create_directories(options.cacheDir))
    return fileError(options.cacheDir, ec);
  if (!fs::is_directory(options.cacheDir))
    return llvm::createStringError("the cache of objects '" + options.cacheDir + "': expected a folder, found a file");
  TRY_ASSIGN(program, findProgram(options.compiler));
  TRY_ASSIGN(version, compilerVersion(options.compiler));
  llvm::SHA256 common;
  common.update(version + "\n" + llvm::join(options.flags, " ") + "\n");
  TRY(addHeaders(options.includeDir, common));

  CachingCompiler compiler(options, program, common);
  CompiledObjects objects;
  objects.paths.resize(files.size());
  std::mutex lock;
  std::string failure;
  size_t next = 0, done = 0;
  auto work = [&] {
    std::unique_lock held(lock);
    while (next < files.size() && failure.empty()) {
      size_t i = next++;
      held.unlock();
      bool cached = false;
      auto path = compiler.compile(files[i], cached);
      held.lock();
      if (path)
        objects.paths[i] = *path;
      else
        failure = llvm::toString(path.takeError());
      objects.fromCache += cached;
      if (options.onProgress)
        options.onProgress(++done, files.size());
    }
  };
  std::vector<std::thread> team;
  for (unsigned i = 1; i < std::min<size_t>(options.jobs, files.size()); ++i)
    team.emplace_back(work);
  work();
  for (std::thread &t : team)
    t.join();
  if (!failure.empty())
    return llvm::createStringError(failure);
  return objects;
}

} // namespace sinter
