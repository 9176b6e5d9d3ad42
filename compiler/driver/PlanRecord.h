// SPDX-License-Identifier: Apache-2.0
// A launch plan as data for those who look at it, the same for every target: the payload's section "plan", which the
// compiler writes as JSON and `sinter inspect` reads.
#pragma once
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <string>
#include <vector>

namespace sinter {

/// Of a GPU's kernel; numbers are -1 where nobody compiled it yet, or a CPU runs it.
struct KernelRecord {
  std::string name; ///< "k02_matvec", the emitted file's stem
  int64_t threads = -1, registers = -1, staticShared = -1, dynamicShared = -1, spillBytes = -1;
};

/// What a launch moves and computes. A step's bytes are weightBytes + rows * rowBytes + context * contextBytes, its
/// FLOPs rows * rowFlops + pairs * pairFlops.
struct LaunchRecord {
  int64_t kernel = 0; ///< of PlanRecord::kernels
  std::string op;     ///< the IR op it serves, printed
  int64_t layer = -1; ///< -1 outside any layer
  int64_t grid = 0;   ///< blocks; 0 on a CPU
  double weightBytes = 0, rowBytes = 0;
  double contextBytes = 0; ///< for every token of context of every sequence
  double rowFlops = 0;
  double pairFlops = 0; ///< for every new token and token of its context
};

/// The launches of steps of one kind up to a size. Kinds: "step", all of a CPU's step; of a GPU's step "decode" or
/// "mixed", its body, and "head", or "dense-head" where every token has a row of logits; "resident" and "resident-head"
/// where a body is one kernel.
struct LaunchListRecord {
  std::string kind;
  int64_t maxRows = 0;
  std::vector<LaunchRecord> launches;
};

struct PlanRecord {
  std::string model, target;
  std::vector<KernelRecord> kernels;
  std::vector<LaunchListRecord> lists; ///< of a kind: ascending in maxRows

  size_t numLaunches() const; ///< of all lists
  /// The list of that kind for `rows`; null when no list is that large.
  const LaunchListRecord *find(llvm::StringRef kind, int64_t rows) const;
};

std::string toJsonText(const PlanRecord &plan);
/// `origin` names the file in errors.
llvm::Expected<PlanRecord> planRecordFromJson(llvm::StringRef text, llvm::StringRef origin);

} // namespace sinter
