// SPDX-License-Identifier: Apache-2.0
// Where a matmul leaves the squares of y, added up for every 64 columns, for the one that norms it.
#pragma once
#include "templates/cuda/layout.h"
#include "templates/cuda/ptx/types.cuh"

namespace sinter::cuda {

/// Rows whose squares of the same columns lie side by side: a line of memory.
constexpr int squareRows = 32;

/// Place of the squares of a row's columns from 64 `block` on: [rows / 32][blocks][32 rows] floats, whatever number of
/// rows a kernel is for.
__device__ __forceinline__ long long squaresAt(int row, int block, int blocks) {
  return ((long long)(row / squareRows) * blocks + block) * squareRows + row % squareRows;
}

} // namespace sinter::cuda
