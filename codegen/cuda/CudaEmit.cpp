// SPDX-License-Identifier: Apache-2.0
// The text of the emitted files.
#include "codegen/cuda/CudaEmit.h"
#include "codegen/OpText.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <array>

namespace sinter {

namespace {

std::string kernelText(const CudaKernelCall &k) {
  std::string text = opComment(*k.op);
  text += llvm::formatv("#include \"{0}\"\n\nusing namespace sinter;\nusing namespace sinter::cuda;\n\n"
                        "constexpr {1} config = {{{2}};\n\n"
                        "// {3} blocks, {4} bytes of dynamic shared memory each\n"
                        "extern \"C\" __global__ void __launch_bounds__({5}, {6})",
                        k.callee.header, k.callee.config, k.fields, k.grid, k.sharedBytes, k.threads, k.blocksPerSm)
              .str();
  if (k.cluster > 1)
    text += llvm::formatv(" __cluster_dims__({0}, 1, 1)", k.cluster).str();
  text += llvm::formatv("\n    {0}(const __grid_constant__ rt::CudaStep step, const __grid_constant__ "
                        "rt::CudaArgs<{1}> args) {{\n  {2}<config>(step, args);\n}\n",
                        k.name, k.numArgs, k.callee.function)
              .str();
  return text;
}

llvm::StringRef nameOf(rt::CudaArgKind kind) {
  switch (kind) {
  case rt::CudaArgKind::Null:
    return "Null";
  case rt::CudaArgKind::Weight:
    return "Weight";
  case rt::CudaArgKind::Value:
    return "Value";
  case rt::CudaArgKind::KvLayer:
    return "KvLayer";
  case rt::CudaArgKind::Logits:
    return "Logits";
  case rt::CudaArgKind::Workspace:
    return "Workspace";
  case rt::CudaArgKind::Counters:
    return "Counters";
  case rt::CudaArgKind::TensorMap:
    return "TensorMap";
  case rt::CudaArgKind::Pointers:
    return "Pointers";
  case rt::CudaArgKind::Exchange:
    return "Exchange";
  }
  llvm_unreachable("an argument without a kind");
}

/// "{CudaArgKind::Value, 1024}"
std::string text(const rt::CudaArg &arg) {
  return llvm::formatv("{{CudaArgKind::{0}, {1}}", nameOf(arg.kind), arg.offset).str();
}

template <typename T>
std::string text(llvm::ArrayRef<T> numbers) {
  std::string list = "{";
  for (auto [i, n] : llvm::enumerate(numbers))
    list += (i ? ", " : "") + std::to_string(n);
  return list + "}";
}

class PlanWriter {
public:
  PlanWriter(const CudaLaunchPlan &plan, llvm::ArrayRef<CudaObject> objects) : plan(plan), objects(objects) {}

  std::string write(const Target &target, llvm::StringRef architecture, const PlanFacts &facts) {
    os << "// The launch plan of " << facts.model << " for " << target.name << ".\n"
       << "#include \"runtime/abi/Plan.h\"\n\nusing namespace sinter::rt;\n\nnamespace {\n";
    kernels();
    tensorMaps();
    pointers();
    lists(stepLists());
    if (hasResident())
      lists(residentLists());
    cudaPlan(architecture);
    os << "} // namespace\n\n";
    emitPlan(plan, target, facts, "0", "    .cuda = &cudaPlan,\n", os);
    return std::move(out);
  }

private:
  using NamedList = std::pair<llvm::StringRef, const std::vector<CudaKernelList> *>;
  /// Those of every plan.
  std::array<NamedList, 4> stepLists() const {
    return {
        {{"decode", &plan.decode}, {"mixed", &plan.mixed}, {"heads", &plan.heads}, {"denseHeads", &plan.denseHeads}}};
  }
  std::array<NamedList, 2> residentLists() const {
    return {{{"resident", &plan.resident}, {"residentHeads", &plan.residentHeads}}};
  }
  bool hasResident() const { return !plan.resident.empty(); }

  void lists(llvm::ArrayRef<NamedList> named) {
    for (auto [name, lists] : named)
      for (auto [i, list] : llvm::enumerate(*lists))
        launches(list, name, i);
    for (auto [name, lists] : named)
      listTable(*lists, name);
  }

  void kernels() {
    os << "constexpr CudaKernel kernels[] = {\n";
    uint64_t offset = 0;
    for (auto [k, object] : llvm::zip_equal(plan.kernels, objects)) {
      assert(object.kernels.size() == 1 && "a file has one kernel");
      const KernelResources &r = object.kernels.front();
      os << llvm::formatv("    {{\"{0}\", {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}},\n", k.name, offset,
                          object.cubin.size(), r.registers, r.sharedBytes, k.sharedBytes,
                          r.spillStoreBytes + r.spillLoadBytes, k.threads, k.cluster);
      offset = llvm::alignTo(offset + object.cubin.size(), cubinAlignment);
    }
    os << "};\n\n";
  }

  void tensorMaps() {
    if (plan.tensorMaps.empty())
      return;
    os << "constexpr CudaTensorMap tensorMaps[] = {\n";
    for (const rt::CudaTensorMap &m : plan.tensorMaps)
      os << llvm::formatv("    {{{0}, {1}, {2}, {3}, {4}, {5}},\n", text(m.base), m.rank, text(llvm::ArrayRef(m.dims)),
                          text(llvm::ArrayRef(m.strides)), text(llvm::ArrayRef(m.box)), m.swizzle128);
    os << "};\n\n";
  }

  void pointers() {
    if (plan.pointers.empty())
      return;
    os << "constexpr CudaArg pointers[] = {\n";
    for (const rt::CudaArg &arg : plan.pointers)
      os << "    " << text(arg) << ",\n";
    os << "};\n\n";
  }

  /// The arguments of a list's launches as one array, and the launches that point into it.
  void launches(const CudaKernelList &list, llvm::StringRef name, size_t index) {
    os << llvm::formatv("constexpr CudaArg {0}Args{1}[] = {{\n", name, index);
    for (const CudaKernelLaunch &l : list.launches) {
      os << "    ";
      for (const rt::CudaArg &arg : l.args)
        os << text(arg) << ", ";
      os << "\n";
    }
    os << llvm::formatv("};\nconstexpr CudaLaunch {0}{1}[] = {{\n", name, index);
    size_t at = 0;
    for (const CudaKernelLaunch &l : list.launches) {
      os << llvm::formatv("    {{{0}, {1}, {2}Args{3} + {4}, {5}, {6}, {7}, {8}, {9}, {10}, {11}, {12}},\n", l.kernel,
                          cppString(str(*l.op)), name, index, at, l.args.size(), l.op->layer,
                          plan.kernels[l.kernel].grid, cppNumber(l.weightBytes), cppNumber(l.rowBytes),
                          cppNumber(l.contextBytes), cppNumber(l.rowFlops), cppNumber(l.pairFlops));
      at += l.args.size();
    }
    os << "};\n\n";
  }

  void listTable(llvm::ArrayRef<CudaKernelList> lists, llvm::StringRef name) {
    os << llvm::formatv("constexpr CudaLaunchList {0}[] = {{\n", name);
    for (auto [i, list] : llvm::enumerate(lists))
      os << llvm::formatv("    {{{0}, {1}{2}, {3}},\n", list.maxRows, name, i, list.launches.size());
    os << "};\n";
  }

  void cudaPlan(llvm::StringRef architecture) {
    os << "\nconstexpr CudaPlan cudaPlan = {\n";
    auto field = [&](llvm::StringRef name, const llvm::Twine &value) {
      os << "    ." << name << " = " << value << ",\n";
    };
    field("architecture", cppString(architecture));
    field("kernels", "kernels");
    field("numKernels", llvm::Twine(plan.kernels.size()));
    field("tensorMaps", plan.tensorMaps.empty() ? "nullptr" : "tensorMaps");
    field("numTensorMaps", llvm::Twine(plan.tensorMaps.size()));
    for (auto [name, list] : stepLists())
      field(name, name);
    for (auto [name, list] : stepLists())
      field("num" + name.substr(0, 1).upper() + name.substr(1).str(), llvm::Twine(list->size()));
    field("workspaceBytes", llvm::Twine(plan.workspaceBytes));
    field("counterBytes", llvm::Twine(plan.counterBytes));
    if (hasResident()) {
      for (auto [name, list] : residentLists())
        field(name, name);
      field("numResident", llvm::Twine(plan.resident.size()));
      field("residentBlocks", llvm::Twine(plan.residentBlocks));
      field("pointers", "pointers");
      field("numPointers", llvm::Twine(plan.pointers.size()));
      field("exchangeBytes", llvm::Twine(plan.exchangeBytes));
    }
    os << "};\n";
  }

  const CudaLaunchPlan &plan;
  llvm::ArrayRef<CudaObject> objects;
  std::string out;
  llvm::raw_string_ostream os{out};
};

} // namespace

std::vector<EmittedFile> emitCudaKernels(const CudaLaunchPlan &plan) {
  std::vector<EmittedFile> files;
  for (const CudaKernelCall &k : plan.kernels)
    files.push_back({k.name + ".cu", kernelText(k)});
  return files;
}

EmittedFile emitCudaPlan(const CudaLaunchPlan &plan, llvm::ArrayRef<CudaObject> objects, const Target &target,
                         llvm::StringRef architecture, const PlanFacts &facts) {
  return {"plan.cpp", PlanWriter(plan, objects).write(target, architecture, facts)};
}

} // namespace sinter
