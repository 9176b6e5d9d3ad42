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

/// A table on the GPU of what `make` says of each of `count` indices; synchronous.
template <typename T, typename Make>
Result<CudaMemory> uploadTable(const CudaDriver &driver, int32_t count, const char *what, CudaStreamHandle stream,
                               Make &&make) {
  size_t bytes = static_cast<size_t>(count) * sizeof(T);
  if (bytes == 0)
    return CudaMemory();
  Result<CudaMemory> memory = allocateCudaMemory(driver, bytes, what);
  Result<CudaPinned> pinned = allocateCudaPinned(driver, bytes);
  if (!memory || !pinned)
    return tl::unexpected(memory ? pinned.error() : memory.error());
  T *table = static_cast<T *>(pinned->get());
  for (int32_t i = 0; i < count; ++i) {
    Result<T> entry = make(i);
    if (!entry)
      return tl::unexpected(entry.error());
    table[i] = *entry;
  }
  auto copied = driver.call(driver.cuMemcpyHtoDAsync_v2, memory->get(), table, bytes, stream).and_then([&] {
    return driver.call(driver.cuStreamSynchronize, stream);
  });
  if (!copied)
    return tl::unexpected(copied.error());
  return memory;
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

Result<void> CudaBuffers::makeTables(const CudaDriver &driver, const CudaPlan &plan, CudaStreamHandle stream) {
  auto image = [&](int32_t i) -> Result<CudaTensorMapImage> {
    Result<CudaTensorMapImage> encoded = encode(driver, plan.tensorMaps[i], address(plan.tensorMaps[i].base));
    if (!encoded)
      return fail("tensor map " + std::to_string(i) + ": " + encoded.error().message);
    return encoded;
  };
  auto pointer = [&](int32_t i) -> Result<CudaAddress> { return address(plan.pointers[i]); };
  auto maps = uploadTable<CudaTensorMapImage>(driver, plan.numTensorMaps, "tensor maps", stream, image);
  if (!maps)
    return tl::unexpected(maps.error());
  tensorMaps = std::move(*maps);
  auto addresses = uploadTable<CudaAddress>(driver, plan.numPointers, "pointers", stream, pointer);
  if (!addresses)
    return tl::unexpected(addresses.error());
  pointers = std::move(*addresses);
  return {};
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
