// SPDX-License-Identifier: Apache-2.0
// Weights from the payload, and weights that are made.
#include "runtime/device/WeightSource.h"
#include "runtime/device/RandomFill.h"
#include "runtime/support/PayloadChecksum.h"
#include <algorithm>

namespace sinter::rt {
namespace {

class StoredWeights final : public WeightSource {
public:
  StoredWeights(const Payload &payload, const PayloadSection &section, bool check)
      : payload(payload), section(section), sums(check ? (section.size + grain - 1) / grain : 0) {}

  Result<void> read(uint64_t offset, std::span<std::byte> into) override {
    if (auto done = payload.source().readAt(section.offset + offset, into.data(), into.size()); !done)
      return done;
    for (uint64_t at = 0; at < into.size() && !sums.empty(); at += grain)
      sums[(offset + at) / grain] = payloadPieceChecksum(into.data() + at, std::min(grain, into.size() - at));
    return {};
  }

  Result<void> finish() override {
    if (!sums.empty() && combinePieceChecksums(sums, section.size) != section.checksum)
      return payload.failDamaged(section);
    return {};
  }

private:
  const Payload &payload;
  const PayloadSection &section;
  std::vector<uint64_t> sums; ///< of the pieces; empty: nobody asks
};

/// Most regions are made, few are stored: tables that are no weights of the model's.
class GeneratedWeights final : public WeightSource {
public:
  GeneratedWeights(const Plan &plan, const Payload &payload, const PayloadSection *section)
      : plan(plan), payload(payload), section(section) {}

  Result<void> read(uint64_t offset, std::span<std::byte> into) override {
    std::ranges::fill(into, std::byte{0});
    for (const WeightRegion &region : std::span(plan.weightRegions, static_cast<size_t>(plan.numWeightRegions))) {
      uint64_t begin = std::max(offset, region.offset);
      uint64_t end = std::min(offset + into.size(), region.offset + region.size);
      if (begin >= end)
        continue;
      std::byte *to = into.data() + (begin - offset);
      if (region.fill != WeightFill::Stored)
        fillRandom(region, plan.weightSeed, begin, end, to);
      else if (auto done = readStored(region, begin, end, to); !done)
        return done;
    }
    return {};
  }

private:
  Result<void> readStored(const WeightRegion &region, uint64_t begin, uint64_t end, std::byte *to) {
    if (!section || region.source > section->size || region.size > section->size - region.source)
      return fail(payload.path() + ": section 'weights' holds less than the plan reads of it");
    return payload.source().readAt(section->offset + region.source + (begin - region.offset), to, end - begin);
  }

  const Plan &plan;
  const Payload &payload;
  const PayloadSection *section;
};

} // namespace

Result<std::unique_ptr<WeightSource>> WeightSource::open(const Plan &plan, const Payload &payload, bool check) {
  const PayloadSection *section = payload.find("weights");
  if (plan.weightRegions) {
    if (section && check)
      if (auto good = payload.verify(*section); !good)
        return tl::unexpected(good.error());
    return std::make_unique<GeneratedWeights>(plan, payload, section);
  }
  if (!section)
    return fail(payload.path() + ": the payload has no section 'weights'");
  if (section->size != plan.weightsBytes)
    return fail("the plan of " + std::string(plan.model) + " needs " + std::to_string(plan.weightsBytes) +
                " bytes of weights, the payload has " + std::to_string(section->size));
  return std::make_unique<StoredWeights>(payload, *section, check);
}

} // namespace sinter::rt
