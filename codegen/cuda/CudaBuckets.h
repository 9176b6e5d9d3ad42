// SPDX-License-Identifier: Apache-2.0
// The numbers of rows that a step's lists are made for. A step runs in the smallest bucket that holds it, and pays for
// all of its rows where matmuls work in tiles of fixed size: up to 512, beyond which they adapt to the step.
#pragma once
#include <cstdint>
#include <vector>

namespace sinter {

/// For steps in which every sequence has one token, and for heads: powers of two, from 64 on those and a half between,
/// as far as tiles differ; `most`, the last, is where there is no room for more.
std::vector<int64_t> decodeBuckets(int64_t most);

/// For steps with prompts among them: of those above what a kernel that streams weights takes, 16, to where tiles
/// adapt; then `most`.
std::vector<int64_t> mixedBuckets(int64_t most);

} // namespace sinter
