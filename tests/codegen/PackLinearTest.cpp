// SPDX-License-Identifier: Apache-2.0
// Packed weights read back through the kernels' own reader are the tensor's floats, bit for bit.
#include "codegen/cpu/PackLinear.h"
#include "templates/cpu/gather_row.h"
#include <gtest/gtest.h>
#include <random>

using namespace sinter;

namespace {

/// A random tensor of any type, held in the neutral form that importers give out.
class RandomTensor : public WeightTensor {
public:
  RandomTensor(ElementType element, int64_t n, int64_t k, uint32_t seed) : n(n), k(k), random(seed) {
    name = "w" + std::to_string(seed);
    origin = "random.gguf";
    type = Type(element, {Dim(n), Dim(k)});
    floats.resize(size_t(n * k));
    element.isQuantized() ? fillQuantized(element.quant()) : fillFloats(element.scalar());
  }

  llvm::Error readFloats(int64_t begin, int64_t end, llvm::MutableArrayRef<float> out) const override {
    std::copy(floats.begin() + begin * k, floats.begin() + end * k, out.begin());
    return llvm::Error::success();
  }
  llvm::Error readQuant(int64_t begin, int64_t end, QuantRows &out) const override {
    auto slice = [&](const auto &all) {
      auto length = ptrdiff_t(all.size()) / n;
      return std::decay_t<decltype(all)>(all.begin() + begin * length, all.begin() + end * length);
    };
    out = {end - begin,
           k,
           slice(quant.codes),
           slice(quant.superScales),
           slice(quant.superMins),
           slice(quant.subScales),
           slice(quant.subMins)};
    return llvm::Error::success();
  }

  const int64_t n, k;
  std::vector<float> floats;
  QuantRows quant;

private:
  float half(float low, float high) {
    float value = std::uniform_real_distribution<float>(low, high)(random);
    return cpu::halfToFloat(cpu::floatToHalf(value));
  }
  int integer(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

  void fillFloats(Scalar s) {
    for (float &f : floats) {
      f = std::uniform_real_distribution<float>(-1, 1)(random);
      f = s == Scalar::F16    ? cpu::halfToFloat(cpu::floatToHalf(f))
          : s == Scalar::BF16 ? cpu::bf16ToFloat(cpu::floatToBf16(f))
                              : f;
    }
  }
  void fillQuantized(const Quant &q) {
    int64_t span = q.super ? q.super : q.group, offset = q.isSigned ? 1 << (q.bits - 1) : 0;
    float superScale = 0, superMin = 0, scale = 0, minimum = 0;
    for (int64_t i = 0; i < n * k; ++i) {
      if (i % span == 0) {
        quant.superScales.push_back(superScale = half(-0.01f, 0.01f));
        if (q.hasMin)
          quant.superMins.push_back(superMin = half(-0.5f, 0.5f));
      }
      if (i % q.group == 0) {
        scale = superScale, minimum = superMin;
        if (q.subBits) {
          quant.subScales.push_back(int8_t(q.hasMin ? integer(0, 63) : integer(-128, 127)));
          scale = superScale * quant.subScales.back();
          if (q.hasMin) {
            quant.subMins.push_back(int8_t(integer(0, 63)));
            minimum = superMin * quant.subMins.back();
          }
        }
      }
      quant.codes.push_back(uint8_t(integer(0, (1 << q.bits) - 1)));
      floats[size_t(i)] = scale * float(quant.codes.back() - offset) + (q.hasMin ? minimum : 0.0f);
    }
  }

  std::mt19937 random;
};

std::vector<uint8_t> pack(llvm::ArrayRef<const WeightTensor *> parts, bool swiglu) {
  const Type &type = parts.front()->type;
  std::vector<uint8_t> out(packedLinearBytes(type.element, type.dim(0).number(), type.dim(1).number()) * parts.size(),
                           0xee);
  llvm::Error e = packLinear(parts, swiglu, out);
  EXPECT_FALSE(bool(e)) << toString(std::move(e));
  return out;
}

template <cpu::WeightFormat F, int64_t k>
void expectRoundTrip(ElementType element) {
  auto format = packedFormat(element, k);
  ASSERT_TRUE(bool(format));
  ASSERT_EQ(format->bits, F.bits);
  RandomTensor tensor(element, 37, k, 7);
  std::vector<uint8_t> packed = pack(&tensor, false);
  std::vector<float> row(k);
  for (int64_t r = 0; r < tensor.n; ++r) {
    cpu::gatherRow<F, k>(packed.data(), r, row.data());
    for (int64_t i = 0; i < k; ++i)
      ASSERT_EQ(row[size_t(i)], tensor.floats[size_t(r * k + i)]) << element.str() << " row " << r << " column " << i;
  }
}

TEST(PackLinear, EveryFormatReadsBackExactly) {
  using cpu::Element;
  expectRoundTrip<cpu::WeightFormat{}, 37>(Scalar::F32);
  expectRoundTrip<cpu::WeightFormat{.element = Element::F16}, 37>(Scalar::F16);
  expectRoundTrip<cpu::WeightFormat{.element = Element::BF16}, 37>(Scalar::BF16);
  expectRoundTrip<cpu::WeightFormat{.bits = 8, .group = 32}, 96>(ElementType(quant::q8_0));
  expectRoundTrip<cpu::WeightFormat{.bits = 4, .group = 32}, 96>(ElementType(quant::q4_0));
  expectRoundTrip<cpu::WeightFormat{.bits = 5, .group = 32}, 96>(ElementType(quant::q5_0));
  expectRoundTrip<cpu::WeightFormat{.bits = 4, .isSigned = false, .hasMin = true, .group = 32}, 96>(
      ElementType(quant::q4_1));
  expectRoundTrip<cpu::WeightFormat{.bits = 5, .isSigned = false, .hasMin = true, .group = 32}, 96>(
      ElementType(quant::q5_1));
  expectRoundTrip<
      cpu::WeightFormat{.bits = 4, .isSigned = false, .hasMin = true, .subBits = 6, .group = 32, .super = 256}, 512>(
      ElementType(quant::q4_k));
  expectRoundTrip<
      cpu::WeightFormat{.bits = 5, .isSigned = false, .hasMin = true, .subBits = 6, .group = 32, .super = 256}, 512>(
      ElementType(quant::q5_k));
  expectRoundTrip<cpu::WeightFormat{.bits = 6, .subBits = 8, .group = 16, .super = 256}, 512>(ElementType(quant::q6_k));
}

TEST(PackLinear, BytesStayCloseToTheFile) {
  // Bits a weight of the file's blocks, and of what is packed.
  auto bits = [](const Quant &q, int64_t k) {
    return double(packedLinearBytes(ElementType(q), 160, k)) * 8 / double(160 * k);
  };
  EXPECT_DOUBLE_EQ(bits(quant::q8_0, 576), 8.5);
  EXPECT_DOUBLE_EQ(bits(quant::q4_0, 576), 4.5);
  EXPECT_DOUBLE_EQ(bits(quant::q4_1, 576), 5.0);
  EXPECT_DOUBLE_EQ(bits(quant::q5_0, 576), 5.5);
  EXPECT_DOUBLE_EQ(bits(quant::q6_k, 1536), 6.5625);
  EXPECT_LE(bits(quant::q4_k, 1536), 4.5 * 1.03);
  EXPECT_LE(bits(quant::q5_k, 1536), 5.5 * 1.03);
}

TEST(PackLinear, GateAndUpAlternate) {
  RandomTensor gate(ElementType(quant::q4_0), 40, 64, 1), up(ElementType(quant::q4_0), 40, 64, 2);
  std::vector<uint8_t> both = pack({&gate, &up}, true), gates = pack(&gate, false), ups = pack(&up, false);
  size_t panel = gates.size() / 3;
  ASSERT_EQ(both.size(), 2 * gates.size());
  for (size_t p = 0; p < 3; ++p) {
    EXPECT_TRUE(std::equal(gates.begin() + ptrdiff_t(p * panel), gates.begin() + ptrdiff_t((p + 1) * panel),
                           both.begin() + ptrdiff_t(2 * p * panel)));
    EXPECT_TRUE(std::equal(ups.begin() + ptrdiff_t(p * panel), ups.begin() + ptrdiff_t((p + 1) * panel),
                           both.begin() + ptrdiff_t((2 * p + 1) * panel)));
  }
}

TEST(PackLinear, SaysWhatItCannotPack) {
  Quant three{.bits = 3, .group = 32}, wide = quant::q4_0;
  wide.scale = Scalar::F32;
  auto message = [](ElementType type, int64_t k) { return toString(packedFormat(type, k).takeError()); };
  EXPECT_EQ(message(ElementType(three), 64),
            "no CPU kernel for weights of type i3<g32, f16> with 64 columns: codes must have 4, 5, 6 or 8 bits");
  EXPECT_EQ(message(ElementType(wide), 64),
            "no CPU kernel for weights of type i4<g32, f32> with 64 columns: scales must be f16");
  EXPECT_NE(message(ElementType(quant::q4_0), 48), "");
  EXPECT_NE(message(Scalar::I32, 48), "");

  RandomTensor gate(ElementType(quant::q4_0), 16, 64, 1), up(ElementType(quant::q8_0), 16, 64, 2);
  std::vector<uint8_t> out(2 * packedLinearBytes(gate.type.element, 16, 64));
  EXPECT_EQ(toString(packLinear({&gate, &up}, true, out)),
            "random.gguf: w2: is i8<g32, f16>[16, 64], but w1 is i4<g32, f16>[16, 64]");

  RandomTensor inexact(ElementType(quant::q4_0), 16, 64, 3);
  inexact.quant.superScales[5] = 0.1f;
  std::vector<uint8_t> room(packedLinearBytes(inexact.type.element, 16, 64));
  EXPECT_EQ(toString(packLinear(&inexact, false, room)), "random.gguf: w3: 0.10 is not a float16 number");
}

} // namespace
