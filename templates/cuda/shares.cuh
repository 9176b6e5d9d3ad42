// SPDX-License-Identifier: Apache-2.0
// Work cut into even shares.
#pragma once

namespace sinter::cuda {

/// The items [first, first + count).
struct Share {
  int first, count;
};

/// Share `index` of `items` cut into `shares`: the first ones have one more where they do not come out even.
template <int Items, int Shares>
__device__ __forceinline__ Share shareOf(int index) {
  constexpr int each = Items / Shares, more = Items % Shares;
  return {index * each + (index < more ? index : more), each + (index < more)};
}

} // namespace sinter::cuda
