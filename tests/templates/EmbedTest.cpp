// SPDX-License-Identifier: Apache-2.0
// Embedding rows out of packed and plain tables.
#include "templates/cpu/embed.h"
#include "KernelHarness.h"
#include "PackedWeight.h"

using namespace sinter;
using namespace sinter::cpu;
using namespace sinter::cpu::test;

namespace {

constexpr int vocabulary = 37;
const std::vector<int32_t> tokens{0, 36, 15, 16, 17, 36};

template <EmbedConfig C>
Buffer runEmbed(Buffer &table, int32_t threads) {
  Buffer y(int64_t(tokens.size()) * rowBytes(C.out, C.hidden));
  rt::Step step{.numTokens = int32_t(tokens.size()), .tokens = tokens.data()};
  runTeam(embed<C>, step, {&table, &y}, C.scratchBytes(), threads);
  return y;
}

template <EmbedConfig C>
void checkPacked() {
  PackedWeight weight(C.table, vocabulary, C.hidden, 5);
  Buffer table(packedBytes(C.table, vocabulary, C.hidden));
  std::memcpy(table.data(), weight.packed.data(), table.size);
  Buffer y = runEmbed<C>(table, 2);
  std::vector<double> want;
  for (int32_t token : tokens)
    want.insert(want.end(), weight.values.begin() + token * C.hidden, weight.values.begin() + (token + 1) * C.hidden);
  expectClose(decode(C.out, y, C.hidden), want, tolerance(C.out), 1e-3);
}

TEST(Embed, ReadsThePackedTableOfAMatmul) {
  checkPacked<{.hidden = 64, .table = {.bits = 4, .isSigned = false, .hasMin = true, .group = 32}}>();
  checkPacked<{.hidden = 64, .table = {.bits = 8, .group = 32}, .out = Element::F16}>();
  checkPacked<{.hidden = 36, .table = {.element = Element::BF16}, .out = Element::BF16}>();
}

template <EmbedConfig C>
void checkRowMajor() {
  std::vector<float> values = rounded(C.table.element, randomFloats(vocabulary * C.hidden, 6)), want;
  for (int32_t token : tokens)
    want.insert(want.end(), values.begin() + token * C.hidden, values.begin() + (token + 1) * C.hidden);
  Buffer table = encode(C.table.element, values);
  Buffer y = runEmbed<C>(table, 3);
  EXPECT_EQ(decode(C.out, y, C.hidden), want);
}

TEST(Embed, ReadsAPlainTable) {
  checkRowMajor<{.hidden = 36, .table = {.element = Element::F32}, .rowMajor = true}>();
  checkRowMajor<{.hidden = 20, .table = {.element = Element::BF16}, .rowMajor = true}>();
}

TEST(Embed, EncodesTheFloatRow) {
  constexpr EmbedConfig C{.hidden = 64, .table = {.element = Element::F16}, .rowMajor = true};
  constexpr EmbedConfig toQ8{.hidden = 64, .table = {.element = Element::F16}, .rowMajor = true, .out = Element::Q8};
  Buffer table = encode(C.table.element, randomFloats(vocabulary * C.hidden, 7));
  Buffer floats = runEmbed<C>(table, 1), q8 = runEmbed<toQ8>(table, 2);
  expectQ8Of(q8, floats, C.hidden);
}

} // namespace
