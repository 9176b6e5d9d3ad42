// SPDX-License-Identifier: Apache-2.0
// Device objects in the cache. A file there is the compilers' log, which states what the kernels take, and then the
// cubin, which begins with ELF's magic.
#include "codegen/cuda/DeviceCompiler.h"
#include "codegen/ObjectCache.h"
#include "ir/Try.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

namespace sinter {

using llvm::Error;

namespace {

constexpr llvm::StringLiteral elfMagic = "\x7f"
                                         "ELF";

Error writeObject(const CudaObject &object, llvm::StringRef path) {
  std::error_code ec;
  llvm::raw_fd_ostream out(path, ec);
  if (ec)
    return llvm::createFileError(path, ec);
  out << object.log << object.cubin;
  out.close();
  if (std::error_code failed = out.error()) {
    out.clear_error();
    return llvm::createFileError(path, failed);
  }
  return Error::success();
}

llvm::Expected<CudaObject> readObject(llvm::StringRef path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return llvm::createFileError(path, file.getError());
  llvm::StringRef bytes = (*file)->getBuffer();
  size_t cubin = bytes.find(elfMagic);
  if (cubin == llvm::StringRef::npos)
    return llvm::createStringError("'" + path + "': expected a cubin, found none; remove the file");
  CudaObject object;
  object.log = bytes.take_front(cubin).str();
  object.cubin = bytes.drop_front(cubin).str();
  TRY_ASSIGN(kernels, parsePtxasLog(object.log));
  object.kernels = std::move(kernels);
  object.fromCache = true;
  return object;
}

/// CUDA's headers, each with the .hpp that it includes.
Error digestCudaHeaders(const CudaToolkit &toolkit, llvm::SHA256 &digest) {
  for (llvm::StringRef name : cudaHeaders)
    for (const std::string &path :
         {toolkit.includeDir + "/" + name.str(), toolkit.includeDir + "/" + name.str() + "pp"}) {
      auto text = llvm::MemoryBuffer::getFile(path);
      if (!text)
        return llvm::createFileError(path, text.getError());
      digest.update((*text)->getBuffer());
    }
  return Error::success();
}

} // namespace

llvm::Expected<std::vector<CudaObject>> compileDeviceFiles(llvm::ArrayRef<EmittedFile> files, const CudaArch &arch,
                                                           const Nvrtc &nvrtc, const DeviceCompilerOptions &options) {
  TRY_ASSIGN(cache, ObjectCache::open(options.cacheDir));
  llvm::SHA256 common;
  common.update("NVRTC " + nvrtc.version() + "\n" + arch.flag() + " " + llvm::join(Nvrtc::commonOptions(), " ") + "\n");
  uint64_t libraryBytes = 0; // tells releases of a version apart; unknown where the dynamic loader found it
  (void)llvm::sys::fs::file_size(nvrtc.toolkit().library, libraryBytes);
  common.update(std::to_string(libraryBytes));
  TRY(digestCudaHeaders(nvrtc.toolkit(), common));
  TRY(digestHeaders(options.includeDir, {".h", ".cuh"}, common));

  std::vector<CudaObject> objects(files.size());
  auto compileOne = [&](size_t i) -> Error {
    llvm::SHA256 digest = common;
    digest.update(files[i].text);
    TRY_ASSIGN(entry, cache.get(digest, ".cuo", [&](llvm::StringRef path) -> Error {
      TRY_ASSIGN(object, nvrtc.compile(files[i], arch, {options.includeDir}));
      TRY(writeObject(object, path));
      objects[i] = std::move(object);
      return Error::success();
    }));
    if (entry.fromCache) {
      TRY_ASSIGN(object, readObject(entry.path));
      objects[i] = std::move(object);
    }
    return Error::success();
  };
  TRY(parallelFor(files.size(), options.jobs, compileOne, options.onProgress));
  return objects;
}

} // namespace sinter
