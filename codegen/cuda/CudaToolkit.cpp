// SPDX-License-Identifier: Apache-2.0
// The search.
#include "codegen/cuda/CudaToolkit.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include <dlfcn.h>

namespace sinter {

namespace fs = llvm::sys::fs;

namespace {

constexpr llvm::StringLiteral libraryName = "libnvrtc.so.13";

bool hasHeaders(const std::string &dir) {
  return llvm::all_of(cudaHeaders, [&](llvm::StringRef header) { return fs::exists(dir + "/" + header); });
}

class Search {
public:
  bool isComplete() const { return !found.library.empty() && !found.includeDir.empty(); }

  /// A toolkit, or an environment of Python, whichever it is.
  void addFolder(const std::string &root) {
    addToolkit(root);
    addVenv(root);
  }
  void addToolkit(const std::string &root) {
    looked.push_back(root);
    for (llvm::StringRef lib : {"lib64", "lib"})
      tryLibrary(root + "/" + lib.str());
    tryHeaders(root + "/include");
  }
  void addVenv(const std::string &root) {
    looked.push_back(root + "/lib/python3*/site-packages/nvidia");
    std::vector<std::string> pythons;
    std::error_code ec;
    for (fs::directory_iterator it(root + "/lib", ec), end; it != end && !ec; it.increment(ec))
      if (llvm::sys::path::filename(it->path()).starts_with("python3"))
        pythons.push_back(it->path() + "/site-packages/nvidia");
    llvm::sort(pythons);
    for (const std::string &nvidia : pythons) {
      for (llvm::StringRef package : {"/cu13", "/cuda_nvrtc"})
        tryLibrary(nvidia + package.str() + "/lib");
      for (llvm::StringRef package : {"/cu13", "/cuda_runtime"})
        tryHeaders(nvidia + package.str() + "/include");
    }
  }
  /// The library itself. Headers are where its toolkit or package has them.
  void addLibrary(const std::string &path) {
    looked.push_back(path);
    found.library = path;
    llvm::StringRef prefix = llvm::sys::path::parent_path(llvm::sys::path::parent_path(path));
    tryHeaders((prefix + "/include").str());
    tryHeaders((llvm::sys::path::parent_path(prefix) + "/cuda_runtime/include").str());
  }
  void addLoader() {
    looked.push_back("the dynamic loader's path");
    if (found.library.empty())
      if (void *handle = dlopen(libraryName.data(), RTLD_NOW | RTLD_LOCAL)) {
        found.library = libraryName;
        dlclose(handle);
      }
    tryHeaders("/usr/include");
  }

  llvm::Expected<CudaToolkit> result() const {
    if (isComplete())
      return found;
    std::string missing = found.library.empty() ? libraryName.str() : "", places = llvm::join(looked, ", ");
    if (found.includeDir.empty())
      missing += (missing.empty() ? "" : ", ") + llvm::join(std::begin(cudaHeaders), std::end(cudaHeaders), ", ");
    return llvm::createStringError("no " + missing + " in " + places +
                                   ": install CUDA 13.0, or its compiler alone: pip install "
                                   "'nvidia-cuda-nvrtc==13.0.*' 'nvidia-cuda-runtime==13.0.*'; or name it with "
                                   "SINTER_NVRTC");
  }

private:
  void tryLibrary(const std::string &dir) {
    std::string path = dir + "/" + libraryName.str();
    if (found.library.empty() && fs::exists(path))
      found.library = path;
  }
  void tryHeaders(const std::string &dir) {
    if (found.includeDir.empty() && hasHeaders(dir))
      found.includeDir = dir;
  }

  CudaToolkit found;
  std::vector<std::string> looked;
};

} // namespace

llvm::Expected<CudaToolkit> findCudaToolkit(llvm::ArrayRef<std::string> venvs) {
  Search search;
  using llvm::sys::Process;
  if (auto named = Process::GetEnv("SINTER_NVRTC")) {
    fs::is_regular_file(*named) ? search.addLibrary(*named) : search.addFolder(*named);
    return search.result();
  }
  for (llvm::StringRef variable : {"CUDA_HOME", "CUDA_PATH"})
    if (auto root = Process::GetEnv(variable))
      search.addToolkit(*root);
  if (auto root = Process::GetEnv("VIRTUAL_ENV"))
    search.addVenv(*root);
  for (const std::string &root : venvs)
    search.addVenv(root);
  search.addToolkit("/usr/local/cuda");
  if (!search.isComplete())
    search.addLoader();
  return search.result();
}

} // namespace sinter
