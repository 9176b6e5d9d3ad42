// SPDX-License-Identifier: Apache-2.0
#include "compiler/tools/InspectCommand.h"
#include "ir/Try.h"

namespace sinter {

llvm::Expected<InspectOptions> InspectCommand::options() const {
  if (file.empty())
    return bad("expected an executable or a model: sinter inspect FILE");
  InspectOptions o;
  o.compile.model = file;
  TRY(modelFlags.read(o.compile));
  if (llvm::StringRef(file).ends_with(".json") && !o.compile.randomWeights)
    o.compile.randomWeights = 0; // of a config alone the weights' values are all that is missing
  int64_t count = 1;
  TRY(readNumber(tokens, 1, 65536, count));
  (prompt ? o.shape.tokensEach : o.shape.sequences) = count;
  o.shape.context = std::max<int64_t>(o.shape.context, o.shape.tokensEach);
  TRY(readNumber(context, o.shape.tokensEach, 1 << 24, o.shape.context));
  o.device = device;
  o.everyLaunch = launches;
  return o;
}

llvm::Error InspectCommand::run() const {
  TRY_ASSIGN(chosen, options());
  return inspect(chosen, llvm::outs());
}

} // namespace sinter
