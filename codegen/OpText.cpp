// SPDX-License-Identifier: Apache-2.0
#include "codegen/OpText.h"

namespace sinter {

std::string opComment(const Op &op) {
  std::string place = op.loc.str();
  return "// " + str(op) + "\n" + (place.empty() ? "" : "// (" + place + ")\n");
}

llvm::Error opError(const Op &op, const llvm::Twine &problem) {
  std::string place = op.loc.str();
  return llvm::createStringError((place.empty() ? "" : place + ": ") + problem + ": " + str(op));
}

} // namespace sinter
