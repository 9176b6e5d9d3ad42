// SPDX-License-Identifier: Apache-2.0
// What the kernels' tests share: guarded buffers poisoned with NaN, values of every element type, teams of threads.
#pragma once
#include "runtime/abi/Kernel.h"
#include "templates/cpu/element.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <thread>
#include <vector>

namespace sinter::cpu::test {

/// Bytes at a 64-byte boundary between two guard zones; all start as 0xff, a NaN in every float type.
class Buffer {
public:
  explicit Buffer(int64_t size) : size(size), memory(size + 2 * guard + 64, std::byte{0xff}) {
    auto address = reinterpret_cast<uintptr_t>(memory.data());
    start = memory.data() + guard + (64 - address % 64) % 64;
  }
  Buffer(const Buffer &) = delete;
  Buffer(Buffer &&other) = default;
  ~Buffer() {
    for (std::byte *p = memory.data(); p != memory.data() + memory.size() && !memory.empty(); ++p)
      if ((p < start || p >= start + size) && *p != std::byte{0xff}) {
        ADD_FAILURE() << "wrote outside a buffer of " << size << " bytes, at " << p - start;
        break;
      }
  }
  std::byte *data() { return start; }
  bool operator==(const Buffer &other) const { return size == other.size && !std::memcmp(start, other.start, size); }

  int64_t size;

private:
  static constexpr int64_t guard = 256;
  std::vector<std::byte> memory;
  std::byte *start;
};

inline std::vector<float> randomFloats(int64_t n, uint32_t seed, float spread = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(n);
  for (float &v : values)
    v = normal(engine);
  return values;
}

/// Relative rounding error of a type, with room for float32 arithmetic.
inline double tolerance(Element e) { return e == Element::F32 ? 4e-6 : e == Element::BF16 ? 4.2e-3 : 6e-4; }

inline float rounded(Element e, float f) {
  return e == Element::BF16 ? bf16ToFloat(floatToBf16(f)) : e == Element::F16 ? halfToFloat(floatToHalf(f)) : f;
}
inline std::vector<float> rounded(Element e, std::vector<float> values) {
  for (float &v : values)
    v = rounded(e, v);
  return values;
}

/// Values as they lie in memory.
inline Buffer encode(Element e, const std::vector<float> &values) {
  Buffer buffer(rowBytes(e, int64_t(values.size())));
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t half = e == Element::BF16 ? floatToBf16(values[i]) : floatToHalf(values[i]);
    if (e == Element::F32)
      std::memcpy(buffer.data() + i * 4, &values[i], 4);
    else
      std::memcpy(buffer.data() + i * 2, &half, 2);
  }
  return buffer;
}

/// Rows of `columns` elements, as floats.
inline std::vector<float> decode(Element e, Buffer &buffer, int64_t columns) {
  std::vector<float> values;
  for (std::byte *row = buffer.data(); row != buffer.data() + buffer.size; row += rowBytes(e, columns))
    for (int64_t i = 0; i < columns; ++i) {
      uint16_t half;
      std::memcpy(&half, row + i * 2, 2);
      if (e == Element::Q8)
        values.push_back(q8Scales(row, columns)[i / q8Group] * float(q8Codes(row)[i]));
      else if (e == Element::F32)
        values.push_back(reinterpret_cast<const float *>(row)[i]);
      else
        values.push_back(e == Element::BF16 ? bf16ToFloat(half) : halfToFloat(half));
    }
  return values;
}

/// |got - want| <= tolerance * (|want| + floor); a NaN left over from the poison fails.
inline void expectClose(const std::vector<float> &got, const std::vector<double> &want, double tolerance,
                        double floor = 1.0) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_TRUE(std::abs(got[i] - want[i]) <= tolerance * (std::abs(want[i]) + floor))
        << "element " << i << ": got " << got[i] << ", want " << want[i];
}

/// A q8 row is the encoding of the same row in float32: byte for byte, but for the padding.
inline void expectQ8Of(Buffer &q8, Buffer &floats, int64_t columns) {
  ASSERT_EQ(q8.size / rowBytes(Element::Q8, columns), floats.size / rowBytes(Element::F32, columns));
  Buffer want(q8.size);
  for (int64_t row = 0; row < q8.size / rowBytes(Element::Q8, columns); ++row)
    quantizeRow(reinterpret_cast<const float *>(floats.data()) + row * columns, columns,
                want.data() + row * rowBytes(Element::Q8, columns));
  ASSERT_TRUE(q8 == want);
}

/// Runs a kernel on a team of threads, as the runtime does.
inline void runTeam(rt::KernelFn kernel, const rt::Step &step, std::vector<Buffer *> buffers, int64_t scratchBytes,
                    int32_t threads = 1) {
  std::vector<void *> pointers;
  for (Buffer *buffer : buffers)
    pointers.push_back(buffer->data());
  rt::Args args{pointers.data()};
  rt::TeamBarrier barrier;
  std::vector<Buffer> scratch;
  for (int32_t i = 0; i < threads; ++i)
    scratch.emplace_back(scratchBytes);
  auto work = [&](int32_t i) { kernel(step, args, rt::Worker{i, threads, scratch[i].data(), &barrier}); };
  std::vector<std::thread> team;
  for (int32_t i = 1; i < threads; ++i)
    team.emplace_back(work, i);
  work(0);
  for (std::thread &thread : team)
    thread.join();
}

} // namespace sinter::cpu::test
