// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/Executable.h"
#include "codegen/HostCompiler.h"
#include "compiler/driver/RuntimeError.h"
#include "ir/Try.h"
#include "runtime/support/PayloadWriter.h"
#include "runtime/support/ProgressBar.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

namespace sinter {

namespace fs = llvm::sys::fs;
using llvm::Error;

namespace {

std::string text(const llvm::json::Object &object) {
  return llvm::formatv("{0:2}", llvm::json::Value(llvm::json::Object(object))).str();
}

/// A name beside `path`, so that the rename at the end stays within one file system; removed unless renamed.
class TemporaryFile {
public:
  explicit TemporaryFile(llvm::StringRef finalPath) : finalPath(finalPath) {}
  ~TemporaryFile() {
    if (!path.empty())
      fs::remove(path);
  }
  Error create() {
    int descriptor;
    llvm::SmallString<128> name;
    if (std::error_code ec = fs::createUniqueFile(finalPath + ".%%%%%%", descriptor, name))
      return llvm::createFileError(finalPath, ec);
    path = name.str().str();
    llvm::raw_fd_ostream closer(descriptor, /*shouldClose=*/true);
    return Error::success();
  }
  Error commit(fs::perms permissions) {
    std::error_code ec = fs::setPermissions(path, permissions);
    if (!ec)
      ec = fs::rename(path, finalPath);
    if (ec)
      return llvm::createFileError(finalPath, ec);
    path.clear();
    return Error::success();
  }
  std::string path;

private:
  std::string finalPath;
};

Error link(llvm::StringRef output, const ExecutableParts &parts, const Installation &installation) {
  auto compiler = llvm::sys::findProgramByName(parts.compiler);
  if (!compiler)
    return llvm::createFileError(parts.compiler, compiler.getError());
  std::vector<std::string> arguments = {*compiler, "-o", output.str()};
  llvm::append_range(arguments, parts.objects);
  for (llvm::StringRef library : {"libsinter_runtime.a", "libpcre2-8.a", "libutf8proc.a"})
    arguments.push_back((installation.lib + "/" + library).str());
  // Everything but libc comes along; no build id and no symbols, so that equal inputs give equal bytes.
  for (llvm::StringRef flag :
       {"-static-libstdc++", "-static-libgcc", "-pthread", "-Wl,--gc-sections", "-Wl,--build-id=none", "-s"})
    arguments.push_back(flag.str());
  return runProgram(arguments, "link");
}

/// An item of the table that the section holds, and where.
struct StoredItem {
  const WeightItem *item;
  uint64_t offset;
};

/// All of them, or those that are not made at load.
std::vector<StoredItem> storedItems(const ExecutableParts &parts) {
  std::vector<StoredItem> stored;
  for (auto [i, item] : llvm::enumerate(parts.plan->weights.all()))
    if (parts.weightRegions.empty())
      stored.push_back({&item, item.offset});
    else if (const rt::WeightRegion &region = parts.weightRegions[i]; region.fill == rt::WeightFill::Stored)
      stored.push_back({&item, region.source});
  return stored;
}

Error padTo(rt::PayloadWriter &payload, uint64_t offset) {
  assert(payload.position() <= offset && "weights are written where the plan says");
  std::vector<uint8_t> zeros(offset - payload.position());
  return toError(payload.write(zeros.data(), zeros.size()));
}

/// The section "weights". Its size.
llvm::Expected<uint64_t> writeWeights(rt::PayloadWriter &payload, const ExecutableParts &parts) {
  TRY(toError(payload.begin("weights")));
  std::vector<StoredItem> items = storedItems(parts);
  uint64_t total = parts.weightRegions.empty() ? parts.plan->weights.bytes() : 0;
  for (const StoredItem &stored : items)
    total = std::max(total, stored.offset + stored.item->size);
  rt::ProgressBar bar("pack", total);
  std::vector<uint8_t> bytes;
  auto find = [&](llvm::StringRef name) { return parts.checkpoint->find(name); };
  for (const StoredItem &stored : items) {
    bytes.assign(stored.item->size, 0);
    TRY(packWeight(*stored.item, find, bytes));
    TRY(padTo(payload, stored.offset));
    TRY(toError(payload.write(bytes.data(), bytes.size())));
    bar.advance(bytes.size());
  }
  TRY(padTo(payload, total));
  TRY(toError(payload.end()));
  return total;
}

Error addText(rt::PayloadWriter &payload, llvm::StringRef name, llvm::StringRef bytes) {
  return toError(payload.add(std::string_view(name), bytes.data(), bytes.size()));
}

uint64_t sizeOf(llvm::StringRef path) {
  uint64_t size = 0;
  return fs::file_size(path, size) ? 0 : size;
}

} // namespace

llvm::Expected<ExecutableSizes> writeExecutable(llvm::StringRef output, ExecutableParts parts,
                                                const Installation &installation) {
  ExecutableSizes sizes;
  TemporaryFile executable(output), weights((output + ".weights").str());
  TRY(executable.create());
  TRY(link(executable.path, parts, installation));
  sizes.code = sizeOf(executable.path);

  auto payload = rt::PayloadWriter::append(executable.path);
  TRY(toError(payload));
  if (parts.externalWeights) {
    TRY(weights.create());
    auto external = rt::PayloadWriter::append(weights.path);
    TRY(toError(external));
    TRY_ASSIGN(written, writeWeights(*external, parts));
    sizes.weights = written;
    parts.info["weights"] =
        llvm::json::Object{{"file", llvm::sys::path::filename(output).str() + ".weights"},
                           {"checksum", llvm::formatv("{0:x-16}", external->sections().back().checksum).str()}};
    TRY(toError(external->finish()));
  } else {
    TRY_ASSIGN(written, writeWeights(*payload, parts));
    sizes.weights = written;
  }
  if (!parts.checkpoint->tokenizer.empty())
    TRY(toError(payload->add("tokenizer", parts.checkpoint->tokenizer.data(), parts.checkpoint->tokenizer.size())));
  for (const PayloadPart &part : parts.sections)
    TRY(addText(*payload, part.name, part.bytes));
  TRY(addText(*payload, "info", text(parts.info)));
  TRY(toError(payload->finish()));

  sizes.file = sizeOf(executable.path);
  if (parts.externalWeights)
    TRY(weights.commit(fs::perms(0644)));
  TRY(executable.commit(fs::perms(0755)));
  return sizes;
}

} // namespace sinter
