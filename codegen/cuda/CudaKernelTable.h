// SPDX-License-Identifier: Apache-2.0
// The distinct kernels and tensor maps of a plan while it is made: equal calls, and equal maps, are held once.
#pragma once
#include "codegen/OpText.h"
#include "codegen/cuda/CudaLaunch.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

class CudaKernelTable {
public:
  explicit CudaKernelTable(CudaLaunchPlan &plan) : plan(plan) {}

  /// The index of the kernel that calls `callee` with this config, added if it is new: then it is named after what it
  /// does and the rows of the first bucket that wants it. An error when the template cannot run so.
  template <typename Config>
  llvm::Expected<size_t> add(const Op &op, llvm::StringRef name, const CudaTemplate &callee, const Config &config,
                             int numArgs, int64_t rows) {
    ConfigPrinter fields;
    config.visit(fields);
    if (!config.valid())
      return opError(op,
                     llvm::formatv("the cuda target's {0} cannot have {1} {{{2}}", name, callee.config, fields.str()));
    auto [found, isNew] = kernelOf.try_emplace((callee.function + " " + fields.str()).str(), plan.kernels.size());
    if (isNew)
      plan.kernels.push_back({llvm::formatv("k{0:02}_{1}_{2}", plan.kernels.size(), name, rows).str(), callee,
                              fields.str().str(), &op, numArgs, config.threads(), config.blocksPerSm(), config.grid(),
                              config.cluster(), config.sharedBytes(), uint64_t(config.workspaceBytes()),
                              uint64_t(config.counters()) * 4});
    return found->second;
  }

  /// The argument that points to such a map; `Map` is a template's description of it.
  template <typename Map>
  rt::CudaArg tensorMap(rt::CudaArg base, const Map &map) {
    rt::CudaTensorMap wanted{base, map.rank, {}, {}, {}, map.swizzle128};
    for (int i = 0; i < map.rank; ++i) {
      wanted.dims[i] = uint64_t(map.dims[i]);
      wanted.box[i] = uint32_t(map.box[i]);
      if (i)
        wanted.strides[i - 1] = uint64_t(map.strides[i - 1]);
    }
    return {rt::CudaArgKind::TensorMap, indexOf(wanted)};
  }

private:
  uint64_t indexOf(const rt::CudaTensorMap &map);

  CudaLaunchPlan &plan;
  std::map<std::string, size_t> kernelOf;
};

} // namespace sinter
