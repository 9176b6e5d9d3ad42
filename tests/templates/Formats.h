// SPDX-License-Identifier: Apache-2.0
// The weight formats that checkpoints come in, for kernel tests.
#pragma once
#include "templates/cpu/layout.h"

namespace sinter::cpu::test {

inline constexpr WeightFormat f32{}, f16{.element = Element::F16}, bf16{.element = Element::BF16};
inline constexpr WeightFormat q8_0{.bits = 8, .group = 32}, q4_0{.bits = 4, .group = 32}, q5_0{.bits = 5, .group = 32};
inline constexpr WeightFormat q4_1{.bits = 4, .isSigned = false, .hasMin = true, .group = 32};
inline constexpr WeightFormat q5_1{.bits = 5, .isSigned = false, .hasMin = true, .group = 32};
inline constexpr WeightFormat q4_k{
    .bits = 4, .isSigned = false, .hasMin = true, .subBits = 6, .group = 32, .super = 256};
inline constexpr WeightFormat q5_k{
    .bits = 5, .isSigned = false, .hasMin = true, .subBits = 6, .group = 32, .super = 256};
inline constexpr WeightFormat q6_k{.bits = 6, .subBits = 8, .group = 16, .super = 256};
// No file format that we know, but types the IR can say.
inline constexpr WeightFormat u8{.bits = 8, .isSigned = false, .hasMin = true, .group = 64};
inline constexpr WeightFormat i4g128{.bits = 4, .group = 128};

inline constexpr WeightFormat q6{.bits = 6, .group = 32};

} // namespace sinter::cpu::test
