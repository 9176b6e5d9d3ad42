// SPDX-License-Identifier: Apache-2.0
// Stop strings in text that comes in pieces.
#include "runtime/engine/StopStrings.h"
#include <gtest/gtest.h>
#include <random>

namespace sinter::rt {
namespace {

TEST(StopStrings, HoldsBackWhatMayBecomeOne) {
  StopStrings stops({"END", "\n\n"});
  EXPECT_EQ(stops.push("a E"), "a ");
  EXPECT_EQ(stops.push("N"), "");
  EXPECT_EQ(stops.push("X\n"), "ENX");
  EXPECT_EQ(stops.push("b"), "\nb");
  EXPECT_EQ(stops.found(), nullptr);
  EXPECT_EQ(stops.push("c EN"), "c ");
  EXPECT_EQ(stops.push("D d"), "");
  ASSERT_NE(stops.found(), nullptr);
  EXPECT_EQ(*stops.found(), "END");
  EXPECT_EQ(stops.push("more"), "") << "nothing comes after it";
  EXPECT_EQ(stops.flush(), "");
}

TEST(StopStrings, TheFirstInTheTextWins) {
  StopStrings stops({"long one", "one", "t"});
  EXPECT_EQ(stops.push("no long one there"), "no ");
  EXPECT_EQ(*stops.found(), "long one");
}

TEST(StopStrings, OverlappingStarts) {
  StopStrings stops({"aab"});
  EXPECT_EQ(stops.push("aaa"), "a");
  EXPECT_EQ(stops.push("ab"), "a");
  EXPECT_EQ(*stops.found(), "aab");
}

TEST(StopStrings, WhatIsHeldComesAtTheEnd) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.push("the EN"), "the ");
  EXPECT_EQ(stops.flush(), "EN");
  EXPECT_EQ(stops.flush(), "");
}

TEST(StopStrings, NoneLetsAllTextThrough) {
  StopStrings stops;
  EXPECT_EQ(stops.push("text"), "text");
  EXPECT_EQ(stops.flush(), "");
}

/// However the text is cut, the output is what comes before the first stop string, and never waits without reason.
TEST(StopStrings, AnyCutGivesTheSameText) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string text, stop;
    for (size_t i = 0, length = random() % 30; i < length; ++i)
      text += static_cast<char>('a' + random() % 2);
    for (size_t i = 0, length = 1 + random() % 5; i < length; ++i)
      stop += static_cast<char>('a' + random() % 2);
    StopStrings stops({stop});
    std::string output;
    for (size_t place = 0; place < text.size();) {
      size_t length = 1 + random() % 4;
      output += stops.push(std::string_view(text).substr(place, length));
      place += length;
      size_t held = std::min(place, text.size()) - output.size();
      ASSERT_TRUE(stops.found() || held < stop.size()) << "held more than the start of a stop string";
    }
    output += stops.flush();
    ASSERT_EQ(output, text.substr(0, text.find(stop))) << text << " stop " << stop;
    ASSERT_EQ(stops.found() != nullptr, text.find(stop) != std::string::npos);
  }
}

} // namespace
} // namespace sinter::rt
