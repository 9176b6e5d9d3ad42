// SPDX-License-Identifier: Apache-2.0
// The payload's section "info": what the compiler tells the runtime about the model besides the plan, as one JSON
// object.
//
//   {
//     "model": "SmolLM2-135M-Instruct",        the name that usage speaks of
//     "architecture": "llama",                 the model description's name
//     "target": "cpu:x86-64-v4+vnni+bf16",
//     "quantization": {"q4_1": 84934656, ...}, parameters by the format they are stored in
//     "parameters": 134515008,
//     "memory": {"weights": bytes, "arena": bytes, "kv_bytes_per_token": bytes, ...},
//     "generation": {                          defaults of the sampling flags; every key may be missing or null
//       "eos_token_ids": [2], "bos_token_id": 1, "pad_token_id": 2,
//       "temperature": 0.6, "top_p": 0.95, "top_k": 20},
//     "chat_template": "chatml",               for display; missing or null: unknown
//     "weights": {"file": "model.weights", "checksum": "89abcdef01234567"},
//                                              only when the weights are in a payload of their own, beside this one;
//                                              the checksum is that section's, in hexadecimal
//     "compiler": "sinter 0.1.0",
//     "build": {"cxx": "g++ 12.2.0", "flags": "...", ...}
//   }
//
// "model" must be there. Keys that the runtime does not know are shown by `info` and otherwise ignored.
#pragma once
#include "runtime/support/Error.h"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::rt {

struct GenerationInfo {
  std::vector<int32_t> eosTokens;
  std::optional<int32_t> bosToken, padToken;
  std::optional<double> temperature, topP;
  std::optional<int32_t> topK;
};

struct ModelInfo {
  std::string model, architecture, compiler, chatTemplate;
  uint64_t parameters = 0;
  GenerationInfo generation;
  std::string weightsFile;      ///< empty: in the same payload
  uint64_t weightsChecksum = 0; ///< of the section in weightsFile
  std::string json;             ///< the whole object, as it stands in the payload
};

/// `origin` names the payload in errors.
Result<ModelInfo> parseModelInfo(std::string_view json, const std::string &origin);

} // namespace sinter::rt
