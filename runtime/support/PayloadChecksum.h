// SPDX-License-Identifier: Apache-2.0
// The checksum of a payload section from the checksums of its pieces, for those who have them one by one.
#pragma once
#include "runtime/abi/Payload.h"
#include <span>

namespace sinter::rt {

/// payloadChecksum of a section of `size` bytes, from payloadPieceChecksum of each of its pieces, in order.
uint64_t combinePieceChecksums(std::span<const uint64_t> pieces, uint64_t size);

} // namespace sinter::rt
