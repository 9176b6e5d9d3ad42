// SPDX-License-Identifier: Apache-2.0
// One function an op: the template that serves it, its config, its buffers in the order of the template's args.
#include "codegen/cpu/CpuSelect.h"
#include "codegen/OpText.h"
#include "codegen/cpu/CpuConfigText.h"
#include "codegen/cpu/PackLinear.h"
#include "ir/Try.h"
#include "passes/ServedOps.h"
#include <cmath>

namespace sinter {

namespace {

using Layout = WeightItem::Layout;

cpu::KvConfig kvConfig(int64_t kvHeads, int64_t headDim, const ElementType &type) {
  return {int(kvHeads), int(headDim), int(cpuKvBlockTokens), elementOf(type)};
}

class Selector {
public:
  explicit Selector(const Graph &graph) : graph(graph), logits(logitsOf(graph)) {}

  llvm::Expected<CpuLaunchPlan> run() {
    for (auto &op : graph.ops()) {
      if (op->isConstant())
        continue; // computed at compile time, held with the weights
      launch = CpuKernelLaunch{op.get(), {}, {}};
      TRY(select(*op));
      plan.launches.push_back(std::move(launch));
    }
    plan.kvBlockTokens = cpuKvBlockTokens;
    plan.vocabSize = columnsOf(logits);
    return std::move(plan);
  }

private:
  llvm::Error select(const Op &op) {
    if (op.kernel.empty())
      return unserved(op);
    return CpuServedOps::visit(op, [&](auto *o) { return lower(*o); }, [](const Op *o) { return unserved(*o); });
  }
  static llvm::Error unserved(const Op &op) { return opError(op, "the cpu target has no kernel for"); }

  // Arguments

  llvm::Error weight(Layout layout, llvm::ArrayRef<const Value *> weights, bool streamed = true) {
    TRY_ASSIGN(index, plan.weights.add(layout, weights));
    launch.args.push_back({rt::ArgKind::Weight, plan.weights[index].offset});
    if (streamed)
      launch.weightBytes += double(plan.weights[index].size);
    return llvm::Error::success();
  }

  void value(const Value &v) {
    if (&v == &logits) {
      launch.args.push_back({rt::ArgKind::Logits, 0});
    } else {
      assert(v.offset >= 0 && "plan-memory gave this value no place");
      launch.args.push_back({rt::ArgKind::Value, uint64_t(v.offset)});
    }
  }

  /// An operand that is a value of the step, a row vector of the checkpoint, or a constant.
  llvm::Error operand(const Value &v) {
    if (v.def() && v.def()->isConstant())
      return weight(Layout::Constant, {&v}, /*streamed=*/false);
    if (v.isWeight())
      return weight(Layout::Vector, {&v});
    value(v);
    return llvm::Error::success();
  }

  void kvLayer(int64_t layer, const cpu::KvConfig &config) {
    launch.args.push_back({rt::ArgKind::KvLayer, uint64_t(layer)});
    plan.kvBlockBytes = uint64_t(config.blockBytes());
    plan.numLayers = std::max(plan.numLayers, layer + 1);
  }

  // Calls

  ConfigText &call(llvm::StringRef header, llvm::StringRef function, llvm::StringRef config) {
    launch.calls.push_back({header, function, config, {}});
    return launch.calls.back().fields;
  }

  static llvm::StringRef rowsOf(const Value &v) { return v.type.dim(0) == Dim::S ? "Rows::Logits" : "Rows::Tokens"; }

  llvm::Error lower(const Embed &op) {
    const Type &table = op.table.type();
    TRY_ASSIGN(format, packedFormat(table.element, table.dim(1).number()));
    plan.hiddenSize = table.dim(1).number();
    TRY(weight(Layout::Linear, {&op.table.get()}, /*streamed=*/false));
    value(op.result());
    call("templates/cpu/embed.h", "embed", "EmbedConfig")
        .field("hidden", table.dim(1).number())
        .code("table", configText(format))
        .code("out", elementName(op.result().type.element));
    return llvm::Error::success();
  }

  llvm::Error lower(const RmsNorm &op) {
    call("templates/cpu/norm.h", "rmsNorm", "RmsNormConfig")
        .field("hidden", columnsOf(op.x))
        .field("eps", *op.eps)
        .code("in", elementName(op.x.type().element))
        .code("weight", elementName(op.weight.type().element))
        .code("out", elementName(op.result().type.element))
        .code("rows", rowsOf(op.result()));
    return operandsThenResults(op);
  }

  llvm::Error lower(const HeadRmsNorm &op) {
    int64_t headDim = columnsOf(op.weight);
    call("templates/cpu/norm.h", "headRmsNorm", "HeadRmsNormConfig")
        .field("heads", columnsOf(op.x) / headDim)
        .field("headDim", headDim)
        .field("eps", *op.eps)
        .code("in", elementName(op.x.type().element))
        .code("weight", elementName(op.weight.type().element))
        .code("out", elementName(op.result().type.element));
    return operandsThenResults(op);
  }

  llvm::Error lower(const AddRmsNorm &op) {
    call("templates/cpu/norm.h", "addRmsNorm", "AddRmsNormConfig")
        .field("hidden", columnsOf(op.x))
        .field("eps", *op.eps)
        .code("x", elementName(op.x.type().element))
        .code("residual", elementName(op.delta.type().element))
        .code("weight", elementName(op.weight.type().element))
        .code("sum", elementName(op.result(0).type.element))
        .code("out", elementName(op.result(1).type.element))
        .code("rows", rowsOf(op.result()));
    return operandsThenResults(op);
  }

  llvm::Error binary(const Op &op, llvm::StringRef function, const Value &a, const Value &b) {
    call("templates/cpu/elementwise.h", function, "BinaryConfig")
        .field("columns", columnsOf(a))
        .code("a", elementName(a.type.element))
        .code("b", elementName(b.type.element))
        .code("out", elementName(op.result().type.element))
        .code("rows", rowsOf(op.result()));
    return operandsThenResults(op);
  }
  llvm::Error lower(const Add &op) { return binary(op, "add", op.a, op.b); }
  llvm::Error lower(const AddBias &op) { return binary(op, "addBias", op.x, op.bias); }
  llvm::Error lower(const SiluMul &op) { return binary(op, "siluMul", op.gate, op.up); }

  llvm::Error copy(const Op &op, llvm::StringRef function, const Value &x, int64_t begin) {
    call("templates/cpu/elementwise.h", function, "CopyConfig")
        .field("columns", columnsOf(op.result()))
        .field("begin", begin)
        .field("inColumns", columnsOf(x))
        .code("in", elementName(x.type.element))
        .code("out", elementName(op.result().type.element))
        .code("rows", rowsOf(op.result()));
    return operandsThenResults(op);
  }
  llvm::Error lower(const Slice &op) { return copy(op, "sliceColumns", op.x, op.begin); }
  llvm::Error lower(const Cast &op) { return copy(op, "cast", op.x, 0); }
  llvm::Error lower(const LastTokens &op) { return copy(op, "lastTokens", op.x, 0); }

  llvm::Error lower(const ApplyRope &op) {
    call("templates/cpu/rope.h", "rope", "RopeConfig")
        .field("heads", columnsOf(op.x) / columnsOf(op.table))
        .field("headDim", columnsOf(op.table))
        .code("in", elementName(op.x.type().element))
        .code("out", elementName(op.result().type.element));
    TRY(operand(op.x)); // positions are the step's
    TRY(operand(op.table));
    value(op.result());
    return llvm::Error::success();
  }

  llvm::Error lower(const AppendKv &op) {
    cpu::KvConfig kv = kvConfig(columnsOf(op.k) / op.headDim, op.headDim, op.kvType);
    call("templates/cpu/kv_append.h", "appendKv", "AppendKvConfig")
        .code("kv", configText(kv))
        .code("in", elementName(op.k.type().element));
    value(op.k);
    value(op.v);
    kvLayer(op.layer, kv);
    return llvm::Error::success();
  }

  llvm::Error lower(const RopeAppend &op) {
    cpu::KvConfig kv = kvConfig(op.kvHeads, op.headDim, op.kvType);
    ConfigText &config = call("templates/cpu/rope_append.h", "ropeAppend", "RopeAppendConfig")
                             .field("heads", *op.heads)
                             .code("kv", configText(kv))
                             .field("norm", !op.qNorm.empty())
                             .field("eps", op.qNorm.empty() ? 0.0 : *op.eps)
                             .code("in", elementName(op.qkv.type().element));
    if (!op.qNorm.empty())
      config.code("normWeight", elementName(op.qNorm[0].type.element));
    config.code("out", elementName(op.result().type.element));
    value(op.qkv);
    TRY(operand(op.table));
    for (const NamedOperands *norm : {&op.qNorm, &op.kNorm})
      if (!norm->empty())
        TRY(operand((*norm)[0]));
    kvLayer(op.layer, kv);
    value(op.result());
    return llvm::Error::success();
  }

  llvm::Error lower(const PagedAttention &op) {
    cpu::KvConfig kv = kvConfig(op.kvHeads, op.headDim, op.kvType);
    double scale = op.scale != 0 ? *op.scale : 1 / std::sqrt(double(op.headDim));
    call("templates/cpu/attention.h", "pagedAttention", "AttentionConfig")
        .field("heads", columnsOf(op.q) / op.headDim)
        .code("kv", configText(kv))
        .field("scale", scale)
        .code("in", elementName(op.q.type().element))
        .code("out", elementName(op.result().type.element));
    value(op.q);
    kvLayer(op.layer, kv);
    value(op.result());
    return llvm::Error::success();
  }

  /// The fields that every matmul has. Args: x, then `weights` packed streams, biases, the residual, y.
  llvm::Error matmul(const Op &op, const Value &x, const Value &w, ConfigText &config) {
    TRY_ASSIGN(format, packedFormat(w.type.element, columnsOf(w)));
    config.field("k", columnsOf(w)).field("n", w.type.dim(0).number()).code("weight", configText(format));
    config.code("x", elementName(x.type.element)).code("out", elementName(op.result().type.element));
    config.code("rows", rowsOf(op.result()));
    return llvm::Error::success();
  }

  llvm::Error lower(const Linear &op) {
    int64_t count = int64_t(op.weights.size()), column = 0;
    int64_t firstBias = 1 + count, residual = firstBias + int64_t(op.bias.size());
    int64_t out = residual + int64_t(op.residual.size());
    TRY(operand(op.x));
    for (int64_t i = 0; i < count; ++i) {
      const Value &w = op.weights[i];
      ConfigText &config = call("templates/cpu/linear.h", "linear", "LinearConfig");
      TRY(matmul(op, op.x, w, config));
      config.field("outStride", columnsOf(op.result())).field("outColumn", column);
      column += w.type.dim(0).number();
      if (!op.residual.empty())
        config.code("residual", elementName(op.residual[0].type.element));
      config.field("argX", int64_t(0)).field("argWeight", 1 + i).field("argOut", out);
      if (!op.bias.empty())
        config.field("argBias", firstBias + i);
      if (!op.residual.empty())
        config.field("argResidual", residual);
      TRY(weight(Layout::Linear, {&w}));
      launch.flopsPerToken += 2.0 * double(w.type.numElements());
    }
    for (auto &b : op.bias.uses())
      TRY(weight(Layout::Floats, {b->get()}));
    for (auto &r : op.residual.uses())
      value(*r->get());
    value(op.result());
    return llvm::Error::success();
  }

  llvm::Error lower(const SwigluLinear &op) {
    ConfigText &config = call("templates/cpu/linear.h", "linear", "LinearConfig");
    TRY(matmul(op, op.x, op.gate, config));
    config.field("swiglu", true).field("argOut", int64_t(2 + op.bias.size()));
    if (!op.bias.empty())
      config.field("argBias", int64_t(2)).field("argUpBias", int64_t(3));
    TRY(operand(op.x));
    TRY(weight(Layout::Swiglu, {&op.gate.get(), &op.up.get()}));
    for (auto &b : op.bias.uses())
      TRY(weight(Layout::Floats, {b->get()}));
    value(op.result());
    launch.flopsPerToken = 4.0 * double(op.gate.type().numElements());
    return llvm::Error::success();
  }

  llvm::Error operandsThenResults(const Op &op) {
    for (Use *use : op.operands())
      TRY(operand(*use->get()));
    for (auto &r : op.results())
      value(*r);
    return llvm::Error::success();
  }

  const Graph &graph;
  const Value &logits;
  CpuLaunchPlan plan;
  CpuKernelLaunch launch{};
};

} // namespace

llvm::Expected<CpuLaunchPlan> selectCpu(const Graph &step) { return Selector(step).run(); }

} // namespace sinter
