// SPDX-License-Identifier: Apache-2.0
// Which SM has which tiles of a resident decode step: the same in every layer. Plain C++20.
//
// Every SM streams its tiles of one operation after another through a ring that is deeper than one operation, so what
// has to be even is the bytes of a layer, not those of an operation. An operation with few tiles gives some SMs one
// more than others; operations with many make up for it.
#pragma once
#include "templates/cuda/decode_step_config.h"

namespace sinter::cuda {

/// The tiles of an operation that an SM has.
struct StepRange {
  int begin, count;
};

template <int Sms>
struct StepSchedule {
  StepRange range[Sms][stepOps];
};

namespace step_schedule {

/// Which of `sms` SMs has one of `more` tiles left over: evenly spread, from SM `shift` on.
constexpr int leftOver(int sm, int more, int sms, int shift) {
  int i = (sm + sms - shift) % sms;
  return (i + 1) * more / sms - i * more / sms;
}

/// Even counts of an operation of few tiles, with those left over where they make the fullest SM least full.
template <int Sms>
constexpr void placeEven(int (&counts)[Sms], long long (&load)[Sms], int tiles, int size) {
  int low = tiles / Sms, more = tiles % Sms, best = 0;
  long long least = 0;
  for (int shift = 0; shift < Sms; ++shift) {
    long long most = 0;
    for (int sm = 0; sm < Sms; ++sm) {
      long long after = load[sm] + leftOver(sm, more, Sms, shift) * (long long)size;
      most = after > most ? after : most;
    }
    if (shift == 0 || most < least)
      least = most, best = shift;
  }
  for (int sm = 0; sm < Sms; ++sm) {
    counts[sm] = low + leftOver(sm, more, Sms, best);
    load[sm] += counts[sm] * (long long)size;
  }
}

constexpr int within(long long v, int low, int high) { return v < low ? low : v > high ? high : int(v); }

/// Tiles until SMs are full to a common level, at least one each, so that no SM runs ahead of the others, and not many
/// more than the mean.
template <int Sms>
constexpr void placeLevel(int (&counts)[Sms], long long (&load)[Sms], int tiles, int size) {
  int mean = tiles / Sms, most = ceilDiv(tiles, Sms) + (mean >= 6 ? 1 : 0);
  long long low = 0, high = 1ll << 40;
  while (high - low > 1) {
    long long level = (low + high) / 2;
    int filled = 0;
    for (int sm = 0; sm < Sms; ++sm)
      filled += within((level - load[sm]) / size, 1, most);
    (filled <= tiles ? low : high) = level;
  }
  int left = tiles;
  for (int sm = 0; sm < Sms; ++sm)
    left -= counts[sm] = within((low - load[sm]) / size, 1, most);
  for (int sm = 0; sm < Sms; ++sm)
    load[sm] += counts[sm] * (long long)size;
  for (; left > 0; --left) {
    int emptiest = -1;
    for (int sm = 0; sm < Sms; ++sm)
      if (counts[sm] < most && (emptiest < 0 || load[sm] < load[emptiest]))
        emptiest = sm;
    ++counts[emptiest];
    load[emptiest] += size;
  }
}

} // namespace step_schedule

/// Needs at least as many tiles of Qkv and GateUp as SMs.
template <DecodeStepConfig C>
constexpr StepSchedule<C.sms> scheduleOf() {
  StepSchedule<C.sms> schedule{};
  long long load[C.sms] = {};
  for (int sm = 0; sm < C.attentionSms(); ++sm) // a block of keys each, of a context of a thousand
    load[sm] += 2 * kvHeadBytes(C.headDim);
  constexpr StepOp order[] = {StepOp::Down, StepOp::O, StepOp::Qkv, StepOp::GateUp};
  for (StepOp op : order) {
    int counts[C.sms] = {}, size = C.blocks(op) * blockBytes;
    if (op == StepOp::Down || op == StepOp::O)
      step_schedule::placeEven(counts, load, C.tiles(op), size);
    else
      step_schedule::placeLevel(counts, load, C.tiles(op), size);
    for (int sm = 0, at = 0; sm < C.sms; at += counts[sm++])
      schedule.range[sm][int(op)] = {at, counts[sm]};
  }
  return schedule;
}

} // namespace sinter::cuda
