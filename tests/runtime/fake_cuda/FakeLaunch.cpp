// SPDX-License-Identifier: Apache-2.0
// What is asked of a launch, and what is left by one. Kernels of a real plan are not run, but for what the host needs
// to go on: the last one's tokens, and logits that have them at their peaks, a function of the token and its position.
#include "tests/runtime/fake_cuda/FakeState.h"
#include <algorithm>
#include <cstdlib>

namespace sinter::rt {
namespace {

void require(bool holds, const FakeLaunch &launch, const std::string &text) {
  if (!holds)
    violation("kernel " + launch.kernel + ": " + text);
}

uint64_t addressOf(const void *pointer) { return reinterpret_cast<uint64_t>(pointer); }

struct StepPointer {
  const char *name;
  const void *address;
  bool host = false, written = false;
};

std::vector<StepPointer> pointersOf(const CudaStep &step) {
  return {{"counts", step.counts},
          {"tokens", step.tokens},
          {"positions", step.positions},
          {"slots", step.slots},
          {"queryStart", step.queryStart},
          {"contextLengths", step.contextLengths},
          {"blockTable", step.blockTable},
          {"logitRows", step.logitRows},
          {"sampling", step.sampling},
          {"history", step.history},
          {"bias", step.bias},
          {"sampled", step.sampled, false, true},
          {"published", step.published, true, true}};
}

/// The end of an allocation is an argument too, beside another that is in it.
void checkArgument(const FakeLaunch &launch, size_t i) {
  uint64_t address = addressOf(launch.args[i]);
  std::string what = "argument " + std::to_string(i);
  require(address % 16 == 0, launch, what + " is not aligned to 16 bytes");
  FakeMemory &memory = fakeState().memory;
  FakeAllocation *found = memory.find(address);
  if (!found)
    if (FakeAllocation *ended = memory.find(address, /*orEnd=*/true))
      for (const void *other : launch.args)
        found = memory.find(addressOf(other)) == ended ? ended : found;
  require(found, launch, what + " is in no allocation, or in one that was given back");
  require(!found->host, launch, what + " is memory of the host");
  if (found->tensorMaps) {
    require(address % 64 == 0, launch, what + ", a tensor map, is not aligned to 64 bytes");
    require(address + sizeof(CudaTensorMapImage) <= found->end() && launch.get<uint64_t>(i)[15] == fakeTensorMapMark,
            launch, what + " is no tensor map that was encoded");
  }
}

/// Tokens whose logits are wanted, before this step's take their place.
std::vector<int> peaksOf(const CudaStep &body, const CudaStep &head, int vocab) {
  std::vector<int> peaks;
  for (int row = 0; row < head.counts[CudaStep::Tokens]; ++row) {
    int t = head.logitRows[row], token = body.tokens[t] < 0 ? head.sampled[~body.tokens[t]] : body.tokens[t];
    peaks.push_back((token * 31 + body.positions[t] * 17 + 7) % vocab);
  }
  return peaks;
}

void playSampling(const FakeLaunch &launch, int vocab) {
  const CudaStep &step = launch.step;
  std::vector<int> peaks = peaksOf(fakeState().body, step, vocab);
  auto *logits = launch.get<float>(0);
  for (size_t row = 0; row < peaks.size(); ++row, logits += vocab) {
    for (int v = 0; v < vocab; ++v)
      logits[v] = v == peaks[row] ? 8.0f : -0.01f * static_cast<float>(v);
    bool wanted = step.sampling[row].temperature >= 0;
    step.sampled[row] = step.published[row] = wanted ? peaks[row] : -1;
  }
}

} // namespace

void checkLaunch(const FakeKernel &kernel, const CudaLaunchConfig &config, const FakeLaunch &launch) {
  if (!kernel.parameters.empty())
    require(kernel.parameters.size() == 2 && kernel.parameters[0] == int(sizeof(CudaStep)) &&
                kernel.parameters[1] % int(sizeof(void *)) == 0,
            launch, "its parameters are not a CudaStep and pointers");
  require(config.gridX >= 1 && config.gridX <= 0x7fffffff && config.gridY == 1 && config.gridZ == 1, launch,
          "grid of " + std::to_string(config.gridX) + " blocks");
  require(config.blockX >= 1 && int(config.blockX) <= kernel.maxThreads && config.blockY == 1 && config.blockZ == 1,
          launch, std::to_string(config.blockX) + " threads, it was built for " + std::to_string(kernel.maxThreads));
  require(config.gridX % unsigned(kernel.cluster) == 0, launch,
          "grid of " + std::to_string(config.gridX) + " blocks in clusters of " + std::to_string(kernel.cluster));
  require(kernel.cluster <= (kernel.largeClusters ? 16 : 8), launch,
          "clusters of " + std::to_string(kernel.cluster) + " blocks were not allowed");
  require(int(config.dynamicSharedBytes) <= std::max(kernel.maxDynamicShared, (48 << 10) - kernel.staticShared), launch,
          std::to_string(config.dynamicSharedBytes) + " bytes of dynamic shared memory were not allowed");
  require(config.numAttributes == 0 || fakeCapability() >= 90, launch,
          "programmatic launches need compute capability 9.0");
  checkPointers(launch);
}

void checkPointers(const FakeLaunch &launch) {
  for (const StepPointer &one : pointersOf(launch.step)) {
    uint64_t address = addressOf(one.address);
    if (!address)
      continue;
    require(address % (one.host ? 4 : 16) == 0, launch, std::string(one.name) + " is not aligned");
    fakeState().memory.require(address, address + 4, one.host, "kernel " + launch.kernel + ": " + one.name);
  }
  for (size_t i = 0; i < launch.args.size(); ++i)
    if (launch.args[i])
      checkArgument(launch, i);
}

void checkStep(const FakeLaunch &launch) {
  const CudaStep &step = launch.step;
  int tokens = step.counts[CudaStep::Tokens], sequences = step.counts[CudaStep::Sequences],
      logits = step.counts[CudaStep::Logits];
  require(tokens >= 1 && sequences >= 1 && sequences <= tokens && logits >= 0 && logits <= tokens, launch,
          "a step of " + std::to_string(tokens) + " tokens, " + std::to_string(sequences) + " sequences, " +
              std::to_string(logits) + " rows of logits");
  std::set<int> slots;
  require(step.queryStart[0] == 0 && step.queryStart[sequences] == tokens, launch, "sequences do not cover the tokens");
  for (int s = 0; s < sequences; ++s) {
    int end = step.queryStart[s + 1];
    require(end > step.queryStart[s], launch, "sequence " + std::to_string(s) + " has no token");
    for (int t = step.queryStart[s]; t < end; ++t) {
      require(step.positions[t] >= 0 && step.positions[t] == step.contextLengths[s] - (end - t), launch,
              "token " + std::to_string(t) + " is not where its sequence's context ends");
      require(step.slots[t] >= 0 && slots.insert(step.slots[t]).second, launch,
              "token " + std::to_string(t) + " shares its slot of the cache");
    }
  }
  for (int row = 0; row < logits; ++row)
    require(step.logitRows[row] < tokens && step.logitRows[row] > (row ? step.logitRows[row - 1] : -1), launch,
            "rows of logits are not ascending");
}

void runLaunches(FakeState &state, const std::vector<FakeLaunch> &launches) {
  static const int vocab = int(fakeSetting("FAKE_CUDA_VOCAB", 0));
  const char *faulty = getenv("FAKE_CUDA_FAULT");
  for (const FakeLaunch &launch : launches) {
    ++state.launches;
    state.kernels.insert(launch.kernel);
    if (launch.step.tokens)
      state.body = launch.step;
    if (state.gpu.kernels)
      state.gpu.kernels(launch);
    else if (vocab > 0 && launch.kernel.find("sample") != std::string::npos)
      playSampling(launch, vocab);
    state.lost = state.lost || (faulty && launch.kernel.find(faulty) != std::string::npos);
  }
}

std::vector<FakeAccess> accessesOf(FakeState &state, const std::vector<FakeLaunch> &launches) {
  std::map<uint64_t, FakeAccess> found; // by where they begin, or by the allocation
  std::string what = "a launch of " + std::to_string(launches.size()) + " kernels from " + launches.front().kernel;
  for (const FakeLaunch &launch : launches) {
    for (const StepPointer &one : pointersOf(launch.step))
      if (uint64_t begin = addressOf(one.address))
        found.try_emplace(begin, begin, begin + 4, one.written, what);
    for (const void *argument : launch.args)
      if (const FakeAllocation *memory = state.memory.find(addressOf(argument))) {
        auto &access = found.try_emplace(memory->begin, memory->begin, memory->end(), true, what).first->second;
        access = {memory->begin, memory->end(), true, what};
      }
  }
  std::vector<FakeAccess> accesses;
  for (auto &[begin, access] : found)
    accesses.push_back(std::move(access));
  return accesses;
}

} // namespace sinter::rt
