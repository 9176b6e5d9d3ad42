// SPDX-License-Identifier: Apache-2.0
#include "runtime/support/Format.h"
#include "runtime/support/ProgressBar.h"
#include <gtest/gtest.h>

using namespace sinter::rt;

namespace {

TEST(ProgressBarTest, LineFillsUpAndFitsTheTerminal) {
  EXPECT_EQ(ProgressBar::line("load", 0, 8, 22), "load [>       ]   0 %");
  EXPECT_EQ(ProgressBar::line("load", 4, 8, 22), "load [====>   ]  50 %");
  EXPECT_EQ(ProgressBar::line("load", 8, 8, 22), "load [========] 100 %");
  EXPECT_EQ(ProgressBar::line("load", 1, 3, 12), " 33 %");
  EXPECT_EQ(ProgressBar::line("load", 9, 8, 22), "load [========] 100 %");
  EXPECT_EQ(ProgressBar::line("load", 0, 0, 22), "load [========] 100 %");
  for (int columns = 20; columns < 200; ++columns)
    EXPECT_LT(ProgressBar::line("loading weights", 7, 11, columns).size(), static_cast<size_t>(columns));
}

TEST(ProgressBarTest, SilentWhenNotATerminal) {
  std::FILE *file = std::tmpfile();
  {
    ProgressBar bar("load", 10, file);
    for (int i = 0; i < 10; ++i)
      bar.advance(1);
  }
  EXPECT_EQ(std::ftell(file), 0);
  std::fclose(file);
}

TEST(FormatTest, ThreeDigitsAndAUnit) {
  EXPECT_EQ(formatBytes(0), "0 B");
  EXPECT_EQ(formatBytes(1023), "1023 B");
  EXPECT_EQ(formatBytes(1536), "1.50 KiB");
  EXPECT_EQ(formatBytes(94371840), "90.0 MiB");
  EXPECT_EQ(formatBytes(uint64_t{8} << 30), "8.00 GiB");
  EXPECT_EQ(formatSeconds(2.5e-7), "250.0 ns");
  EXPECT_EQ(formatSeconds(0.01234), "12.3 ms");
  EXPECT_EQ(formatSeconds(1.5), "1.50 s");
  EXPECT_EQ(formatCount(999), "999");
  EXPECT_EQ(formatCount(134515008), "134.5 M");
}

TEST(FormatTest, ParsesSizes) {
  uint64_t bytes = 0;
  EXPECT_TRUE(parseBytes("512MiB", bytes));
  EXPECT_EQ(bytes, 536870912u);
  EXPECT_TRUE(parseBytes("77", bytes));
  EXPECT_EQ(bytes, 77u);
  for (const char *bad : {"", "MiB", "12MB", "-1", "1.5GiB", "99999999999TiB"})
    EXPECT_FALSE(parseBytes(bad, bytes)) << bad;
}

} // namespace
