// SPDX-License-Identifier: Apache-2.0
// Configs from JSON files.
#include "compiler/tools/ConfigHoles.h"
#include "ir/JsonAttr.h"
#include "ir/Try.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

namespace sinter {

namespace {

llvm::Expected<AttrDict> readConfig(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return llvm::createStringError(path + ": cannot read: " + buffer.getError().message());
  auto json = llvm::json::parse((*buffer)->getBuffer());
  if (!json)
    return llvm::createStringError(path + ": " + llvm::toString(json.takeError()));
  if (!json->getAsObject())
    return llvm::createStringError(path + ": expected a JSON object");
  return attrFromJson(*json->getAsObject());
}

llvm::Expected<ElementType> weightElement(const AttrDict &config, llvm::StringRef path) {
  ElementType element;
  for (auto &[key, value] : config)
    if (key == "dtype" && AttrCodec<ElementType>::decode(value, element))
      return element;
  return llvm::createStringError(path + ": expected a 'dtype' of \"float32\", \"float16\" or \"bfloat16\"");
}

} // namespace

llvm::Error ConfigHoles::read(llvm::StringRef path, llvm::StringRef architecture, llvm::StringRef matrixType) {
  TRY_ASSIGN(dict, readConfig(path));
  config = std::move(dict);
  TRY_ASSIGN(element, weightElement(config, path));
  TRY_ASSIGN(matrix, matrixType.empty() ? element : parseElementType(matrixType));
  filled.config = &config;
  filled.configOrigin = llvm::sys::path::filename(path).str();
  filled.architecture = architecture.str();
  filled.weightType = [=](llvm::StringRef, llvm::ArrayRef<int64_t> shape) -> llvm::Expected<Type> {
    return Type(shape.size() == 2 ? matrix : element, llvm::to_vector_of<Dim>(shape));
  };
  return llvm::Error::success();
}

} // namespace sinter
