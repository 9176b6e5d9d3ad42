// SPDX-License-Identifier: Apache-2.0
// The list of launches that selection is at, and what every op's lowering needs: arguments, kernels, launches.
#pragma once
#include "codegen/cuda/CudaKernelTable.h"
#include "codegen/cuda/CudaSelect.h"
#include "ir/Ops.h"
#include "ir/Try.h"
#include "passes/PlanMemory.h"

namespace sinter {

/// Which kind of list is being made.
enum class CudaPart { Decode, Mixed, Head, DenseHead };

inline uint64_t rowBytesOf(const Value &v) { return rowBytes(v.type.element, columnsOf(v)); }

class CudaListBuilder {
public:
  using Launch = llvm::Expected<CudaKernelLaunch *>;

  CudaListBuilder(const Graph &graph, const CudaSelectOptions &options);

  /// The launches that follow are of this list.
  void begin(CudaPart newPart, CudaKernelList &list);
  bool isHead() const { return part == CudaPart::Head || part == CudaPart::DenseHead; }

  /// An item of the weights; its size is added to `bytes`.
  llvm::Expected<rt::CudaArg> weight(WeightItem::Layout layout, llvm::ArrayRef<const Value *> values,
                                     double *bytes = nullptr, const Value *columnScale = nullptr);
  /// Row vectors as float32, one after another; Null for none.
  llvm::Expected<rt::CudaArg> vectors(llvm::ArrayRef<const Value *> values);
  llvm::Expected<rt::CudaArg> vectors(const NamedOperands &operands);
  /// A value of the step, or the logits.
  rt::CudaArg value(const Value &v) const;
  /// Behind the values: what a launch hands to the next one, where an op is several launches.
  rt::CudaArg scratch() const { return scratchPlace; }

  /// Rows that small kernels are built for: few classes, since they depend little on it.
  int smallRows() const;
  /// Rows of the largest bucket that there is.
  int stepRows() const { return int(std::max(options.maxStepTokens, options.maxStepLogits)); }
  /// Rows at most of what the list works on, in any bucket.
  int mostRows() const { return int(isHead() ? options.maxStepLogits : options.maxStepTokens); }

  /// Adds a launch of `callee`, whose kernel is named after what it does; its costs are filled in by the caller.
  template <typename Config>
  Launch launch(const Op &op, llvm::StringRef name, const CudaTemplate &callee, const Config &config,
                llvm::ArrayRef<rt::CudaArg> args) {
    TRY_ASSIGN(kernel, kernels.add(op, name, callee, config, int(args.size()), rows));
    plan.workspaceBytes = std::max(plan.workspaceBytes, plan.kernels[kernel].workspaceBytes);
    plan.counterBytes = std::max(plan.counterBytes, plan.kernels[kernel].counterBytes);
    launches->push_back({kernel, &op, {args.begin(), args.end()}});
    return &launches->back();
  }

  /// Multiprocessors that grids are made for.
  int sms() const { return options.arch->sms; }

  const CudaSelectOptions &options;
  const Value &logits;
  const bool native; ///< wgmma and what comes with it
  CudaLaunchPlan plan;
  CudaKernelTable kernels{plan};
  CudaPart part{};
  int64_t rows = 0; ///< of the bucket

private:
  void placeScratch(const Graph &graph);

  std::vector<CudaKernelLaunch> *launches = nullptr;
  rt::CudaArg scratchPlace{};
};

// How ops become launches. Each adds to the list that the builder is at.

llvm::Error selectMatmul(CudaListBuilder &list, const Linear &op);
llvm::Error selectMatmul(CudaListBuilder &list, const SwigluLinear &op);
llvm::Error selectAttention(CudaListBuilder &list, const RopeAttention &op);
/// The layers of the decode list and the dense head of one row as one resident kernel, if the model and the
/// architecture allow it. After all other lists.
llvm::Error selectResident(CudaListBuilder &list);
/// Whether a matmul of the list norms x by squares that whoever makes x has to leave in the scratch. Nothing else uses
/// that between the two.
bool normedBySquares(const CudaListBuilder &list, const Value &x);
/// rms_norm of x to `out`, on behalf of `op`; `weight` null: it is folded into what reads `out`.
llvm::Error selectNorm(CudaListBuilder &list, const Op &op, const Value &x, const Value *weight, double eps,
                       rt::CudaArg out);

} // namespace sinter
