// SPDX-License-Identifier: Apache-2.0
// Mapping a file and wording what is wrong with it.
#include "compiler/import/SourceFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

namespace sinter {

SourceFile::SourceFile(llvm::StringRef path, std::unique_ptr<llvm::MemoryBuffer> buffer)
    : filePath(path), buffer(std::move(buffer)) {}

llvm::Expected<std::shared_ptr<const SourceFile>> SourceFile::open(llvm::StringRef path) {
  llvm::sys::fs::file_status status;
  std::error_code code = llvm::sys::fs::status(path, status);
  if (!code && status.type() == llvm::sys::fs::file_type::directory_file)
    return llvm::createStringError(path + ": expected a file, found a directory");
  // A pipe or a device has no size to check against and may never end.
  if (!code && status.type() != llvm::sys::fs::file_type::regular_file)
    return llvm::createStringError(path + ": expected a regular file, found a pipe, socket or device");
  if (!code) {
    auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    if (buffer)
      return std::shared_ptr<const SourceFile>(new SourceFile(path, std::move(*buffer)));
    code = buffer.getError();
  }
  return llvm::createStringError(path + ": cannot be read: " + llvm::StringRef(code.message()).lower());
}

llvm::StringRef SourceFile::name() const { return llvm::sys::path::filename(filePath); }

llvm::Error SourceFile::malformed(uint64_t offset, const llvm::Twine &message, const llvm::Twine &expected,
                                  const llvm::Twine &found) const {
  return error(message + " at byte " + llvm::Twine(offset) + ": expected " + expected + ", found " + found);
}

llvm::Error SourceFile::error(const llvm::Twine &message) const {
  return llvm::createStringError(filePath + ": " + message);
}

std::string quoted(llvm::StringRef text) {
  constexpr size_t longest = 80;
  std::string out = "'";
  for (unsigned char c : text.take_front(longest)) {
    if (llvm::isPrint(c) && c != '\\')
      out += char(c);
    else
      out += llvm::formatv("\\x{0:x-2}", c).str();
  }
  return out + (text.size() > longest ? "...'" : "'");
}

std::string countOf(uint64_t n, llvm::StringRef noun) {
  return llvm::formatv("{0} {1}{2}", n, noun, n == 1 ? "" : "s").str();
}

size_t findInvalidUtf8(llvm::StringRef text) {
  auto *begin = reinterpret_cast<const llvm::UTF8 *>(text.begin()), *at = begin;
  auto *end = reinterpret_cast<const llvm::UTF8 *>(text.end());
  return llvm::isLegalUTF8String(&at, end) ? llvm::StringRef::npos : at - begin;
}

} // namespace sinter
