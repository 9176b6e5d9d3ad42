// SPDX-License-Identifier: Apache-2.0
// Reading the notes that ptxas leaves in a cubin: section ".nv.info.KERNEL", records of format, attribute and value.
// Source: cuobjdump -elf names them; a record of format 4 has a size and so many bytes, others have a 16-bit value.
#include "tests/runtime/fake_cuda/FakeCubin.h"
#include <cstring>
#include <elf.h>
#include <sstream>
#include <string_view>

namespace sinter::rt {
namespace {

constexpr std::string_view infoPrefix = ".nv.info.", sharedPrefix = ".nv.shared.";
/// From capability 9.0 on a kernel's shared memory begins with what the system keeps, which no limit of blocks counts.
constexpr int systemShared = 1024;
enum Attribute : unsigned char { MaxThreads = 0x05, ParameterInfo = 0x17, BlocksPerCluster = 0x3d };

template <typename T>
T load(const char *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void readParameter(const char *value, FakeKernel &kernel) {
  auto ordinal = load<uint16_t>(value + 4);
  if (kernel.parameters.size() <= ordinal)
    kernel.parameters.resize(ordinal + size_t{1});
  kernel.parameters[ordinal] = static_cast<int>(load<uint32_t>(value + 8) >> 18);
}

void readNotes(std::string_view notes, FakeKernel &kernel) {
  for (size_t at = 0; at + 4 <= notes.size();) {
    const char *record = notes.data() + at, *value = record + 4;
    auto attribute = static_cast<unsigned char>(record[1]);
    bool sized = record[0] == 4;
    at += 4 + (sized ? load<uint16_t>(record + 2) : 0);
    if (!sized)
      continue;
    if (attribute == ParameterInfo)
      readParameter(value, kernel);
    else if (attribute == MaxThreads)
      kernel.maxThreads = load<int>(value);
    else if (attribute == BlocksPerCluster)
      kernel.cluster = load<int>(value);
  }
}

FakeKernel readElf(const char *image) {
  FakeKernel kernel;
  auto header = load<Elf64_Ehdr>(image);
  if (header.e_ident[EI_ABIVERSION] == 8) // of CUDA 13
    kernel.capability = header.e_flags >> 8 & 0xff;
  auto section = [&](size_t i) { return load<Elf64_Shdr>(image + header.e_shoff + i * header.e_shentsize); };
  const char *names = image + section(header.e_shstrndx).sh_offset;
  for (size_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr one = section(i);
    std::string_view name = names + one.sh_name;
    if (name.starts_with(infoPrefix)) {
      kernel.name = name.substr(infoPrefix.size());
      readNotes({image + one.sh_offset, one.sh_size}, kernel);
    } else if (name.starts_with(sharedPrefix) && !name.starts_with(".nv.shared.reserved")) {
      kernel.staticShared = static_cast<int>(one.sh_size) - (kernel.capability >= 90 ? systemShared : 0);
    }
  }
  kernel.arguments = kernel.parameters.size() == 2 ? static_cast<size_t>(kernel.parameters[1]) / sizeof(void *) : 0;
  return kernel;
}

} // namespace

FakeKernel readFakeCubin(const void *image) {
  const char *bytes = static_cast<const char *>(image);
  if (std::memcmp(bytes, ELFMAG, SELFMAG) == 0)
    return readElf(bytes);
  FakeKernel kernel;
  std::istringstream(bytes) >> kernel.name >> kernel.arguments;
  return kernel;
}

} // namespace sinter::rt
