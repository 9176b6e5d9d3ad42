// SPDX-License-Identifier: Apache-2.0
// Rotation angles of each rope type, and the dictionary form of the parameters.
#include "ir/Rope.h"
#include <algorithm>
#include <cmath>
#include <numbers>

namespace sinter {

namespace {

/// The parameters as the dictionary writes them: the one list that encode and decode share.
template <typename Params, typename Fn>
void forEachNumber(Params &p, Fn fn) {
  fn("theta", p.theta);
  fn("factor", p.factor);
  fn("low_freq_factor", p.lowFreqFactor);
  fn("high_freq_factor", p.highFreqFactor);
  fn("original_max_position_embeddings", p.originalMaxPositions);
  fn("beta_fast", p.betaFast);
  fn("beta_slow", p.betaSlow);
  fn("attention_factor", p.attentionFactor);
  fn("mscale", p.mscale);
  fn("mscale_all_dim", p.mscaleAllDim);
}

/// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between blended.
double llama3Frequency(const RopeParams &p, double f) {
  double wavelength = 2 * std::numbers::pi / f;
  if (wavelength < p.originalMaxPositions / p.highFreqFactor)
    return f;
  if (wavelength > p.originalMaxPositions / p.lowFreqFactor)
    return f / p.factor;
  double smooth = (p.originalMaxPositions / wavelength - p.lowFreqFactor) / (p.highFreqFactor - p.lowFreqFactor);
  return (1 - smooth) * f / p.factor + smooth * f;
}

/// YaRN: dims that turn more than betaFast times over the original context keep their frequency, those that turn less
/// than betaSlow times are interpolated, with a linear ramp between.
void yarnFrequencies(const RopeParams &p, int64_t headDim, std::vector<double> &f) {
  auto dimOfRotations = [&](double rotations) {
    return headDim * std::log(p.originalMaxPositions / (rotations * 2 * std::numbers::pi)) / (2 * std::log(p.theta));
  };
  double low = dimOfRotations(p.betaFast), high = dimOfRotations(p.betaSlow);
  if (p.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, double(headDim - 1));
  if (low == high)
    high += 0.001;
  for (size_t i = 0; i < f.size(); ++i) {
    double interpolated = std::clamp((double(i) - low) / (high - low), 0.0, 1.0);
    f[i] = f[i] / p.factor * interpolated + f[i] * (1 - interpolated);
  }
}

} // namespace

std::vector<double> RopeParams::frequencies(int64_t headDim) const {
  std::vector<double> f(headDim / 2);
  for (size_t i = 0; i < f.size(); ++i)
    f[i] = std::pow(theta, -2.0 * double(i) / double(headDim));
  if (type == "linear")
    for (double &v : f)
      v /= factor;
  else if (type == "llama3")
    for (double &v : f)
      v = llama3Frequency(*this, v);
  else if (type == "yarn")
    yarnFrequencies(*this, headDim, f);
  for (size_t i = 0; i < std::min(f.size(), freqFactors.size()); ++i)
    f[i] /= freqFactors[i];
  return f;
}

double RopeParams::attentionScale() const {
  if (type != "yarn")
    return 1;
  if (attentionFactor != 0)
    return attentionFactor;
  auto scale = [&](double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1.0; };
  return mscale != 0 && mscaleAllDim != 0 ? scale(mscale) / scale(mscaleAllDim) : scale(1);
}

AttrValue AttrCodec<RopeParams>::encode(const RopeParams &v) {
  AttrDict dict;
  const RopeParams defaults;
  dict.emplace_back("rope_type", v.type);
  dict.emplace_back("theta", v.theta);
  forEachNumber(v, [&](const char *name, const double &field) {
    const double *fallback = nullptr;
    forEachNumber(defaults, [&](const char *other, const double &d) {
      if (llvm::StringRef(name) == other)
        fallback = &d;
    });
    if (field != *fallback && llvm::StringRef(name) != "theta")
      dict.emplace_back(name, field);
  });
  if (!v.truncate)
    dict.emplace_back("truncate", false);
  if (!v.freqFactors.empty())
    dict.emplace_back("freq_factors", AttrList(v.freqFactors.begin(), v.freqFactors.end()));
  return dict;
}

bool AttrCodec<RopeParams>::decode(const AttrValue &a, RopeParams &out) {
  auto *dict = a.as<AttrDict>();
  if (!dict)
    return false;
  out = RopeParams();
  for (const auto &[key, v] : *dict) {
    bool known = false;
    forEachNumber(out, [&, &key = key, &v = v](const char *name, double &field) {
      if (key == name && v.number())
        field = *v.number(), known = true;
    });
    if (key == "rope_type" && v.as<std::string>())
      out.type = *v.as<std::string>(), known = true;
    if (key == "truncate" && v.as<bool>())
      out.truncate = *v.as<bool>(), known = true;
    if (key == "freq_factors" && v.as<AttrList>()) {
      for (const AttrValue &e : *v.as<AttrList>())
        out.freqFactors.push_back(e.number().value_or(NAN));
      known = llvm::none_of(out.freqFactors, [](double f) { return std::isnan(f); });
    }
    if (!known)
      return false;
  }
  return llvm::is_contained({"default", "linear", "llama3", "yarn"}, out.type);
}

} // namespace sinter
