// SPDX-License-Identifier: Apache-2.0
// Matmuls in floating point: plain weights in every pairing, and quantized weights with exact activations.
#include "Formats.h"
#include "LinearCase.h"

using namespace sinter::cpu;
using namespace sinter::cpu::test;

namespace {

template <WeightFormat F, Element x, int64_t k>
constexpr LinearConfig config{.k = k, .n = 37, .weight = F, .x = x};

TEST(LinearFloat, F32) { expectRight<config<f32, Element::F32, 101>>(5e-7); }
TEST(LinearFloat, F16TimesF32) { expectRight<config<f16, Element::F32, 101>>(5e-7); }
TEST(LinearFloat, F16TimesF16) { expectRight<config<f16, Element::F16, 397>>(5e-7); }
TEST(LinearFloat, Bf16TimesF32) { expectRight<config<bf16, Element::F32, 397>>(5e-7); }
TEST(LinearFloat, Bf16TimesBf16) { expectRight<config<bf16, Element::BF16, 397>>(5e-7); }
TEST(LinearFloat, Bf16TimesBf16AcrossChunks) { expectRight<config<bf16, Element::BF16, 1001>>(5e-7); }
TEST(LinearFloat, OneColumn) { expectRight<config<bf16, Element::BF16, 1>>(5e-7); }

TEST(LinearFloat, Q8_0Exact) { expectRight<config<q8_0, Element::F32, 96>>(5e-7); }
TEST(LinearFloat, Q4_0Exact) { expectRight<config<q4_0, Element::F32, 96>>(5e-7); }
TEST(LinearFloat, Q4_1Exact) { expectRight<config<q4_1, Element::F32, 1056>>(5e-7); }
TEST(LinearFloat, Q5_0Exact) { expectRight<config<q5_0, Element::F32, 96>>(5e-7); }
TEST(LinearFloat, Q5_1Exact) { expectRight<config<q5_1, Element::F32, 96>>(5e-7); }
TEST(LinearFloat, Q4_KExact) { expectRight<config<q4_k, Element::F32, 512>>(5e-7); }
TEST(LinearFloat, Q5_KExact) { expectRight<config<q5_k, Element::F32, 256>>(5e-7); }
TEST(LinearFloat, Q6_KExact) { expectRight<config<q6_k, Element::F32, 512>>(5e-7); }

} // namespace
