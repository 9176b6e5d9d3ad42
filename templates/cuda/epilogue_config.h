// SPDX-License-Identifier: Apache-2.0
// What every matmul can do to its sums before it stores them. Plain C++20.
// Source of SwiGLU: Shazeer, "GLU Variants Improve Transformer", 2020
#pragma once

namespace sinter::cuda {

enum class Epilogue : unsigned char {
  None,
  Residual, ///< y += residual [rows, n], of y's element type; y itself may be the residual
  SwiGlu,   ///< y = silu(gate) * up, the weight packed by packGateUp
};
constexpr const char *nameOf(Epilogue e) {
  return e == Epilogue::None ? "Epilogue::None" : e == Epilogue::Residual ? "Epilogue::Residual" : "Epilogue::SwiGlu";
}

/// The element type of y.
enum class Out : unsigned char { Bf16, F32 };
constexpr const char *nameOf(Out o) { return o == Out::Bf16 ? "Out::Bf16" : "Out::F32"; }

} // namespace sinter::cuda
