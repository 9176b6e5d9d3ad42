// SPDX-License-Identifier: Apache-2.0
// Which count of a step says how many rows a kernel has. Plain C++20.
#pragma once

namespace sinter::cuda {

enum class Rows : unsigned char {
  Tokens, ///< T: kernels of a body
  Logits, ///< S: kernels of a head
};

constexpr const char *nameOf(Rows rows) { return rows == Rows::Tokens ? "Rows::Tokens" : "Rows::Logits"; }

} // namespace sinter::cuda
