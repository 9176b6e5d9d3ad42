// SPDX-License-Identifier: Apache-2.0
// The CUDA part of a launch plan: kernels, and lists of launches that become graphs. Plain constant data, stated by the
// generated plan.cpp.
//
// A step is a body, embedding to the last layer's attention, and a head, from the rows whose logits are wanted to
// sampling. A body is chosen by the number of tokens and by whether every sequence has just one (decode) or not
// (mixed); a head by the number of logits rows and by whether they are all of the step's rows (dense) or must be
// gathered. For a GPU that runs enough blocks at once there may be resident bodies, kernels whose blocks wait for each
// other: they take the place of the decode bodies, each with a head of its own, where every row has logits. The
// executor joins a body and a head to one graph when they first meet. To the kernels of a head,
// CudaStep::counts[Tokens] is the number of logits rows: their CudaStep points to counts of their own.
#pragma once
#include <cstdint>

namespace sinter::rt {

enum class CudaArgKind : uint8_t {
  Null,      ///< an optional buffer that is absent
  Weight,    ///< offset into the weights
  Value,     ///< offset into the activation arena
  KvLayer,   ///< offset is the layer; points at its pool: [block][Plan::kvBlockBytes]
  Logits,    ///< float32 [S, vocab]
  Workspace, ///< scratch of one launch, undefined before it
  Counters,  ///< 32-bit counters that are 0 before every launch, and left 0 by it
  TensorMap, ///< offset is an index into CudaPlan::tensorMaps; points at the 128-byte descriptor
  Pointers,  ///< offset is an index into CudaPlan::pointers; points at the addresses from there on
  Exchange,  ///< memory of resident bodies: 0 at load, and left by one step to the next
};

struct CudaArg {
  CudaArgKind kind;
  uint64_t offset;
};

/// A CUtensorMap that the executor makes at load: bfloat16, element strides of 1, dimension 0 contiguous.
struct CudaTensorMap {
  CudaArg base;
  int32_t rank;        ///< 2 to 5
  uint64_t dims[5];    ///< elements
  uint64_t strides[4]; ///< bytes, of dimensions 1 and on
  uint32_t box[5];     ///< elements
  bool swizzle128;     ///< CU_TENSOR_MAP_SWIZZLE_128B, else none
};

/// A cubin with one entry point, and what ptxas said of it.
struct CudaKernel {
  const char *name;
  uint64_t offset, size;               ///< of the cubin in the payload's section "cubins"
  int32_t registers;                   ///< of a thread
  int32_t staticShared, dynamicShared; ///< bytes of a block
  int32_t spillBytes;
  int32_t threads;
  int32_t cluster; ///< blocks that its code groups; 1: none. More than 8 must be allowed before a launch
};

struct CudaLaunch {
  int32_t kernel; ///< of CudaPlan::kernels
  const char *op; ///< the IR op it serves, printed
  const CudaArg *args;
  int32_t numArgs;
  int32_t layer; ///< -1 outside any layer
  uint32_t grid;
  double weightBytes;  ///< read once a step
  double rowBytes;     ///< activations read and written, for every row
  double contextBytes; ///< KV cache read, for every token of context
  double rowFlops;     ///< for every row
  double pairFlops;    ///< for every row and token of its context
};

struct CudaLaunchList {
  int32_t maxRows; ///< T at most, for a body; S at most, for a head
  const CudaLaunch *launches;
  int32_t numLaunches;
};

struct CudaPlan {
  const char *architecture; ///< "sm_90a"
  const CudaKernel *kernels;
  int32_t numKernels;
  const CudaTensorMap *tensorMaps;
  int32_t numTensorMaps;
  const CudaLaunchList *decode, *mixed, *heads, *denseHeads; ///< each ascending in maxRows
  int32_t numDecode, numMixed, numHeads, numDenseHeads;
  uint64_t workspaceBytes, counterBytes;
  const CudaLaunchList *resident = nullptr, *residentHeads = nullptr; ///< as many of both, ascending in maxRows
  int32_t numResident = 0;
  int32_t residentBlocks = 0; ///< of a resident body, a multiprocessor each, that must run at once
  const CudaArg *pointers = nullptr;
  int32_t numPointers = 0;
  uint64_t exchangeBytes = 0;
};

} // namespace sinter::rt
