// SPDX-License-Identifier: Apache-2.0
// The device memory of a loaded model, and where a launch's buffers lie in it.
#pragma once
#include "runtime/abi/Plan.h"
#include "runtime/device/cuda/CudaMemoryPlan.h"
#include "runtime/device/cuda/CudaResources.h"

namespace sinter::rt {

class CudaBuffers {
public:
  /// Counters, the exchange and KV pools are zero once `stream` is done: attention multiplies what is in a block by 0,
  /// which a NaN would survive.
  static Result<CudaBuffers> allocate(const CudaDriver &driver, const Plan &plan, const CudaMemoryPlan &sizes,
                                      int32_t numBlocks, CudaStreamHandle stream);
  /// Copies up the plan's tensor maps, encoded, and the addresses that CudaPlan::pointers asks for; synchronous.
  Result<void> makeTables(const CudaDriver &driver, const CudaPlan &plan, CudaStreamHandle stream);

  CudaAddress address(const CudaArg &arg) const;
  CudaAddress weights() const { return weightMemory.get(); }
  CudaAddress logits() const { return logitMemory.get(); }

private:
  CudaMemory weightMemory, arena, workspace, counters, exchange, logitMemory, kv, tensorMaps, pointers;
  uint64_t kvLayerBytes = 0;
};

} // namespace sinter::rt
