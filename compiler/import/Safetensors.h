// SPDX-License-Identifier: Apache-2.0
// safetensors: one file, or shards named by model.safetensors.index.json.
//
//   u64 header size | header: JSON {name: {dtype, shape, data_offsets}, "__metadata__": {...}} | the tensors' bytes
//
// Format: https://github.com/huggingface/safetensors. The tensors cover the bytes without holes or overlaps.
#pragma once
#include "compiler/import/StoredTensor.h"

namespace sinter {

using TensorList = std::vector<std::unique_ptr<WeightTensor>>;

/// Adds the file's tensors, in the order of their bytes.
llvm::Error readSafetensors(const std::shared_ptr<const SourceFile> &file, TensorList &out);

/// Adds the tensors of every shard that the index names. Shards lie beside the index.
llvm::Error readShardedSafetensors(const SourceFile &index, TensorList &out);

/// True for what checkpoints carry beside weights and every reader computes itself: tables of rotary frequencies.
bool isRotaryTable(llvm::StringRef tensorName);

} // namespace sinter
