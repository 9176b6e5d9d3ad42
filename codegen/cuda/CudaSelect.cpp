// SPDX-License-Identifier: Apache-2.0
// Which ops belong to bodies and heads, and the lists that there are; what is not a matmul or attention.
#include "codegen/cuda/CudaBuckets.h"
#include "codegen/cuda/CudaListBuilder.h"
#include "passes/ServedOps.h"
#include "templates/cuda/embed_config.h"
#include "templates/cuda/last_tokens_config.h"
#include "templates/cuda/norm_config.h"
#include "templates/cuda/read_bandwidth_config.h"
#include "templates/cuda/sample_config.h"

namespace sinter {

using llvm::Error;
using rt::CudaArg;
using rt::CudaArgKind;

Error selectNorm(CudaListBuilder &list, const Op &op, const Value &x, const Value *weight, double eps, CudaArg out) {
  cuda::RmsNormConfig config;
  config.hidden = int(columnsOf(x));
  config.eps = float(eps);
  config.weighted = weight != nullptr;
  config.maxRows = list.smallRows();
  config.sms = list.sms();
  TRY_ASSIGN(weights, list.vectors(weight ? llvm::ArrayRef<const Value *>(weight) : llvm::ArrayRef<const Value *>()));
  TRY_ASSIGN(l, list.launch(op, "rms_norm", CudaTemplate{"templates/cuda/norm.cuh", "rmsNorm", "RmsNormConfig"}, config,
                            {list.value(x), weights, out}));
  l->rowBytes = 2.0 * double(rowBytesOf(x));
  return Error::success();
}

namespace {

bool belongsToHead(const Op &op) {
  return llvm::any_of(op.results(), [](auto &r) { return r->type.rank() == 2 && r->type.dim(0) == Dim(Dim::S); });
}

class Selector {
public:
  Selector(const Graph &graph, const CudaSelectOptions &options)
      : graph(graph), options(options), list(graph, options) {}

  llvm::Expected<CudaLaunchPlan> run() {
    for (auto &op : graph.ops())
      if (op->kernel.empty() && !op->isConstant())
        return unserved(*op);
    // No bucket is larger than the values it works on: a matmul may write all of a bucket's rows, padding included.
    int64_t mostLogits = std::min(options.maxStepLogits, options.maxStepTokens);
    int64_t mostSeqs = std::min(options.maxSeqs, options.maxStepTokens);
    CudaLaunchPlan &plan = list.plan;
    TRY(lists(plan.decode, CudaPart::Decode, decodeBuckets(mostSeqs)));
    TRY(lists(plan.mixed, CudaPart::Mixed, mixedBuckets(options.maxStepTokens)));
    TRY(lists(plan.heads, CudaPart::Head, decodeBuckets(mostLogits)));
    TRY(lists(plan.denseHeads, CudaPart::DenseHead, decodeBuckets(std::min(mostSeqs, mostLogits))));
    TRY(selectResident(list));
    TRY(readBandwidth());
    plan.kvBlockTokens = cuda::kvBlockTokens;
    return std::move(plan);
  }

private:
  static Error unserved(const Op &op) { return opError(op, "the cuda target has no kernel for"); }

  Error lists(std::vector<CudaKernelList> &out, CudaPart part, llvm::ArrayRef<int64_t> buckets) {
    for (int64_t bucket : buckets) {
      list.begin(part, out.emplace_back(CudaKernelList{bucket, {}}));
      for (auto &op : graph.ops())
        if (!op->isConstant() && belongsToHead(*op) == list.isHead())
          TRY(select(*op));
      if (list.isHead())
        TRY(sample());
    }
    return Error::success();
  }

  Error select(const Op &op) {
    return CudaServedOps::visit(op, [&](auto *o) { return lower(*o); }, [](const Op *o) { return unserved(*o); });
  }

  Error lower(const Linear &op) { return selectMatmul(list, op); }
  Error lower(const SwigluLinear &op) { return selectMatmul(list, op); }
  Error lower(const RopeAttention &op) { return selectAttention(list, op); }

  Error lower(const Embed &op) {
    cuda::EmbedConfig config;
    config.hidden = int(columnsOf(op.result()));
    config.vocab = int(op.table.type().dim(0).number());
    config.maxRows = list.smallRows();
    config.sms = list.sms();
    list.plan.hiddenSize = config.hidden;
    TRY_ASSIGN(table, list.weight(WeightItem::Layout::Atoms, {&op.table.get()}));
    config.squares = normedBySquares(list, op.result());
    llvm::SmallVector<CudaArg, 3> args = {table, list.value(op.result())};
    if (config.squares)
      args.push_back(list.scratch());
    TRY_ASSIGN(
        l, list.launch(op, "embed", CudaTemplate{"templates/cuda/embed.cuh", "embed", "EmbedConfig"}, config, args));
    l->rowBytes = 2.0 * double(rowBytesOf(op.result()));
    return Error::success();
  }

  Error lower(const RmsNorm &op) {
    return selectNorm(list, op, op.x, &op.weight.get(), op.eps, list.value(op.result()));
  }

  Error lower(const LastTokens &op) {
    if (list.part == CudaPart::DenseHead)
      return Error::success(); // read where they are
    cuda::LastTokensConfig config;
    config.hidden = int(columnsOf(op.result()));
    config.maxRows = list.smallRows();
    config.sms = list.sms();
    TRY_ASSIGN(l, list.launch(op, "last_tokens",
                              CudaTemplate{"templates/cuda/last_tokens.cuh", "lastTokens", "LastTokensConfig"}, config,
                              {list.value(op.x), list.value(op.result())}));
    l->rowBytes = 2.0 * double(rowBytesOf(op.result()));
    return Error::success();
  }

  Error sample() {
    const Op &op = *list.logits.def();
    cuda::SampleConfig config;
    config.vocab = int(columnsOf(list.logits));
    config.maxRows = int(list.rows);
    config.sms = list.sms();
    if (config.maxRows > config.sms * config.blocksPerSm()) // not all run at once: some more that leave cost nothing
      config.maxRows = list.mostRows();
    TRY_ASSIGN(l, list.launch(op, "sample", CudaTemplate{"templates/cuda/sample.cuh", "sample", "SampleConfig"}, config,
                              {{CudaArgKind::Logits, 0}, {CudaArgKind::Workspace, 0}, {CudaArgKind::Counters, 0}}));
    l->rowBytes = double(rowBytesOf(list.logits));
    return Error::success();
  }

  /// What bench measures other kernels against; no list has it.
  Error readBandwidth() {
    TRY_ASSIGN(kernel, list.kernels.add(
                           *list.logits.def(), "read_bandwidth",
                           CudaTemplate{"templates/cuda/read_bandwidth.cuh", "readBandwidth", "ReadBandwidthConfig"},
                           cuda::ReadBandwidthConfig{.sms = list.sms()}, 3, 1));
    (void)kernel;
    return Error::success();
  }

  const Graph &graph;
  const CudaSelectOptions &options;
  CudaListBuilder list;
};

} // namespace

llvm::Expected<CudaLaunchPlan> selectCuda(const Graph &step, const CudaSelectOptions &options) {
  return Selector(step, options).run();
}

} // namespace sinter
