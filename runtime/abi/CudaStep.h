// SPDX-License-Identifier: Apache-2.0
// What every CUDA kernel of a step is handed: the step as device arrays, and its own buffers. Included by the runtime
// and, through NVRTC, by templates/cuda, so it includes nothing.
//
//   extern "C" __global__ void k02_rms_norm(const __grid_constant__ CudaStep step,
//                                           const __grid_constant__ CudaArgs<3> args)
#pragma once

namespace sinter::rt {

/// How one row of logits becomes a token; runtime/engine/Sampler.h states the order of its parts.
struct CudaSampling {
  float temperature; ///< 0: the largest logit; below 0: no token is wanted, and the logits are left as they are
  float topP, minP;
  float repetition, frequency, presence; ///< penalties; 1, 0, 0: none
  int topK;                              ///< 0: all
  unsigned seed[2];                      ///< Philox key
  unsigned index;                        ///< of the token in the output: Philox counter
  int historyBegin, historyEnd;          ///< of CudaStep::history: the distinct tokens of this sequence so far
  int biasBegin, biasEnd;                ///< of CudaStep::bias
};

/// A token of a sequence's past: how often it is in the output; 0: only in the prompt.
struct CudaTokenCount {
  int token, count;
};

struct CudaLogitBias {
  int token;
  float bias;
};

/// Arrays in device memory, at the same addresses in every step, so that a graph can be launched again. A kernel is
/// built for a bucket: rows from counts[Tokens] on (or counts[Logits]) are padding; what is computed for them is never
/// read, and must not be appended to the KV cache.
struct CudaStep {
  enum Count { Tokens, Sequences, Logits, NumCounts };
  const int *counts;         ///< [NumCounts]; of a head's kernels: Tokens is S
  const int *tokens;         ///< [T]; below 0: the token that row ~tokens[t] of the step before has sampled
  const int *positions;      ///< [T]
  const int *slots;          ///< [T], where a token's key and value go: block * block tokens + place in the block
  const int *queryStart;     ///< [sequences + 1]
  const int *contextLengths; ///< [sequences], with this step's tokens
  const int *blockTable;     ///< [sequences, blockTableStride], ids of KV blocks in order of position
  int blockTableStride;
  const int *logitRows;          ///< [S], rows of T, ascending
  const CudaSampling *sampling;  ///< [S]
  const CudaTokenCount *history; ///< of all rows
  const CudaLogitBias *bias;     ///< of all rows
  int *sampled;                  ///< [S], what this step's sampling leaves; -1: its logits are not finite
  int *published;                ///< [S], the same in memory of the host, which no kernel reads; null: nobody looks
};

/// A launch's buffers in the order of the plan; null where the template's optional buffer is absent.
template <int N>
struct CudaArgs {
  void *pointers[N];
  template <typename T>
  T *get(int i) const {
    return static_cast<T *>(pointers[i]);
  }
};

} // namespace sinter::rt
