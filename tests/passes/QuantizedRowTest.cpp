// SPDX-License-Identifier: Apache-2.0
// plan-memory and the kernels agree on the size of a quantized activation. Compiled for AVX2, which the templates need;
// nothing of it runs.
#include "passes/PlanMemory.h"
#include "templates/cpu/quantize.h"
#include <gtest/gtest.h>

namespace sinter {
namespace {

constexpr int64_t columns[] = {32, 64, 96, 288, 576, 1536, 2048, 4096, 5632, 14336};
constexpr size_t records[] = {cpu::q8RecordBytes(32),   cpu::q8RecordBytes(64),   cpu::q8RecordBytes(96),
                              cpu::q8RecordBytes(288),  cpu::q8RecordBytes(576),  cpu::q8RecordBytes(1536),
                              cpu::q8RecordBytes(2048), cpu::q8RecordBytes(4096), cpu::q8RecordBytes(5632),
                              cpu::q8RecordBytes(14336)};
static_assert(std::size(columns) == std::size(records));

TEST(QuantizedRow, IsTheRecordOfTheKernels) {
  for (size_t i = 0; i < std::size(columns); ++i)
    EXPECT_EQ(rowBytes(ElementType(quant::activation), columns[i]), records[i]) << columns[i] << " columns";
}

} // namespace
} // namespace sinter
