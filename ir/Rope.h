// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding: its parameters as configs state them, and the angles they mean.
// Su et al. 2021 (RoFormer); Peng et al. 2023 (YaRN); the llama3 rule as Hugging Face's rope_utils defines it.
#pragma once
#include "ir/AttrValue.h"

namespace sinter {

struct RopeParams {
  std::string type = "default"; ///< default, linear, llama3 or yarn
  double theta = 10000;
  double factor = 1;                            ///< linear, llama3, yarn: how much longer the context became
  double lowFreqFactor = 1, highFreqFactor = 4; ///< llama3
  double originalMaxPositions = 0;              ///< llama3, yarn: positions of the pre-training
  double betaFast = 32, betaSlow = 1;           ///< yarn
  double attentionFactor = 0;                   ///< yarn: scale of cos and sin; 0: 0.1 ln(factor) + 1
  double mscale = 0, mscaleAllDim = 0;          ///< yarn: another way to state the attention factor; 0: not given
  bool truncate = true;                         ///< yarn: round the correction range outwards
  std::vector<double> freqFactors{};            ///< divides the frequencies one by one, as GGUF's rope_freqs does

  bool operator==(const RopeParams &) const = default;
  /// Radians per position of each of the headDim / 2 rotations.
  std::vector<double> frequencies(int64_t headDim) const;
  /// What cos and sin are multiplied by.
  double attentionScale() const;
};

/// Written as a dictionary; absent keys keep their defaults, unknown keys are an error.
template <>
struct AttrCodec<RopeParams> {
  static constexpr const char *expected =
      "a dictionary of rope_type (default, linear, llama3, yarn), theta and the parameters of that type";
  static AttrValue encode(const RopeParams &v);
  static bool decode(const AttrValue &a, RopeParams &out);
};

} // namespace sinter
