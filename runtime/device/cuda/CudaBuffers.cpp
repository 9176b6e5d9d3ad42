// SPDX-License-Identifier: Apache-2.0
// Allocation, addresses and tensor maps.
#include "runtime/device/cuda/CudaBuffers.h"
#include <cassert>
#include <cstring>

namespace sinter::rt {
namespace {

Result<CudaTensorMapImage> encode(const CudaDriver &driver, const CudaTensorMap &map, CudaAddress base) {
  CudaTensorMapImage image{};
  const uint32_t elementStrides[5] = {1, 1, 1, 1, 1};
  auto encoded =
      driver.call(driver.cuTensorMapEncodeTiled, &image, cudaTensorBfloat16, static_cast<uint32_t>(map.rank),
                  reinterpret_cast<void *>(base), map.dims, map.strides, map.box, elementStrides, /*interleave=*/0,
                  map.swizzle128 ? cudaTensorSwizzle128 : cudaTensorSwizzleNone, cudaTensorPromoteL2To128,
                  /*outOfBoundsFill=*/0);
  if (!encoded)
    return tl::unexpected(encoded.error());
  return image;
}

} // namespace

Result<CudaBuffers> CudaBuffers::allocate(const CudaDriver &driver, const Plan &plan, const CudaMemoryPlan &sizes,
                                          int32_t numBlocks, CudaStreamHandle stream) {
  CudaBuffers buffers;
  buffers.kvLayerBytes = plan.kvBlockBytes * static_cast<uint64_t>(numBlocks);
  uint64_t kvBytes = buffers.kvLayerBytes * static_cast<uint64_t>(plan.numLayers);
  const struct {
    CudaMemory &memory;
    uint64_t bytes;
    const char *what;
    bool zero;
  } parts[] = {{buffers.weightMemory, sizes.weights, "the weights", false},
               {buffers.arena, sizes.arena, "activations", false},
               {buffers.workspace, sizes.workspace, "the workspace", false},
               {buffers.counters, sizes.counters, "counters", true},
               {buffers.exchange, sizes.exchange, "the exchange", true},
               {buffers.logitMemory, sizes.logits, "logits", false},
               {buffers.kv, kvBytes, "the KV cache", true}};
  for (const auto &part : parts) {
    Result<CudaMemory> memory = allocateCudaMemory(driver, part.bytes, part.what);
    if (!memory)
      return tl::unexpected(memory.error());
    part.memory = std::move(*memory);
    if (part.zero && part.bytes > 0)
      if (auto zeroed =
              driver.call(driver.cuMemsetD8Async, part.memory.get(), static_cast<unsigned char>(0), part.bytes, stream);
          !zeroed)
        return tl::unexpected(zeroed.error());
  }
  return buffers;
}

Result<void> CudaBuffers::makeTensorMaps(const CudaDriver &driver, const CudaPlan &plan, CudaStreamHandle stream) {
  size_t bytes = static_cast<size_t>(plan.numTensorMaps) * sizeof(CudaTensorMapImage);
  if (bytes == 0)
    return {};
  Result<CudaMemory> memory = allocateCudaMemory(driver, bytes, "tensor maps");
  Result<CudaPinned> pinned = allocateCudaPinned(driver, bytes);
  if (!memory || !pinned)
    return tl::unexpected(memory ? pinned.error() : memory.error());
  auto *images = static_cast<CudaTensorMapImage *>(pinned->get());
  for (int32_t i = 0; i < plan.numTensorMaps; ++i) {
    Result<CudaTensorMapImage> image = encode(driver, plan.tensorMaps[i], address(plan.tensorMaps[i].base));
    if (!image)
      return fail("tensor map " + std::to_string(i) + ": " + image.error().message);
    images[i] = *image;
  }
  tensorMaps = std::move(*memory);
  return driver.call(driver.cuMemcpyHtoDAsync_v2, tensorMaps.get(), images, bytes, stream).and_then([&] {
    return driver.call(driver.cuStreamSynchronize, stream);
  });
}

Result<void> CudaBuffers::makePointers(const CudaDriver &driver, const CudaPlan &plan, CudaStreamHandle stream) {
  size_t bytes = static_cast<size_t>(plan.numPointers) * sizeof(CudaAddress);
  if (bytes == 0)
    return {};
  Result<CudaMemory> memory = allocateCudaMemory(driver, bytes, "pointers");
  Result<CudaPinned> pinned = allocateCudaPinned(driver, bytes);
  if (!memory || !pinned)
    return tl::unexpected(memory ? pinned.error() : memory.error());
  auto *addresses = static_cast<CudaAddress *>(pinned->get());
  for (int32_t i = 0; i < plan.numPointers; ++i)
    addresses[i] = address(plan.pointers[i]);
  pointers = std::move(*memory);
  return driver.call(driver.cuMemcpyHtoDAsync_v2, pointers.get(), addresses, bytes, stream).and_then([&] {
    return driver.call(driver.cuStreamSynchronize, stream);
  });
}

CudaAddress CudaBuffers::address(const CudaArg &arg) const {
  switch (arg.kind) {
  case CudaArgKind::Null:
    return 0;
  case CudaArgKind::Weight:
    return weightMemory.get() + arg.offset;
  case CudaArgKind::Value:
    return arena.get() + arg.offset;
  case CudaArgKind::KvLayer:
    return kv.get() + arg.offset * kvLayerBytes;
  case CudaArgKind::Logits:
    return logitMemory.get();
  case CudaArgKind::Workspace:
    return workspace.get() + arg.offset;
  case CudaArgKind::Counters:
    return counters.get() + arg.offset;
  case CudaArgKind::TensorMap:
    return tensorMaps.get() + arg.offset * sizeof(CudaTensorMapImage);
  case CudaArgKind::Pointers:
    return pointers.get() + arg.offset * sizeof(CudaAddress);
  case CudaArgKind::Exchange:
    return exchange.get() + arg.offset;
  }
  assert(false && "unknown CudaArgKind");
  return 0;
}

} // namespace sinter::rt
