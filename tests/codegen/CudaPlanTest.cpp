// SPDX-License-Identifier: Apache-2.0
// The launch plan of a small model for every GPU, as data: its lists, and where its launches read and write.
#include "CompiledQwen3.h"
#include "codegen/cuda/CudaEmit.h"
#include "codegen/cuda/CudaSelect.h"
#include "passes/PlanMemory.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>
#include <set>

namespace sinter {
namespace {

using rt::CudaArgKind;

struct Case {
  std::string arch;
  bool portable;
};

class CudaPlan : public ::testing::TestWithParam<Case> {
protected:
  CudaPlan() {
    pass.target = "cuda";
    pass.kvType = Scalar::BF16;
    pass.maxStepTokens = 1024;
    pass.maxStepLogits = 96;
    module = compiledQwen3(pass);
    options.arch = llvm::cantFail(findCudaArch(GetParam().arch));
    options.portable = GetParam().portable;
    options.maxSeqs = 96;
    options.maxStepTokens = pass.maxStepTokens;
    options.maxStepLogits = pass.maxStepLogits;
    const Graph &step = *module->findGraph("step");
    auto selected = selectCuda(step, options);
    if (!selected)
      throw std::runtime_error(llvm::toString(selected.takeError()));
    plan = std::move(*selected);
  }

  std::vector<const std::vector<CudaKernelList> *> allLists() const {
    return {&plan.decode, &plan.mixed, &plan.heads, &plan.denseHeads};
  }

  /// Calls `check` for every launch of every list.
  template <typename Check>
  void forEachLaunch(Check &&check) const {
    for (const auto *lists : allLists())
      for (const CudaKernelList &list : *lists)
        for (const CudaKernelLaunch &launch : list.launches)
          check(launch, plan.kernels[launch.kernel]);
  }

  PassOptions pass;
  CudaSelectOptions options;
  std::unique_ptr<Module> module;
  CudaLaunchPlan plan;
};

TEST_P(CudaPlan, ListsCoverEveryStep) {
  for (const auto *lists : allLists()) {
    ASSERT_FALSE(lists->empty());
    EXPECT_TRUE(llvm::is_sorted(*lists, [](auto &a, auto &b) { return a.maxRows < b.maxRows; }));
    for (const CudaKernelList &list : *lists)
      EXPECT_FALSE(list.launches.empty());
  }
  EXPECT_EQ(plan.decode.front().maxRows, 1);
  EXPECT_EQ(plan.decode.back().maxRows, options.maxSeqs);
  EXPECT_EQ(plan.mixed.back().maxRows, options.maxStepTokens);
  EXPECT_EQ(plan.heads.back().maxRows, options.maxStepLogits);
}

TEST_P(CudaPlan, ALayerOfDecodingIsFiveLaunches) {
  EXPECT_EQ(llvm::count_if(plan.decode.front().launches, [](auto &l) { return l.op->layer == 0; }), 5);
}

TEST_P(CudaPlan, KernelsFitTheGpu) {
  std::set<std::string> names;
  for (const CudaKernelCall &k : plan.kernels) {
    EXPECT_TRUE(names.insert(k.name).second) << k.name << " twice";
    EXPECT_TRUE(k.threads > 0 && k.threads <= 1024 && k.threads % 32 == 0) << k.name;
    EXPECT_LE(k.threads * k.blocksPerSm, options.arch->maxThreadsPerSm) << k.name;
    EXPECT_LE(k.sharedBytes, options.arch->maxSharedBytes) << k.name;
    EXPECT_TRUE(k.grid > 0 && k.grid % k.cluster == 0) << k.name;
    EXPECT_TRUE(k.cluster == 1 || options.arch->cluster) << k.name;
  }
}

TEST_P(CudaPlan, ArgumentsLieWhereTheyMust) {
  forEachLaunch([&](const CudaKernelLaunch &launch, const CudaKernelCall &kernel) {
    EXPECT_EQ(int(launch.args.size()), kernel.numArgs) << kernel.name;
    for (const rt::CudaArg &arg : launch.args)
      switch (arg.kind) {
      case CudaArgKind::Weight:
        EXPECT_TRUE(arg.offset % 128 == 0 && arg.offset < plan.weights.bytes()) << kernel.name << ' ' << arg.offset;
        break;
      case CudaArgKind::Value:
        EXPECT_TRUE(arg.offset % 128 == 0 && arg.offset < plan.arenaBytes) << kernel.name << ' ' << arg.offset;
        break;
      case CudaArgKind::KvLayer:
        EXPECT_LT(arg.offset, uint64_t(plan.numLayers)) << kernel.name;
        break;
      case CudaArgKind::TensorMap:
        EXPECT_LT(arg.offset, plan.tensorMaps.size()) << kernel.name;
        break;
      default:
        break;
      }
  });
}

/// Rows of the list's bucket, padding included, of every value that a launch names.
TEST_P(CudaPlan, WholeBucketsLieInTheArena) {
  const uint64_t valuesEnd = arenaBytes(*module->findGraph("step"), pass);
  int found = 0;
  for (const auto *lists : allLists())
    for (const CudaKernelList &list : *lists)
      for (const CudaKernelLaunch &launch : list.launches) {
        auto endOf = [&](const Value &value) {
          return uint64_t(value.offset + 2 * value.type.numElements(list.maxRows, list.maxRows));
        };
        for (const rt::CudaArg &arg : launch.args) {
          if (arg.kind != CudaArgKind::Value || arg.offset >= valuesEnd) // from there on: rows between two kernels
            continue;
          auto named = [&](const Value *value) { return value->offset >= 0 && uint64_t(value->offset) == arg.offset; };
          llvm::SmallVector<const Value *> values;
          for (const Use *use : launch.op->operands())
            values.push_back(use->get());
          for (const auto &result : launch.op->results())
            values.push_back(result.get());
          for (const Value *value : llvm::make_filter_range(values, named)) {
            EXPECT_LE(endOf(*value), valuesEnd) << plan.kernels[launch.kernel].name;
            ++found;
          }
        }
      }
  EXPECT_GT(found, 0);
}

/// What one kernel leaves to the next: normed or roped rows of a whole bucket, or less.
TEST_P(CudaPlan, ScratchHoldsWholeBuckets) {
  const uint64_t scratch = llvm::alignTo(arenaBytes(*module->findGraph("step"), pass), 1024);
  int found = 0;
  for (const auto *lists : allLists())
    for (const CudaKernelList &list : *lists)
      for (const CudaKernelLaunch &launch : list.launches) {
        llvm::StringRef kernel = plan.kernels[launch.kernel].name;
        bool asResult = llvm::isa<RopeAttention, Embed>(launch.op); // queries are as wide; tokens are no rows
        const Value &row = asResult ? *launch.op->results()[0] : *launch.op->operands()[0]->get();
        for (const rt::CudaArg &arg : launch.args)
          if (arg.kind == CudaArgKind::Value && arg.offset >= scratch) {
            EXPECT_EQ(arg.offset, scratch) << kernel.str();
            EXPECT_LE(arg.offset + 2 * uint64_t(list.maxRows * columnsOf(row)), plan.arenaBytes) << kernel.str();
            ++found;
          }
      }
  EXPECT_GT(found, 0);
}

TEST_P(CudaPlan, WorkspaceAndCountersAreWhatKernelsAskFor) {
  uint64_t workspace = 0, counters = 0;
  forEachLaunch([&](const CudaKernelLaunch &launch, const CudaKernelCall &kernel) {
    auto has = [&](CudaArgKind kind) { return llvm::any_of(launch.args, [&](auto &arg) { return arg.kind == kind; }); };
    EXPECT_TRUE(kernel.workspaceBytes == 0 || has(CudaArgKind::Workspace)) << kernel.name;
    EXPECT_TRUE(kernel.counterBytes == 0 || has(CudaArgKind::Counters)) << kernel.name;
    workspace = std::max(workspace, kernel.workspaceBytes);
    counters = std::max(counters, kernel.counterBytes);
  });
  EXPECT_EQ(plan.workspaceBytes, workspace);
  EXPECT_EQ(plan.counterBytes, counters);
  // Attention shares heads among all blocks; their parts are words that are zero before and after, as counters are.
  EXPECT_GT(counters, 0u);
}

TEST_P(CudaPlan, TensorMapsEndInsideWhatTheyMap) {
  for (const rt::CudaTensorMap &map : plan.tensorMaps) {
    uint64_t end = map.base.offset + map.dims[0] * 2;
    for (int d = 1; d < map.rank; ++d)
      end += (map.dims[d] - 1) * map.strides[d - 1];
    EXPECT_LE(end, map.base.kind == CudaArgKind::Weight ? plan.weights.bytes() : plan.arenaBytes);
  }
}

TEST_P(CudaPlan, ABodyReadsEveryWeightOnce) {
  double bytes = 0;
  for (const auto &list : {plan.decode.front(), plan.heads.front()})
    for (const CudaKernelLaunch &launch : list.launches)
      bytes += launch.weightBytes;
  int64_t matmuls = 3 * (256 * 512 + 256 * 256 + 3 * 512 * 256), head = 512 * 256;
  EXPECT_NEAR(bytes, 2.0 * double(matmuls + head), 2.0 * double(matmuls + head) * 0.01);
}

TEST_P(CudaPlan, TensorMapsAreOnesThatTheDriverTakes) {
  for (const rt::CudaTensorMap &map : plan.tensorMaps) {
    ASSERT_TRUE(map.rank >= 2 && map.rank <= 5);
    for (int d = 0; d < map.rank; ++d) {
      EXPECT_TRUE(map.dims[d] > 0 && map.box[d] > 0 && map.box[d] <= 256);
      EXPECT_TRUE(d == 0 || map.strides[d - 1] % 16 == 0);
    }
    EXPECT_TRUE(!map.swizzle128 || map.box[0] * 2 <= 128);
  }
  EXPECT_TRUE(plan.tensorMaps.empty() || options.arch->bulkCopy);
}

TEST_P(CudaPlan, TheEmittedTableHasWhatALaunchNeedsOfAKernel) {
  CudaObject object;
  object.cubin = "ELF";
  object.kernels.emplace_back().registers = 40;
  object.kernels.back().sharedBytes = 16;
  std::vector<CudaObject> objects(plan.kernels.size(), object);
  std::string text = emitCudaPlan(plan, objects, Target{}, options.arch->name, PlanFacts{}).text;
  for (auto [i, k] : llvm::enumerate(plan.kernels)) {
    std::string row = llvm::formatv("{{\"{0}\", {1}, 3, 40, 16, {2}, 0, {3}, {4}},", k.name, cubinAlignment * i,
                                    k.sharedBytes, k.threads, k.cluster);
    EXPECT_NE(text.find(row), std::string::npos) << row;
  }
}

std::vector<Case> allCases() {
  std::vector<Case> cases;
  for (const CudaArch &arch : cudaArchs())
    cases.push_back({arch.name.str(), false});
  cases.push_back({"sm_90a", true});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Archs, CudaPlan, ::testing::ValuesIn(allCases()),
                         [](const auto &info) { return info.param.arch + (info.param.portable ? "_portable" : ""); });

} // namespace
} // namespace sinter
