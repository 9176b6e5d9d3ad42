// SPDX-License-Identifier: Apache-2.0
// The parameters of rotary embeddings, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling`
// (hub).
#include "compiler/import/HuggingFaceConfig.h"
#include "ir/Try.h"
#include "llvm/ADT/STLExtras.h"

namespace sinter {

namespace {

/// A parameter of a rope type: whether it must be given, and from which number on it makes sense.
struct Parameter {
  llvm::StringLiteral key;
  bool required;
  bool mayBeZero = false;
};

struct RopeType {
  llvm::StringLiteral name;
  llvm::ArrayRef<Parameter> parameters;
};

constexpr Parameter linearParameters[] = {{"factor", true}};
constexpr Parameter llama3Parameters[] = {{"factor", true},
                                          {"low_freq_factor", true},
                                          {"high_freq_factor", true},
                                          {"original_max_position_embeddings", false}};
constexpr Parameter yarnParameters[] = {{"factor", true},
                                        {"original_max_position_embeddings", false},
                                        {"beta_fast", false},
                                        {"beta_slow", false},
                                        {"attention_factor", false},
                                        {"mscale", false, true},
                                        {"mscale_all_dim", false, true}};
const RopeType ropeTypes[] = {
    {"default", {}}, {"linear", linearParameters}, {"llama3", llama3Parameters}, {"yarn", yarnParameters}};

llvm::Error checkPositive(const ConfigReader &reader, llvm::StringRef key, double value, bool mayBeZero) {
  if (value > 0 || (mayBeZero && value == 0))
    return llvm::Error::success();
  return reader.bad(key, mayBeZero ? "a number from 0 up" : "a number above 0", describe(*reader.get(key)));
}

class RopeReader {
public:
  RopeReader(const ConfigReader &config, const ConfigReader &scaling) : config(config), scaling(scaling) {}

  llvm::Expected<llvm::json::Object> read() {
    for (const ConfigReader *each : {&config, &scaling})
      TRY(checkWholeRotation(*each));
    TRY_ASSIGN(type, scaling.string(scaling.get("rope_type") ? "rope_type" : "type"));
    llvm::StringRef name = type ? llvm::StringRef(*type) : "default";
    const auto *known = llvm::find_if(ropeTypes, [&](const RopeType &t) { return t.name == name; });
    if (known == std::end(ropeTypes))
      return scaling.bad(scaling.get("rope_type") ? "rope_type" : "type", "'default', 'linear', 'llama3' or 'yarn'",
                         quoted(name));
    rope["rope_type"] = name.str();
    TRY(readTheta());
    for (const Parameter &parameter : known->parameters)
      TRY(readParameter(parameter, name));
    if (name == "llama3" && *rope.getNumber("low_freq_factor") >= *rope.getNumber("high_freq_factor"))
      return scaling.bad("high_freq_factor", "more than low_freq_factor", describe(*scaling.get("high_freq_factor")));
    if (name == "yarn")
      TRY(readTruncate());
    return std::move(rope);
  }

private:
  llvm::Error checkWholeRotation(const ConfigReader &reader) {
    TRY_ASSIGN(partial, reader.number("partial_rotary_factor"));
    if (partial.value_or(1) != 1)
      return reader.bad("partial_rotary_factor", "1 (all of a head is rotated)",
                        describe(*reader.get("partial_rotary_factor")));
    return llvm::Error::success();
  }

  llvm::Error readTheta() {
    const ConfigReader &reader = scaling.get("rope_theta") ? scaling : config;
    TRY_ASSIGN(theta, reader.number("rope_theta"));
    if (theta)
      TRY(checkPositive(reader, "rope_theta", *theta, false));
    constexpr double transformersDefault = 10000;
    rope["theta"] = theta.value_or(transformersDefault);
    return llvm::Error::success();
  }

  llvm::Error readParameter(const Parameter &parameter, llvm::StringRef type) {
    TRY_ASSIGN(value, scaling.number(parameter.key));
    if (value) {
      rope[parameter.key] = *value;
      return checkPositive(scaling, parameter.key, *value, parameter.mayBeZero);
    }
    if (parameter.required)
      return scaling.bad(parameter.key, "a number (rope type " + quoted(type) + " needs it)", "none");
    // transformers takes the context length for the pre-trained one when no other is given.
    if (parameter.key == "original_max_position_embeddings")
      if (const llvm::json::Value *positions = config.get("max_position_embeddings"))
        rope[parameter.key] = *positions;
    return llvm::Error::success();
  }

  llvm::Error readTruncate() {
    TRY_ASSIGN(truncate, scaling.boolean("truncate"));
    if (truncate)
      rope["truncate"] = *truncate;
    return llvm::Error::success();
  }

  const ConfigReader &config, &scaling;
  llvm::json::Object rope;
};

} // namespace

llvm::Expected<llvm::json::Object> ropeConfig(const SourceFile &file, const llvm::json::Object &config) {
  ConfigReader reader(file, config);
  llvm::StringRef key = reader.get("rope_parameters") ? "rope_parameters" : "rope_scaling";
  TRY_ASSIGN(given, reader.nested(key));
  // One set of parameters for every layer, not one for each type of layer (Gemma).
  if (given)
    for (llvm::StringRef layers : {"full_attention", "sliding_attention"})
      if ((*given)->get(layers))
        return reader.bad(key, "the same parameters in every layer", "parameters of " + quoted(layers));
  llvm::json::Object none;
  ConfigReader scaling(file, given ? **given : none, (key + ".").str());
  return RopeReader(reader, scaling).read();
}

} // namespace sinter
