// SPDX-License-Identifier: Apache-2.0
// The layers of a decode step of one sequence as one kernel, where a model is what templates/cuda/decode_step.cuh
// knows: layers of five ops, all of the same shape. What they read and write is taken from the launches that the same
// ops have become: those of a body, and the first of a head, to which the end of the last layer belongs.
#include "codegen/cuda/CudaListBuilder.h"
#include "templates/cuda/decode_step_config.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <optional>

namespace sinter {

namespace {

using llvm::Error;
using rt::CudaArg;
using rt::CudaArgKind;

/// What a value is where all rows are wanted: nothing is gathered.
const Value &ungathered(const Value &v) {
  auto *last = llvm::dyn_cast_or_null<LastTokens>(v.def());
  return last ? last->x.get() : v;
}

/// The launches of one layer, and their ops.
struct ResidentLayer {
  llvm::ArrayRef<CudaKernelLaunch> launches;
  const Linear *qkv, *o, *down;
  const RopeAttention *attention;
  const SwigluLinear *gateUp;

  static constexpr size_t count = 5;
  explicit ResidentLayer(llvm::ArrayRef<CudaKernelLaunch> l)
      : launches(l), qkv(llvm::dyn_cast<Linear>(l[0].op)), o(llvm::dyn_cast<Linear>(l[2].op)),
        down(llvm::dyn_cast<Linear>(l[4].op)), attention(llvm::dyn_cast<RopeAttention>(l[1].op)),
        gateUp(llvm::dyn_cast<SwigluLinear>(l[3].op)) {}

  /// Whether it is a layer of one input, in which nothing is added but the residuals, and norms are folded into
  /// weights.
  bool fits(const Value &in) const {
    if (!qkv || !o || !down || !attention || !gateUp)
      return false;
    auto reads = [](const Value &operand, const Value &value) { return &ungathered(operand) == &value; };
    bool flows = reads(qkv->x.get(), in) && reads(attention->qkv.get(), qkv->result()) &&
                 reads(o->x.get(), attention->result()) && reads(gateUp->x.get(), o->result()) &&
                 reads(down->x.get(), gateUp->result());
    bool adds = qkv->residual.empty() && !o->residual.empty() && reads(o->residual[0], in) && !down->residual.empty() &&
                reads(down->residual[0], o->result());
    bool norms = !qkv->norm.empty() && !gateUp->norm.empty() && o->norm.empty() && down->norm.empty() && isNull(0, 3) &&
                 isNull(3, 3);
    bool biases = !isNull(0, 4) || !isNull(2, 4) || !isNull(3, 4) || !isNull(4, 4);
    return flows && adds && norms && !biases;
  }
  bool isNull(size_t launch, size_t arg) const { return launches[launch].args[arg].kind == CudaArgKind::Null; }

  cuda::DecodeStepConfig config() const {
    cuda::DecodeStepConfig c;
    c.hidden = int(columnsOf(qkv->x.get()));
    c.inner = int(columnsOf(gateUp->result()));
    c.headDim = int(attention->headDim);
    c.kvHeads = int(attention->kvHeads);
    c.heads = int(attention->heads);
    c.qkNorm = !attention->qNorm.empty();
    c.eps = float(*qkv->eps);
    c.scale = float(attention->scale != 0 ? *attention->scale : 1 / std::sqrt(double(attention->headDim)));
    bool oneEps = float(*gateUp->eps) == c.eps && (!c.qkNorm || float(*attention->eps) == c.eps);
    c.layers = oneEps && c.qkvColumns() == columnsOf(qkv->result()) ? 1 : 0;
    return c;
  }

  /// As StepLayer of decode_step_state.cuh has them.
  std::array<CudaArg, 7> pointers() const {
    const auto &a = launches[1].args; // qkv, rope table, norms of q and k, pool
    return {launches[0].args[0], launches[2].args[0], launches[3].args[0], launches[4].args[0], a[2], a[3], a[4]};
  }
};

template <typename Config>
std::string textOf(const Config &config) {
  ConfigPrinter fields;
  config.visit(fields);
  return fields.str().str();
}

/// The layers of a step, and the config that all share; nothing where it is of another form.
std::optional<std::pair<std::vector<ResidentLayer>, cuda::DecodeStepConfig>>
layersOf(llvm::ArrayRef<CudaKernelLaunch> launches) {
  if (launches.size() <= 1 || !llvm::isa<Embed>(launches.front().op) ||
      (launches.size() - 1) % ResidentLayer::count != 0)
    return std::nullopt;
  std::vector<ResidentLayer> layers;
  cuda::DecodeStepConfig shared;
  const Value *in = &launches.front().op->result();
  for (size_t at = 1; at < launches.size(); at += ResidentLayer::count) {
    ResidentLayer layer(launches.slice(at, ResidentLayer::count));
    if (!layer.fits(*in))
      return std::nullopt;
    cuda::DecodeStepConfig config = layer.config();
    if (config.layers == 0 || (!layers.empty() && textOf(config) != textOf(shared)))
      return std::nullopt;
    shared = config;
    in = &layer.down->result();
    layers.push_back(layer);
  }
  shared.layers = int(layers.size());
  return std::pair(std::move(layers), shared);
}

/// Adds the kernel's launch, which costs what those of `all` do, and what it needs to the plan.
Error launchResident(CudaListBuilder &list, llvm::ArrayRef<CudaKernelLaunch> all, llvm::ArrayRef<ResidentLayer> layers,
                     const cuda::DecodeStepConfig &config) {
  CudaLaunchPlan &plan = list.plan;
  uint64_t table = plan.pointers.size();
  for (const ResidentLayer &layer : layers)
    llvm::append_range(plan.pointers, layer.pointers());
  CudaArg rope = layers.front().launches[1].args[1], out = layers.back().launches[4].args[2];
  TRY_ASSIGN(l,
             list.launch(*all.front().op, "decode_step",
                         CudaTemplate{"templates/cuda/decode_step.cuh", "decodeStep", "DecodeStepConfig"}, config,
                         {{CudaArgKind::Pointers, table}, all.front().args[0], rope, {CudaArgKind::Exchange, 0}, out}));
  for (const CudaKernelLaunch &one : all) {
    l->weightBytes += one.weightBytes;
    l->rowBytes += one.rowBytes;
    l->contextBytes += one.contextBytes;
    l->rowFlops += one.rowFlops;
    l->pairFlops += one.pairFlops;
  }
  plan.residentBlocks = config.grid();
  plan.exchangeBytes = uint64_t(config.exchangeBytes());
  return Error::success();
}

/// The launches of a head before which the last layer ends: the first that reads nothing of a layer.
size_t endOfLayers(llvm::ArrayRef<CudaKernelLaunch> head) {
  return size_t(llvm::find_if(head, [](const CudaKernelLaunch &l) { return l.op->layer < 0; }) - head.begin());
}

} // namespace

Error selectResident(CudaListBuilder &list) {
  CudaLaunchPlan &plan = list.plan;
  const CudaKernelList &body = plan.decode.front(), &head = plan.denseHeads.front();
  size_t end = endOfLayers(head.launches);
  std::vector<CudaKernelLaunch> all = body.launches;
  all.insert(all.end(), head.launches.begin(), head.launches.begin() + ptrdiff_t(end));
  auto found = list.native && body.maxRows == 1 && head.maxRows == 1 ? layersOf(all) : std::nullopt;
  if (!found)
    return Error::success();
  auto &[layers, config] = *found;
  config.vocab = int(llvm::cast<Embed>(all.front().op)->table.type().dim(0).number());
  config.sms = list.sms();
  config = tuned(config);
  if (!config.valid() || config.layerBytes() > cuda::longLayer)
    return Error::success();
  plan.residentHeads.push_back({1, {head.launches.begin() + ptrdiff_t(end), head.launches.end()}});
  list.begin(CudaPart::Decode, plan.resident.emplace_back(CudaKernelList{1, {}}));
  return launchResident(list, all, layers, config);
}

} // namespace sinter
