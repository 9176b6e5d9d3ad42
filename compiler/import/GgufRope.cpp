// SPDX-License-Identifier: Apache-2.0
// Rotary parameters from GGUF's metadata and from its table of frequency divisors.
#include "compiler/import/Floats.h"
#include "compiler/import/GgufModel.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <numbers>

namespace sinter {

namespace {

constexpr double defaultTheta = 10000;

/// What llama3 scaling divides the frequency of rotation `i` by.
double llama3Divisor(double theta, int64_t headDim, int64_t i, double factor, double originalPositions) {
  constexpr double low = 1, high = 4;
  double wavelength = 2 * std::numbers::pi * std::pow(theta, 2.0 * double(i) / double(headDim));
  double turns = originalPositions / wavelength; // in the original context
  if (turns > high)
    return 1;
  if (turns < low)
    return factor;
  double smooth = (turns - low) / (high - low);
  return 1 / ((1 - smooth) / factor + smooth);
}

class RopeBuilder {
public:
  RopeBuilder(const GgufFile &gguf, const GgufFamily &family, const SourceFile &file)
      : gguf(gguf), metadata(gguf.metadata), family(family), file(file) {}

  llvm::Expected<llvm::json::Object> build(std::optional<int64_t> headDim) {
    TRY_ASSIGN(theta, positive("rope.freq_base"));
    rope["theta"] = theta.value_or(defaultTheta);
    rope["rope_type"] = "default";
    TRY(setScaling());
    auto factors =
        llvm::find_if(gguf.tensors, [](const GgufTensor &tensor) { return tensor.name == ropeFactorsTensor; });
    if (factors != gguf.tensors.end() && headDim)
      TRY(setFactors(*factors, *headDim));
    return std::move(rope);
  }

private:
  std::string key(llvm::StringRef name) const { return (family.name + "." + name).str(); }

  GgufMetadata::Optional<double> positive(llvm::StringRef name) const {
    auto value = metadata.number(key(name));
    if (value && *value && !(**value > 0))
      return metadata.bad(key(name), "a number above 0", decimal(**value));
    return value;
  }

  llvm::Error setScaling() {
    TRY_ASSIGN(type, metadata.string(key("rope.scaling.type")));
    // The older key is read when there is none of the newer; a factor without a type is linear, as in llama.cpp.
    bool older = !metadata.find(key("rope.scaling.factor"));
    TRY_ASSIGN(factor, metadata.number(key(older ? "rope.scale_linear" : "rope.scaling.factor")));
    llvm::StringRef name = type.value_or("linear");
    if (name != "none" && name != "linear" && name != "yarn")
      return metadata.bad(key("rope.scaling.type"), "'none', 'linear' or 'yarn'", quoted(name));
    if (factor.value_or(0) < 0)
      return metadata.bad(key(older ? "rope.scale_linear" : "rope.scaling.factor"), "a number from 0 up",
                          decimal(*factor));
    double scale = factor.value_or(0) == 0 ? 1 : *factor; // 0 is "no scaling" to llama.cpp
    if (name == "none" || (name == "linear" && scale == 1))
      return llvm::Error::success();
    rope["rope_type"] = name.str();
    rope["factor"] = scale;
    return name == "yarn" ? setYarn(scale) : llvm::Error::success();
  }

  llvm::Error setYarn(double factor) {
    struct {
      llvm::StringLiteral gguf, rope;
    } parameters[] = {{"rope.scaling.original_context_length", "original_max_position_embeddings"},
                      {"rope.scaling.yarn_beta_fast", "beta_fast"},
                      {"rope.scaling.yarn_beta_slow", "beta_slow"},
                      {"context_length", "original_max_position_embeddings"}};
    for (const auto &[ggufKey, ropeKey] : parameters) {
      TRY_ASSIGN(value, positive(ggufKey));
      if (value)
        rope.try_emplace(ropeKey, *value);
    }
    for (llvm::StringRef name : {"rope.scaling.yarn_log_multiplier", "rope.scaling.yarn_attn_factor"}) {
      TRY_ASSIGN(value, metadata.number(key(name)));
      double neutral = name.ends_with("attn_factor") ? 1 : 0;
      if (value.value_or(neutral) != neutral)
        return metadata.bad(key(name), decimal(neutral) + " or no such key", decimal(*value));
    }
    return setAttentionFactor(factor);
  }

  /// llama.cpp multiplies the paper's attention factor by this key; Hugging Face's replaces it.
  llvm::Error setAttentionFactor(double factor) {
    TRY_ASSIGN(multiplier, positive("rope.scaling.attn_factor"));
    if (multiplier.value_or(1) != 1)
      rope["attention_factor"] = *multiplier * (factor > 1 ? 0.1 * std::log(factor) + 1 : 1);
    return llvm::Error::success();
  }

  llvm::Error bad(const GgufTensor &tensor, llvm::StringRef what, const llvm::Twine &expected,
                  const llvm::Twine &found) {
    return file.malformed(tensor.infoOffset, what + " of tensor " + quoted(tensor.name), expected, found);
  }

  llvm::Error setFactors(const GgufTensor &tensor, int64_t headDim) {
    Type wanted(Scalar::F32, {headDim / 2});
    if (tensor.type != wanted)
      return bad(tensor, "type", wanted.str(), tensor.type.str());
    if (rope.getString("rope_type") != "default")
      return bad(tensor, "presence", "either frequency divisors or rope scaling in the metadata", "both");
    std::vector<float> divisors(headDim / 2);
    for (size_t i = 0; i < divisors.size(); ++i) {
      divisors[i] = std::bit_cast<float>(llvm::support::endian::read32le(tensor.data.data() + 4 * i));
      if (!std::isfinite(divisors[i]) || divisors[i] <= 0)
        return bad(tensor, "value", "finite numbers above 0", decimal(shortestDouble(divisors[i])));
    }
    if (!setLlama3(divisors, headDim))
      rope["freq_factors"] = llvm::json::Array(llvm::map_range(divisors, shortestDouble));
    return llvm::Error::success();
  }

  /// The converter computed the divisors from llama3's parameters in float32. Every Llama 3.x has low_freq_factor 1 and
  /// high_freq_factor 4 and was trained on a power of two of positions: those that give the same divisors are the
  /// parameters, and what Hugging Face computes from them is exact where the table is rounded.
  bool setLlama3(llvm::ArrayRef<float> divisors, int64_t headDim) {
    double theta = *rope.getNumber("theta");
    double factor = shortestDouble(*std::max_element(divisors.begin(), divisors.end()));
    if (factor <= 1)
      return false;
    for (int64_t positions = 16; positions <= int64_t(1) << 24; positions *= 2) {
      auto matches = [&](auto each) {
        constexpr double rounding = 1e-5; // of the converter's float32 arithmetic, relative
        double exact = llama3Divisor(theta, headDim, int64_t(each.index()), factor, double(positions));
        return std::abs(double(each.value()) - exact) <= rounding * exact;
      };
      if (!llvm::all_of(llvm::enumerate(divisors), matches))
        continue;
      rope["rope_type"] = "llama3";
      rope["factor"] = factor;
      rope["low_freq_factor"] = 1.0;
      rope["high_freq_factor"] = 4.0;
      rope["original_max_position_embeddings"] = positions;
      return true;
    }
    return false;
  }

  const GgufFile &gguf;
  const GgufMetadata &metadata;
  const GgufFamily &family;
  const SourceFile &file;
  llvm::json::Object rope;
};

} // namespace

llvm::Expected<llvm::json::Object> ggufRope(const GgufFile &gguf, const GgufFamily &family, const SourceFile &file,
                                            std::optional<int64_t> headDim) {
  return RopeBuilder(gguf, family, file).build(headDim);
}

} // namespace sinter
