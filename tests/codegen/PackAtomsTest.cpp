// SPDX-License-Identifier: Apache-2.0
// Atoms of packed weights, each element looked for where the words of templates/cuda/layout.h say it lies.
#include "codegen/cuda/PackAtoms.h"
#include "FloatTensor.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <deque>
#include <gtest/gtest.h>

namespace sinter {
namespace {

uint16_t nearestBfloat(float value) {
  llvm::APFloat exact(value);
  bool lost;
  exact.convert(llvm::APFloat::BFloat(), llvm::APFloat::rmNearestTiesToEven, &lost);
  return uint16_t(exact.bitcastToAPInt().getZExtValue());
}

/// [tile of 16 rows][block of 64 columns][rows 0-7, rows 8-15][8][64], the 16-byte piece c of row r at place c ^ r.
size_t placeOf(int64_t row, int64_t column, int64_t k) {
  int64_t blocks = (k + 63) / 64, tile = row / 16, half = row / 8 % 2, r = row % 8;
  int64_t block = column / 64, piece = column % 64 / 8, element = column % 8;
  int64_t atom = (tile * blocks + block) * 2 + half;
  return size_t(atom * 512 + r * 64 + (piece ^ r) * 8 + element);
}

/// A stream that is zero but for what `set` was told.
class Stream {
public:
  Stream(int64_t rows, int64_t k) : k(k), elements(size_t((rows + 15) / 16 * 16 * ((k + 63) / 64 * 64))) {}
  void set(int64_t row, int64_t column, float value) { elements[placeOf(row, column, k)] = nearestBfloat(value); }

  const int64_t k;
  std::vector<uint16_t> elements;
};

std::vector<uint16_t> pack(llvm::ArrayRef<const WeightTensor *> parts, bool swiglu, llvm::ArrayRef<float> scale = {}) {
  std::deque<Value> weights;
  llvm::SmallVector<const Value *> pointers;
  for (const WeightTensor *part : parts)
    pointers.push_back(&weights.emplace_back(Value::Kind::Weight, part->type, part->name));
  std::vector<uint16_t> out(packedAtomBytes(pointers) / 2, 0x7fff); // what is not written shows
  auto *bytes = reinterpret_cast<uint8_t *>(out.data());
  llvm::cantFail(packAtoms(parts, swiglu, scale, {bytes, out.size() * 2}));
  return out;
}

TEST(PackAtoms, RowsAndColumnsEndInZeros) {
  for (auto [n, k] : {std::pair(16, 64), {8, 64}, {24, 72}, {40, 200}, {16, 8}}) {
    FloatTensor w("w", {n, k});
    Stream expected(n, k);
    for (int64_t row = 0; row < n; ++row)
      for (int64_t column = 0; column < k; ++column)
        expected.set(row, column, w.values[size_t(row * k + column)]);
    EXPECT_EQ(pack({&w}, false), expected.elements) << n << " x " << k;
  }
}

TEST(PackAtoms, StackedWeightsFollowEachOther) {
  FloatTensor q("q", {32, 64}, 1), k("k", {16, 64}, 2), v("v", {24, 64}, 3);
  Stream expected(72, 64);
  int64_t row = 0;
  for (const FloatTensor *w : {&q, &k, &v})
    for (size_t i = 0; i < w->values.size(); ++i, row += i % 64 == 0)
      expected.set(row, int64_t(i % 64), w->values[i]);
  EXPECT_EQ(pack({&q, &k, &v}, false), expected.elements);
}

TEST(PackAtoms, GateAndUpTakeTurnsByEightRows) {
  FloatTensor gate("gate", {24, 128}, 1), up("up", {24, 128}, 2);
  Stream expected(48, 128);
  for (int64_t row = 0; row < 24; ++row)
    for (int64_t column = 0; column < 128; ++column) {
      expected.set(row / 8 * 16 + row % 8, column, gate.values[size_t(row * 128 + column)]);
      expected.set(row / 8 * 16 + 8 + row % 8, column, up.values[size_t(row * 128 + column)]);
    }
  EXPECT_EQ(pack({&gate, &up}, true), expected.elements);
}

TEST(PackAtoms, ColumnsAreScaledBeforeTheyAreRounded) {
  FloatTensor w("w", {16, 64}), scale("scale", {64}, 2);
  Stream expected(16, 64), roundedFirst(16, 64);
  for (int64_t row = 0; row < 16; ++row)
    for (int64_t column = 0; column < 64; ++column) {
      float value = w.values[size_t(row * 64 + column)], factor = scale.values[size_t(column)];
      expected.set(row, column, value * factor);
      float rounded = llvm::bit_cast<float>(uint32_t(nearestBfloat(value)) << 16);
      roundedFirst.set(row, column, rounded * factor);
    }
  EXPECT_EQ(pack({&w}, false, scale.values), expected.elements);
  EXPECT_NE(pack({&w}, false, scale.values), roundedFirst.elements);
}

TEST(PackAtoms, RoundsToNearestEven) {
  FloatTensor w("w", {8, 8});
  auto bits = [](uint32_t b) { return llvm::bit_cast<float>(b); };
  std::vector<std::pair<float, uint16_t>> cases = {
      {bits(0x3f800000), 0x3f80}, {bits(0x3f807fff), 0x3f80}, {bits(0x3f808000), 0x3f80}, // a tie: to even, down
      {bits(0x3f808001), 0x3f81}, {bits(0x3f818000), 0x3f82},                             // a tie: to even, up
      {bits(0xbf818000), 0xbf82}, {bits(0x3fffffff), 0x4000},                             // to the next power of two
      {bits(0x7f7fffff), 0x7f80}, {INFINITY, 0x7f80},         {-INFINITY, 0xff80},        {-0.0f, 0x8000},
      {bits(0x00000001), 0x0000}, {bits(0x00010000), 0x0001}};
  for (auto [i, c] : llvm::enumerate(cases))
    w.values[i] = c.first;
  w.values[63] = bits(0x7f800001); // a NaN whose upper half alone is infinity
  std::vector<uint16_t> packed = pack({&w}, false);
  for (auto [i, c] : llvm::enumerate(cases))
    EXPECT_EQ(packed[placeOf(int64_t(i / 8), int64_t(i % 8), 8)], c.second) << c.first;
  uint16_t nan = packed[placeOf(7, 7, 8)];
  EXPECT_TRUE((nan & 0x7f80) == 0x7f80 && (nan & 0x7f)) << nan;
}

TEST(PackAtoms, LargeWeightsArePackedInPieces) {
  FloatTensor w("w", {1040, 64});
  Stream expected(1040, 64);
  for (size_t i = 0; i < w.values.size(); ++i)
    expected.set(int64_t(i / 64), int64_t(i % 64), w.values[i]);
  EXPECT_EQ(pack({&w}, false), expected.elements);
  EXPECT_EQ(w.mostRows, 16);
}

TEST(PackAtoms, PassesOnWhatReadingSays) {
  FloatTensor good("good", {16, 64}), bad("bad", {16, 64});
  bad.broken = true;
  std::vector<uint8_t> out(2 * 16 * 64 * 2);
  EXPECT_EQ(llvm::toString(packAtoms({&good, &bad}, true, {}, out)), "random.safetensors: bad: no such bytes");
}

} // namespace
} // namespace sinter
