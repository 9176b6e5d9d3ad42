// SPDX-License-Identifier: Apache-2.0
// Quantized weights times quantized activations, every format; sizes leave partial panels and cross chunks of K.
#include "Formats.h"
#include "LinearCase.h"

using namespace sinter::cpu;
using namespace sinter::cpu::test;

namespace {

template <WeightFormat F, int64_t k>
constexpr LinearConfig config{.k = k, .n = 37, .weight = F, .x = Element::Q8};

TEST(LinearInt8, Q8_0) { expectRight<config<q8_0, 1056>>(2e-7); }
TEST(LinearInt8, Q4_0) { expectRight<config<q4_0, 96>>(2e-7); }
TEST(LinearInt8, Q4_1) { expectRight<config<q4_1, 1056>>(2e-7); }
TEST(LinearInt8, Q5_0) { expectRight<config<q5_0, 96>>(2e-7); }
TEST(LinearInt8, Q5_1) { expectRight<config<q5_1, 1056>>(2e-7); }
TEST(LinearInt8, Q4_K) { expectRight<config<q4_k, 1536>>(2e-7); }
TEST(LinearInt8, Q5_K) { expectRight<config<q5_k, 256>>(2e-7); }
TEST(LinearInt8, Q6_K) { expectRight<config<q6_k, 1536>>(2e-7); }
TEST(LinearInt8, UnsignedBytesAndWideGroups) { expectRight<config<u8, 128>>(2e-7); }
TEST(LinearInt8, GroupsOf128) { expectRight<config<i4g128, 1152>>(2e-7); }

} // namespace
