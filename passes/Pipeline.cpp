// SPDX-License-Identifier: Apache-2.0
// The registry of passes and the text of pipelines.
#include "ir/Try.h"
#include "passes/Pass.h"
#include "llvm/ADT/StringExtras.h"

namespace sinter {

static constexpr PassInfo passInfos[] = {
#define GRAPH_PASS(NAME, FUNCTION, SUMMARY) {NAME, SUMMARY, FUNCTION},
#include "passes/Passes.def"
};

llvm::ArrayRef<PassInfo> allPasses() { return passInfos; }

static llvm::Expected<const PassInfo *> findPass(llvm::StringRef name) {
  for (const PassInfo &pass : allPasses())
    if (pass.name == name)
      return &pass;
  auto names = llvm::map_range(allPasses(), [](const PassInfo &p) { return p.name; });
  return llvm::createStringError("unknown pass '" + name + "', there are " + llvm::join(names, ", "));
}

llvm::Expected<Pipeline> parsePipeline(llvm::StringRef text) {
  Pipeline pipeline;
  llvm::SmallVector<llvm::StringRef> names;
  if (!text.trim().empty())
    text.split(names, ',');
  for (llvm::StringRef name : names) {
    TRY_ASSIGN(pass, findPass(name.trim()));
    pipeline.push_back(pass);
  }
  return pipeline;
}

} // namespace sinter
