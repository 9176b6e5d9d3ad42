// SPDX-License-Identifier: Apache-2.0
// Opening libnvrtc and running one compilation.
#include "codegen/cuda/Nvrtc.h"
#include "ir/Try.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <dlfcn.h>

namespace sinter {

namespace fs = llvm::sys::fs;

using NvrtcStatus = int; ///< 0 is success
using NvrtcProgram = struct NvrtcProgramOpaque *;

struct NvrtcFunctions {
#define NVRTC_FUNCTION(RESULT, NAME, PARAMETERS) RESULT(*NAME) PARAMETERS = nullptr;
#include "codegen/cuda/NvrtcFunctions.inc"
#undef NVRTC_FUNCTION
};

namespace {

constexpr int oldestMajor = 13;
constexpr NvrtcStatus compilationFailed = 6;

/// NVRTC opens libnvrtc-builtins.so.13.0 by that name when it compiles, and does not look beside itself: in a Python
/// package nobody else would find it. Opened here, it is there already. Without it, a compilation's error says so.
void openBuiltins(llvm::StringRef libraryPath) {
  std::error_code ec;
  for (fs::directory_iterator it(llvm::sys::path::parent_path(libraryPath), ec), end; it != end && !ec;
       it.increment(ec))
    if (llvm::sys::path::filename(it->path()).starts_with("libnvrtc-builtins.so."))
      dlopen(it->path().c_str(), RTLD_NOW | RTLD_GLOBAL);
}

llvm::Expected<std::shared_ptr<const NvrtcFunctions>> openLibrary(const std::string &path) {
  openBuiltins(path);
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return llvm::createStringError(llvm::Twine("cannot open NVRTC: ") + dlerror());
  auto functions = std::make_shared<NvrtcFunctions>();
#define NVRTC_FUNCTION(RESULT, NAME, PARAMETERS)                                                                       \
  functions->NAME = reinterpret_cast<decltype(functions->NAME)>(dlsym(handle, #NAME));                                 \
  if (!functions->NAME)                                                                                                \
    return llvm::createStringError("'" + path + "' is no NVRTC of CUDA 13: it has no " #NAME);
#include "codegen/cuda/NvrtcFunctions.inc"
#undef NVRTC_FUNCTION
  return functions;
}

/// A program of NVRTC's, destroyed with this.
class Program {
public:
  explicit Program(const NvrtcFunctions &nvrtc) : nvrtc(nvrtc) {}
  Program(const Program &) = delete;
  ~Program() {
    if (program)
      nvrtc.nvrtcDestroyProgram(&program);
  }

  llvm::Error compile(const EmittedFile &file, const CudaArch &arch, llvm::ArrayRef<std::string> options) {
    TRY(check(nvrtc.nvrtcCreateProgram(&program, file.text.c_str(), file.name.c_str(), 0, nullptr, nullptr), "create",
              file));
    llvm::SmallVector<const char *> pointers;
    for (const std::string &option : options)
      pointers.push_back(option.c_str());
    NvrtcStatus status = nvrtc.nvrtcCompileProgram(program, int(pointers.size()), pointers.data());
    if (status == compilationFailed) {
      TRY_ASSIGN(text, log(file));
      return llvm::createStringError(file.name + ": does not compile for " + arch.name + "\n" +
                                     llvm::StringRef(text).rtrim());
    }
    return check(status, "compile", file);
  }

  llvm::Expected<std::string> log(const EmittedFile &file) {
    return text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, "log", file, /*terminated=*/1);
  }
  llvm::Expected<std::string> cubin(const EmittedFile &file) {
    return text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, "cubin", file, /*terminated=*/0);
  }

private:
  llvm::Error check(NvrtcStatus status, llvm::StringRef what, const EmittedFile &file) const {
    if (status == 0)
      return llvm::Error::success();
    return llvm::createStringError(file.name + ": NVRTC's " + what + " failed: " + nvrtc.nvrtcGetErrorString(status));
  }

  llvm::Expected<std::string> text(NvrtcStatus (*size)(NvrtcProgram, size_t *),
                                   NvrtcStatus (*get)(NvrtcProgram, char *), llvm::StringRef what,
                                   const EmittedFile &file, size_t terminated) {
    size_t bytes = 0;
    TRY(check(size(program, &bytes), what, file));
    std::string out(bytes, '\0');
    TRY(check(get(program, out.data()), what, file));
    if (out.size() >= terminated)
      out.resize(out.size() - terminated);
    return out;
  }

  const NvrtcFunctions &nvrtc;
  NvrtcProgram program = nullptr;
};

} // namespace

Nvrtc::Nvrtc(CudaToolkit toolkit, std::shared_ptr<const NvrtcFunctions> functions)
    : paths(std::move(toolkit)), nvrtc(std::move(functions)) {
  nvrtc->nvrtcVersion(&major, &minor);
}

llvm::Expected<Nvrtc> Nvrtc::open(CudaToolkit toolkit) {
  TRY_ASSIGN(functions, openLibrary(toolkit.library));
  Nvrtc nvrtc(std::move(toolkit), std::move(functions));
  if (nvrtc.major < oldestMajor)
    return llvm::createStringError("'" + nvrtc.paths.library + "' is NVRTC " + nvrtc.version() + ": expected " +
                                   llvm::Twine(oldestMajor) + ".0 or newer");
  return nvrtc;
}

llvm::Expected<Nvrtc> Nvrtc::open(llvm::ArrayRef<std::string> venvs) {
  TRY_ASSIGN(toolkit, findCudaToolkit(venvs));
  return open(std::move(toolkit));
}

std::string Nvrtc::version() const { return std::to_string(major) + "." + std::to_string(minor); }

llvm::ArrayRef<llvm::StringRef> Nvrtc::commonOptions() {
  // constexpr functions of shared headers may be called in kernels as they are. NVRTC has a cache where there is a
  // driver, and what it finds there comes without ptxas's log. It looks for headers in the working directory first,
  // where there may be others of the same names.
  static constexpr llvm::StringRef options[] = {"--std=c++20", "--device-as-default-execution-space", "--no-cache",
                                                "--no-source-include", "--ptxas-options=-v"};
  return options;
}

llvm::Expected<CudaObject> Nvrtc::compile(const EmittedFile &file, const CudaArch &arch,
                                          llvm::ArrayRef<std::string> includeDirs) const {
  llvm::SmallVector<std::string> options{arch.flag()};
  for (llvm::StringRef option : commonOptions())
    options.push_back(option.str());
  for (const std::string &dir : includeDirs)
    options.push_back("--include-path=" + dir);
  options.push_back("--include-path=" + paths.includeDir);

  Program program(*nvrtc);
  TRY(program.compile(file, arch, options));
  TRY_ASSIGN(log, program.log(file));
  TRY_ASSIGN(cubin, program.cubin(file));
  TRY_ASSIGN(kernels, parsePtxasLog(log));
  if (kernels.empty())
    return llvm::createStringError(file.name + ": expected a kernel, found none");
  return CudaObject{std::move(cubin), std::move(kernels), std::move(log)};
}

} // namespace sinter
