// SPDX-License-Identifier: Apache-2.0
// use-bf16: activations become bfloat16, whatever the checkpoint has.
//
//   %x = embed %tokens, @e {to = f32} : f32[T, 64]           %x = embed %tokens, @e {to = bf16} : bf16[T, 64]
//   %h = rms_norm %x, @w : f32[T, 64]                  =>    %h = rms_norm %x, @w : bf16[T, 64]
//   %y = linear %h, @v {to = f32} : f32[T, 64]               %y = linear %h, @v {to = f32} : f32[T, 64]
//
// The tensor cores of every GPU we make code for multiply bfloat16, and sums stay float32. Activations get their type
// from the embedding; types that other ops ask for, as the LM head does for the logits, stay.

#include "ir/Ops.h"
#include "passes/Pass.h"

namespace sinter {

void useBf16(Graph &graph, const PassOptions &) {
  for (Embed &embed : graph.opsOf<Embed>())
    embed.to = ElementType(Scalar::BF16);
  for (auto &op : graph.ops())
    op->setResultTypes(llvm::cantFail(op->infer()));
}

} // namespace sinter
