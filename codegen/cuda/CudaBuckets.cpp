// SPDX-License-Identifier: Apache-2.0
#include "codegen/cuda/CudaBuckets.h"

namespace sinter {

namespace {

/// Where matmuls begin to adapt to the rows of a step: above, a list for fewer rows would run the same kernels.
constexpr int64_t lastFixed = 512;

void addUpTo(std::vector<int64_t> &buckets, int64_t rows, int64_t most) {
  if (rows < most)
    buckets.push_back(rows);
}

} // namespace

std::vector<int64_t> decodeBuckets(int64_t most) {
  std::vector<int64_t> buckets;
  for (int64_t rows = 1; rows < most; rows *= 2) {
    buckets.push_back(rows);
    if (rows >= 64 && rows < lastFixed)
      addUpTo(buckets, rows + rows / 2, most);
  }
  buckets.push_back(most);
  return buckets;
}

std::vector<int64_t> mixedBuckets(int64_t most) {
  std::vector<int64_t> buckets;
  for (int64_t rows : decodeBuckets(most))
    if (rows >= 16 && rows <= lastFixed)
      addUpTo(buckets, rows, most);
  buckets.push_back(most);
  return buckets;
}

} // namespace sinter
