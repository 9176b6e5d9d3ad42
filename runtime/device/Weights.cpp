// SPDX-License-Identifier: Apache-2.0
// Loads the weights: pieces are handed out to the threads in order, each read and checksummed, or made, by one.
#include "runtime/device/Weights.h"
#include "runtime/device/RandomFill.h"
#include "runtime/support/PayloadChecksum.h"
#include "runtime/support/ProgressBar.h"
#include <algorithm>
#include <cstring>

namespace sinter::rt {
namespace {

Result<const PayloadSection *> findWeights(const Payload &payload) {
  if (const PayloadSection *section = payload.find("weights"))
    return section;
  return fail(payload.path() + ": the payload has no section 'weights'");
}

/// Reads the pieces of `section` to `into` with all threads; the checksums of the pieces, or the first error.
Result<std::vector<uint64_t>> readPieces(const File &file, const PayloadSection &section, std::byte *into,
                                         ThreadPool &pool) {
  std::vector<uint64_t> sums((section.size + payloadPieceBytes - 1) / payloadPieceBytes);
  std::vector<Result<void>> results(static_cast<size_t>(pool.size()));
  std::atomic<uint64_t> next{0};
  ProgressBar progress("loading weights", section.size);
  pool.run([&](const Worker &worker) {
    Result<void> &result = results[static_cast<size_t>(worker.index)];
    for (uint64_t piece; result && (piece = next.fetch_add(1)) < sums.size();) {
      uint64_t at = piece * payloadPieceBytes, length = std::min(payloadPieceBytes, section.size - at);
      result = file.readAt(section.offset + at, into + at, length);
      sums[piece] = payloadPieceChecksum(into + at, length);
      progress.advance(length);
    }
  });
  for (Result<void> &result : results)
    if (!result)
      return tl::unexpected(result.error());
  return sums;
}

/// Fills the random regions with all threads, in pieces of the packed weights.
void fillRandomRegions(const Plan &plan, std::byte *weights, ThreadPool &pool) {
  std::atomic<uint64_t> next{0};
  ProgressBar progress("making weights", plan.weightsBytes);
  pool.run([&](const Worker &) {
    for (uint64_t begin; (begin = next.fetch_add(payloadPieceBytes)) < plan.weightsBytes;) {
      uint64_t end = std::min(begin + payloadPieceBytes, plan.weightsBytes);
      for (const WeightRegion &r : std::span(plan.weightRegions, static_cast<size_t>(plan.numWeightRegions)))
        if (uint64_t from = std::max(begin, r.offset), to = std::min(end, r.offset + r.size);
            r.fill != WeightFill::Stored && from < to)
          fillRandom(r, plan.weightSeed, from, to, weights + from);
      progress.advance(end - begin);
    }
  });
}

Result<void> copyStored(const Plan &plan, const Payload &payload, std::byte *weights) {
  Result<const PayloadSection *> section = findWeights(payload);
  if (!section)
    return tl::unexpected(section.error());
  Result<Mapping> stored = payload.map(**section);
  if (!stored)
    return tl::unexpected(stored.error());
  for (const WeightRegion &r : std::span(plan.weightRegions, static_cast<size_t>(plan.numWeightRegions))) {
    if (r.fill != WeightFill::Stored)
      continue;
    if (r.source > (*section)->size || r.size > (*section)->size - r.source)
      return fail(payload.path() + ": section 'weights' holds less than the plan reads of it");
    std::memcpy(weights + r.offset, stored->bytes().data() + r.source, r.size);
  }
  return {};
}

} // namespace

Result<Weights> Weights::load(const Plan &plan, const Payload &payload, ThreadPool &pool, bool map) {
  if (plan.weightRegions)
    return generate(plan, payload, pool);
  return map ? Weights::map(payload) : read(payload, pool);
}

Result<Weights> Weights::generate(const Plan &plan, const Payload &payload, ThreadPool &pool) {
  Result<Memory> memory = Memory::allocate(plan.weightsBytes, Memory::Pages::Huge, "the weights");
  if (!memory)
    return tl::unexpected(memory.error());
  if (Result<void> copied = copyStored(plan, payload, memory->data()); !copied)
    return tl::unexpected(copied.error());
  fillRandomRegions(plan, memory->data(), pool);
  Weights weights;
  weights.memory = std::move(*memory);
  weights.view = {weights.memory.data(), plan.weightsBytes};
  return weights;
}

Result<Weights> Weights::read(const Payload &payload, ThreadPool &pool) {
  Result<const PayloadSection *> section = findWeights(payload);
  if (!section)
    return tl::unexpected(section.error());
  uint64_t size = (*section)->size;
  Result<Memory> memory = Memory::allocate(size, Memory::Pages::Huge, "the weights");
  if (!memory)
    return tl::unexpected(memory.error());
  Result<std::vector<uint64_t>> sums = readPieces(payload.source(), **section, memory->data(), pool);
  if (!sums)
    return tl::unexpected(sums.error());
  if (combinePieceChecksums(*sums, size) != (*section)->checksum)
    return payload.failDamaged(**section);
  Weights weights;
  weights.memory = std::move(*memory);
  weights.view = {weights.memory.data(), size};
  return weights;
}

Result<Weights> Weights::map(const Payload &payload) {
  Result<const PayloadSection *> section = findWeights(payload);
  if (!section)
    return tl::unexpected(section.error());
  Result<Mapping> mapping = payload.map(**section, /*check=*/false);
  if (!mapping)
    return tl::unexpected(mapping.error());
  Weights weights;
  weights.mapping = std::move(*mapping);
  weights.view = weights.mapping.bytes();
  return weights;
}

Weights Weights::borrow(std::span<const std::byte> bytes) {
  Weights weights;
  weights.view = bytes;
  return weights;
}

} // namespace sinter::rt
