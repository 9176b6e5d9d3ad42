// SPDX-License-Identifier: Apache-2.0
// Attention: one launch in a step of one token a sequence, else rope and append, then both kinds of sequences.
#include "codegen/cuda/CudaListBuilder.h"
#include "templates/cuda/attention_decode_config.h"
#include "templates/cuda/attention_prefill_config.h"
#include "templates/cuda/attention_prefill_mma_config.h"
#include "templates/cuda/rope_append_config.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cmath>

namespace sinter {

namespace {

using llvm::Error;
using rt::CudaArg;
using rt::CudaArgKind;

class AttentionSelector {
public:
  AttentionSelector(CudaListBuilder &list, const RopeAttention &op) : list(list), op(op) {}

  /// The layer's pool, with what the plan knows of it.
  llvm::Expected<CudaArg> kvLayer() {
    if (*op.kvType != ElementType(Scalar::BF16))
      return opError(op, "the cuda target stores keys and values as bf16, found " + op.kvType->str());
    list.plan.kvBlockBytes = uint64_t(cuda::kvBlockBytes(int(op.kvHeads), int(op.headDim)));
    list.plan.numLayers = std::max(list.plan.numLayers, op.layer + 1);
    return CudaArg{CudaArgKind::KvLayer, uint64_t(*op.layer)};
  }

  Error check() const {
    constexpr int mostSequences = cuda::AttentionDecodeConfig::mostSequences;
    if (op.headDim != 64 && op.headDim != 128)
      return opError(op, "the cuda target attends with heads of 64 or 128 columns, found " + llvm::Twine(*op.headDim));
    if (list.options.maxSeqs > mostSequences)
      return opError(op, "the cuda target attends to at most " + llvm::Twine(mostSequences) +
                             " sequences in a step, found " + llvm::Twine(list.options.maxSeqs));
    return Error::success();
  }

  Error run() {
    TRY(check());
    TRY_ASSIGN(pool, kvLayer());
    TRY_ASSIGN(table, list.weight(WeightItem::Layout::Constant, {&op.table.get()}));
    TRY_ASSIGN(qNorm, list.vectors(op.qNorm));
    TRY_ASSIGN(kNorm, list.vectors(op.kNorm));
    CudaArg qkv = list.value(op.qkv), out = list.value(op.result());
    if (list.part == CudaPart::Decode)
      return attendOne(true, {qkv, table, qNorm, kNorm, pool, out});
    TRY(append({qkv, table, qNorm, kNorm, pool, list.scratch()}));
    TRY(attendOne(false, {list.scratch(), {}, {}, {}, pool, out}));
    return attendMany({list.scratch(), pool, out});
  }

  template <typename Config>
  Config headsConfig() const {
    Config c{};
    c.heads = int(op.heads);
    c.kvHeads = int(op.kvHeads);
    c.headDim = int(op.headDim);
    c.sms = list.sms();
    return c;
  }

  template <typename Config>
  Config attentionConfig() const {
    auto c = headsConfig<Config>();
    c.scale = float(op.scale != 0 ? *op.scale : 1 / std::sqrt(double(op.headDim)));
    return c;
  }

  Error append(llvm::ArrayRef<CudaArg> args) {
    auto c = headsConfig<cuda::RopeAppendConfig>();
    c.norm = !op.qNorm.empty();
    c.eps = c.norm ? float(*op.eps) : c.eps;
    TRY_ASSIGN(l,
               list.launch(op, "rope_append",
                           CudaTemplate{"templates/cuda/rope_append.cuh", "ropeAppend", "RopeAppendConfig"}, c, args));
    l->rowBytes = 2.0 * double(rowBytesOf(op.qkv));
    return Error::success();
  }

  /// Sequences with one token in the step.
  Error attendOne(bool fused, llvm::SmallVector<CudaArg, 8> args) {
    auto c = attentionConfig<cuda::AttentionDecodeConfig>();
    c.fused = fused;
    c.norm = fused && !op.qNorm.empty();
    c.eps = c.norm ? float(*op.eps) : c.eps;
    c.maxSequences = int(list.options.maxSeqs);
    if (fused) // every row is a sequence; more than can be there cost time in every block
      c.maxSequences = std::min(c.maxSequences, int(llvm::PowerOf2Ceil(uint64_t(std::max<int64_t>(list.rows, 8)))));
    c.bulk = list.native;
    c = tuned(c, list.options.arch->sharedBytesPerSm);
    args.push_back({CudaArgKind::Counters, 0});
    TRY_ASSIGN(
        l, list.launch(op, "attention_decode",
                       CudaTemplate{"templates/cuda/attention_decode.cuh", "attentionDecode", "AttentionDecodeConfig"},
                       c, args));
    if (fused) {
      l->rowBytes = double(rowBytesOf(op.qkv) + rowBytesOf(op.result()));
      l->contextBytes = 4.0 * double(op.kvHeads * op.headDim);
    }
    return Error::success();
  }

  /// Sequences with several.
  Error attendMany(llvm::ArrayRef<CudaArg> args) {
    TRY_ASSIGN(l, list.native ? list.launch(op, "attention_prefill",
                                            CudaTemplate{"templates/cuda/attention_prefill.cuh", "attentionPrefill",
                                                         "AttentionPrefillConfig"},
                                            attentionConfig<cuda::AttentionPrefillConfig>(), args)
                              : list.launch(op, "attention_prefill",
                                            CudaTemplate{"templates/cuda/attention_prefill_mma.cuh",
                                                         "attentionPrefillMma", "AttentionPrefillMmaConfig"},
                                            attentionConfig<cuda::AttentionPrefillMmaConfig>(), args));
    l->rowBytes = 2.0 * double(rowBytesOf(op.result()));
    l->contextBytes = 4.0 * double(op.kvHeads * op.headDim);
    l->pairFlops = 4.0 * double(op.heads * op.headDim);
    return Error::success();
  }

  CudaListBuilder &list;
  const RopeAttention &op;
};

} // namespace

Error selectAttention(CudaListBuilder &list, const RopeAttention &op) { return AttentionSelector(list, op).run(); }

} // namespace sinter
