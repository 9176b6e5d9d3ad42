// SPDX-License-Identifier: Apache-2.0
// Reading ptxas' log:
//
//   ptxas info    : Compiling entry function 'decode' for 'sm_90a'
//   ptxas info    : Function properties for decode
//   ptxas         .     168 bytes stack frame, 172 bytes spill stores, 172 bytes spill loads
//   ptxas info    : Used 32 registers, used 1 barriers, 168 bytes cumulative stack size, 256 bytes smem
//
// "Function properties" may also follow for a function that is no entry.
#include "codegen/cuda/CudaObject.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace sinter {

namespace {

/// The number before `unit` in "Used 32 registers, 256 bytes smem", 0 if it is not there.
llvm::Expected<int32_t> numberBefore(llvm::StringRef line, llvm::StringRef unit) {
  size_t at = line.find(unit);
  if (at == llvm::StringRef::npos)
    return 0;
  llvm::StringRef digits = line.take_front(at).rtrim();
  digits = digits.take_back(digits.size() - (digits.find_last_not_of("0123456789") + 1));
  int32_t number = 0;
  if (digits.getAsInteger(10, number))
    return llvm::createStringError("ptxas' log: expected a number before '" + unit + "', found '" + line + "'");
  return number;
}

struct Field {
  llvm::StringLiteral unit;
  int32_t KernelResources::*member;
};
constexpr Field propertyFields[] = {{" bytes stack frame", &KernelResources::stackBytes},
                                    {" bytes spill stores", &KernelResources::spillStoreBytes},
                                    {" bytes spill loads", &KernelResources::spillLoadBytes}};
constexpr Field useFields[] = {{" registers", &KernelResources::registers},
                               {" bytes smem", &KernelResources::sharedBytes}};

llvm::Error readFields(llvm::StringRef line, llvm::ArrayRef<Field> fields, KernelResources &kernel) {
  for (const Field &field : fields) {
    auto number = numberBefore(line, field.unit);
    if (!number)
      return number.takeError();
    kernel.*field.member += *number;
  }
  return llvm::Error::success();
}

} // namespace

llvm::Expected<std::vector<KernelResources>> parsePtxasLog(llvm::StringRef log) {
  std::vector<KernelResources> kernels;
  llvm::SmallVector<llvm::StringRef> lines;
  log.split(lines, '\n');
  for (llvm::StringRef line : lines) {
    if (!line.starts_with("ptxas"))
      continue;
    if (line.contains("Compiling entry function '")) {
      kernels.emplace_back().name = line.split('\'').second.split('\'').first.str();
      continue;
    }
    bool isProperties = line.contains("bytes stack frame"), isUse = line.contains(": Used ");
    if (!isProperties && !isUse)
      continue;
    if (kernels.empty())
      return llvm::createStringError("ptxas' log: expected the name of a kernel before '" + line + "'");
    if (isProperties)
      if (llvm::Error error = readFields(line, propertyFields, kernels.back()))
        return error;
    if (isUse)
      if (llvm::Error error = readFields(line, useFields, kernels.back()))
        return error;
  }
  for (const KernelResources &kernel : kernels)
    if (kernel.registers == 0)
      return llvm::createStringError("ptxas' log: no registers for kernel '" + kernel.name + "'");
  llvm::sort(kernels, [](const KernelResources &a, const KernelResources &b) { return a.name < b.name; });
  return kernels;
}

} // namespace sinter
