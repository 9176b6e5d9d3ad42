// SPDX-License-Identifier: Apache-2.0
// config.json and generation_config.json, in the keys of the hub and of transformers 5, brought to one normal form.
#pragma once
#include "compiler/import/Checkpoint.h"
#include "compiler/import/ConfigReader.h"

namespace sinter {

/// Brings a parsed config.json to the form that Checkpoint::config has. The file's keys stay; keys that a family's
/// description may need and nobody gave stay absent, so that the description names them.
/// `tensorDtype` is the checkpoint's own, for a config that states none.
/// Errors: keys of a wrong type; what we would compute wrongly (sliding windows, partial rotation, ...).
llvm::Error normalizeConfig(const SourceFile &file, llvm::json::Object &config, llvm::StringRef tensorDtype);

/// The `rope` object of the normal form (RopeConfig.cpp).
llvm::Expected<llvm::json::Object> ropeConfig(const SourceFile &file, const llvm::json::Object &config);

/// Reads generation_config.json when the directory has one; ids it does not give come from config.json.
llvm::Expected<GenerationDefaults> readGenerationDefaults(llvm::StringRef directory, const SourceFile &configFile,
                                                          const llvm::json::Object &config);

} // namespace sinter
