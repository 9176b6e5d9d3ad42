// SPDX-License-Identifier: Apache-2.0
// Runs linear<C> with a real team of threads over guarded, poisoned buffers, and computes the same in float64.
#pragma once
#include "PackedWeight.h"
#include "templates/cpu/linear.h"
#include <cmath>
#include <gtest/gtest.h>
#include <thread>

namespace sinter::cpu::test {

/// Runs a kernel with `threads` threads, each with its own guarded scratch.
inline void runTeam(rt::KernelFn kernel, const rt::Step &step, std::vector<void *> pointers, int threads,
                    size_t scratchBytes) {
  rt::TeamBarrier barrier;
  std::vector<Guarded> scratch;
  for (int i = 0; i < threads; ++i)
    scratch.emplace_back(scratchBytes);
  auto work = [&](int i) {
    rt::Worker worker;
    worker.index = i;
    worker.count = threads;
    worker.scratch = scratch[size_t(i)].data();
    worker.team = &barrier;
    kernel(step, rt::Args{pointers.data()}, worker);
  };
  std::vector<std::thread> team;
  for (int i = 1; i < threads; ++i)
    team.emplace_back(work, i);
  work(0);
  for (auto &t : team)
    t.join();
  for (auto &s : scratch)
    EXPECT_TRUE(s.intact()) << "scratch overrun";
}

constexpr int64_t rowBytes(Element e, int64_t columns) {
  return e == Element::Q8 ? int64_t(q8RecordBytes(columns)) : columns * (e == Element::F32 ? 4 : 2);
}

/// Element i of a row, widened.
inline double elementOf(Element e, const std::byte *row, int64_t columns, int64_t i) {
  if (e == Element::F32)
    return reinterpret_cast<const float *>(row)[i];
  auto *halves = reinterpret_cast<const uint16_t *>(row);
  if (e == Element::F16)
    return halfToFloat(halves[i]);
  if (e == Element::BF16)
    return bf16ToFloat(halves[i]);
  return double(q8Scales(row, columns)[i / q8Group]) * q8Codes(row)[i];
}

inline void putElement(Element e, std::byte *row, int64_t i, float v) {
  if (e == Element::F32)
    reinterpret_cast<float *>(row)[i] = v;
  else
    reinterpret_cast<uint16_t *>(row)[i] = e == Element::F16 ? floatToHalf(v) : floatToBf16(v);
}

/// Random rows of any element type.
inline Guarded randomRows(Element e, int64_t rows, int64_t columns, uint32_t seed) {
  Guarded out(size_t(rows * rowBytes(e, columns)));
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> row(static_cast<size_t>(columns));
  for (int64_t r = 0; r < rows; ++r) {
    std::byte *at = out.data() + r * rowBytes(e, columns);
    for (int64_t i = 0; i < columns; ++i) {
      row[size_t(i)] = normal(random);
      if (e != Element::Q8)
        putElement(e, at, i, row[size_t(i)]);
    }
    if (e == Element::Q8)
      quantizeRow(row.data(), columns, at);
  }
  return out;
}

/// One configuration with its weights and inputs for up to `maxRows` rows.
template <LinearConfig C>
struct LinearCase {
  int64_t maxRows;
  PackedWeight first, second, stream;
  Guarded x, bias, upBias, residual;

  explicit LinearCase(int64_t maxRows)
      : maxRows(maxRows), first(C.weight, C.n, C.k, 1), second(C.weight, C.swiglu ? C.n : 1, C.k, 2),
        stream(C.weight, C.k, first, second, C.swiglu ? C.n : 0), x(randomRows(C.x, maxRows, C.k, 3)),
        bias(randomRows(Element::F32, 1, C.n, 4)), upBias(randomRows(Element::F32, 1, C.n, 5)),
        residual(randomRows(C.residual, maxRows, C.stride(), 6)) {}

  /// y of rows [begin, begin + rows), bytes as the kernel left them; everything starts as NaN.
  Guarded run(int64_t begin, int64_t rows, int threads) {
    Guarded y(size_t(rows * rowBytes(C.out, C.stride())));
    std::vector<void *> pointers(8);
    auto put = [&](int32_t arg, std::byte *p) {
      if (arg >= 0)
        pointers[size_t(arg)] = p;
    };
    put(C.argX, x.data() + begin * rowBytes(C.x, C.k));
    put(C.argWeight, C.swiglu ? stream.packed.data() : first.packed.data());
    put(C.argOut, y.data());
    put(C.argBias, bias.data());
    put(C.argUpBias, upBias.data());
    put(C.argResidual, residual.data() + begin * rowBytes(C.residual, C.stride()));
    rt::Step step;
    step.numTokens = int32_t(C.rows == Rows::Tokens ? rows : 100000);
    step.numLogits = int32_t(C.rows == Rows::Logits ? rows : 100000);
    runTeam(linear<C>, step, pointers, threads, linearScratchBytes<C>());
    EXPECT_TRUE(y.intact()) << "output overrun";
    EXPECT_TRUE(x.intact() && stream.packed.intact() && first.packed.intact());
    return y;
  }

  /// What y[row, column] should be, and the sum of magnitudes that rounding errors scale with.
  std::pair<double, double> expected(int64_t row, int64_t column) {
    double magnitude = 0;
    auto dot = [&](const PackedWeight &w, int32_t arg, Guarded &b) {
      double sum = arg < 0 ? 0 : b.template as<float>()[column];
      for (int64_t i = 0; i < C.k; ++i) {
        double product =
            elementOf(C.x, x.data() + row * rowBytes(C.x, C.k), C.k, i) * w.values[size_t(column * C.k + i)];
        sum += product;
        magnitude += std::abs(product);
      }
      return sum;
    };
    double y = dot(first, C.argBias, bias);
    if constexpr (C.swiglu) {
      double up = dot(second, C.argUpBias, upBias), slope = std::abs(up) + std::abs(y) + 1;
      y = y / (1 + std::exp(-y)) * up;
      magnitude *= slope;
    }
    if constexpr (C.argResidual >= 0)
      y += elementOf(C.residual, residual.data() + row * rowBytes(C.residual, C.stride()), C.stride(),
                     C.outColumn + column);
    return {y, magnitude + std::abs(y)};
  }
};

/// y of every number of rows a tile, a block or their remainders can meet is what float64 says, within `tolerance` of
/// the sum of magnitudes, and is the same bits for any number of rows in the step and of threads.
template <LinearConfig C>
void expectRight(double tolerance) {
  constexpr int64_t most = 64;
  LinearCase<C> test(most);
  Guarded all = test.run(0, most, 1);
  int64_t bytes = rowBytes(C.out, C.stride());
  for (int64_t r = 0; r < most; ++r) {
    for (int64_t c = 0; c < C.n; ++c) {
      auto [expected, magnitude] = test.expected(r, c);
      double got = elementOf(C.out, all.data() + r * bytes, C.stride(), C.outColumn + c);
      // Written so that a NaN fails.
      ASSERT_TRUE(std::abs(got - expected) <= tolerance * magnitude)
          << "row " << r << " column " << c << ": " << got << ", expected " << expected;
    }
  }
  for (int64_t rows : {1, 2, 3, 5, 8, 16, 17, 33, 64}) {
    for (int threads : {1, 2, 3, 7}) {
      int64_t begin = (most - rows) / 2;
      Guarded some = test.run(begin, rows, threads);
      ASSERT_EQ(std::memcmp(some.data(), all.data() + begin * bytes, size_t(rows * bytes)), 0)
          << rows << " rows, " << threads << " threads: other bits than in a step of " << most;
    }
  }
}

} // namespace sinter::cpu::test
