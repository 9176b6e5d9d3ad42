// SPDX-License-Identifier: Apache-2.0
// Loading into a GPU that is played: memory, kernels, weights, and what is said of those that are wrong.
#include "CudaFixture.h"
#include "runtime/abi/RandomWeights.h"
#include "runtime/device/cuda/CudaUpload.h"
#include <fstream>
#include <gmock/gmock.h>

using namespace sinter::rt;
using testing::HasSubstr;

namespace {

class CudaLoadTest : public CudaFixture {
protected:
  /// What an upload of the weights of `plan` brings, or its error.
  std::string upload(const Plan &plan, const Payload &payload, std::vector<char> &into) {
    auto driver = CudaDriver::open(FAKE_CUDA);
    auto device = CudaDevice::open(*driver, {"sm_90a", 0});
    EXPECT_TRUE(device);
    auto source = WeightSource::open(plan, payload, true);
    if (!source)
      return source.error().message;
    auto memory = allocateCudaMemory(*driver, plan.weightsBytes, "weights");
    EXPECT_TRUE(memory);
    auto seconds = CudaUpload::run(*device, **source, memory->get(), plan.weightsBytes, 3);
    const char *arrived = reinterpret_cast<const char *>(memory->get()); // the fake GPU's memory is the host's
    into.assign(arrived, arrived + plan.weightsBytes);
    return seconds ? "" : seconds.error().message;
  }
  /// Not whole in any unit of the upload.
  static std::string largeWeights() {
    std::string bytes((9 << 20) + 12344, '\0');
    for (size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<char>(i * 2654435761u >> 13);
    return bytes;
  }
};

TEST_F(CudaLoadTest, KvBlocksFillTheFreeMemory) {
  EXPECT_EQ(make()->limits().numKvBlocks, 16 * toy::maxSeqs) << "no more than sequences can use";
  CudaMemoryPlan sizes(toy::cudaPlan, 1000, 0);
  uint64_t block = toy::plan.kvBlockBytes * toy::layers;
  EXPECT_EQ(sizes.fixed(), toy::weightsBytes + toy::plan.arenaBytes + 64 + 16 + 24 * 97 * 4 + 1000);
  EXPECT_EQ(sizes.needed(), sizes.fixed() + 16 * block);
  EXPECT_EQ(*sizes.blocks(sizes.needed()), 16) << "the fewest";
  EXPECT_EQ(*sizes.blocks(10 * sizes.fixed()), std::min<uint64_t>(8 * sizes.fixed() / block, 16 * toy::maxSeqs));
  EXPECT_EQ(*CudaMemoryPlan(toy::cudaPlan, 1000, 5 * block + 1).blocks(1 << 30), 5);
  EXPECT_EQ(CudaMemoryPlan(toy::cudaPlan, 1000, uint64_t{1} << 60).needed(), sizes.fixed() + 16 * toy::maxSeqs * block)
      << "no more than can be used, whatever is asked for";
  auto none = CudaMemoryPlan(toy::cudaPlan, 1000, block - 1).blocks(1 << 30);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "31 B of KV cache hold no block: a block takes 32 B");
}

TEST_F(CudaLoadTest, ChecksTheGpuBeforeTheWeights) {
  Payload empty = payload({{"info", "{}"}});
  set("FREE", "12000");
  set("TOTAL", "20000");
  EXPECT_THAT(loadError(empty, empty), HasSubstr("memory of the GPU will not suffice: "));
  EXPECT_THAT(loadError(empty, empty), HasSubstr(" KiB are needed, 11.7 KiB of 19.5 KiB are free (Fake GPU)"));
  set("FREE", "1000000");
  EXPECT_THAT(loadError(empty, empty), HasSubstr("the payload has no section 'weights'"));
  CudaExecutorOptions options = fakeOptions();
  options.kvBytes = 1 << 20;
  Plan longer = toy::cudaPlan;
  longer.maxSeqLen *= 1000;
  EXPECT_THAT(loadError(empty, empty, longer, options), HasSubstr(" MiB are needed, 976.6 KiB of "));
  set("CAPABILITY", "80");
  EXPECT_EQ(loadError(empty, empty), "built for sm_90a, this GPU is sm_80 (Fake GPU)");
}

TEST_F(CudaLoadTest, NamesTheKernelThatDoesNotLoad) {
  Payload weights = payload({{"weights", toyWeights()}});
  EXPECT_THAT(loadError(weights, weights), HasSubstr("the payload has no section 'cubins'"));
  std::string cubins = toy::makeCubins();
  EXPECT_EQ(loadError(payload({{"cubins", cubins.substr(0, 40)}}), weights),
            "kernel head: its code ends at byte 48, the payload's section 'cubins' has 40");
  cubins[16] = 'X';
  EXPECT_EQ(loadError(payload({{"cubins", cubins}}), weights),
            "kernel layer: cuLibraryGetKernel: CUDA_ERROR_NOT_FOUND (named symbol not found)");
  gpu.failing = "cuFuncSetAttribute";
  EXPECT_THAT(loadError(payload({{"cubins", toy::makeCubins()}}), weights),
              HasSubstr("kernel embed: cuFuncSetAttribute: "));
  gpu.failing = "cuTensorMapEncodeTiled";
  EXPECT_THAT(loadError(payload({{"cubins", toy::makeCubins()}}), weights),
              HasSubstr("tensor map 0: cuTensorMapEncodeTiled: "));
  gpu.failing = "";
}

TEST_F(CudaLoadTest, KernelsGetTheAttributesThatTheyNeed) {
  make();
  constexpr int maxShared = 8, carveout = 9, largeClusters = 14;
  EXPECT_EQ(gpu.attributes["embed"], (std::map<int, int>{{carveout, 100}}));
  EXPECT_EQ(gpu.attributes["layer"], (std::map<int, int>{{carveout, 100}, {maxShared, 4096}}))
      << "8 blocks are portable";
  EXPECT_EQ(gpu.attributes["head"], (std::map<int, int>{{carveout, 100}, {largeClusters, 1}}));
}

TEST_F(CudaLoadTest, WeightsArriveAsTheyAre) {
  std::string bytes = largeWeights();
  Plan plan = toy::cudaPlan;
  plan.weightsBytes = bytes.size();
  std::vector<char> arrived;
  EXPECT_EQ(upload(plan, payload({{"weights", bytes}}), arrived), "");
  EXPECT_TRUE(std::ranges::equal(arrived, bytes));
}

TEST_F(CudaLoadTest, WeightsThatAreDamagedOrTooFewAreRefused) {
  std::string bytes = largeWeights();
  Plan plan = toy::cudaPlan;
  plan.weightsBytes = bytes.size();
  Payload damaged = payload({{"weights", bytes}});
  {
    std::fstream file(damaged.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(damaged.find("weights")->offset + (5 << 20)));
    file.put('!');
  }
  std::vector<char> arrived;
  EXPECT_THAT(upload(plan, damaged, arrived), HasSubstr("weights"));
  plan.weightsBytes += 1;
  EXPECT_EQ(upload(plan, payload({{"weights", bytes}}), arrived),
            "the plan of toy needs 9449529 bytes of weights, the payload has 9449528");
  plan.weightsBytes -= 1;
  Payload good = payload({{"weights", bytes}});
  gpu.failing = "cuMemcpyHtoDAsync_v2";
  EXPECT_THAT(upload(plan, good, arrived), HasSubstr("cuMemcpyHtoDAsync_v2: CUDA_ERROR_ILLEGAL_ADDRESS"));
  gpu.failing = "";
}

TEST_F(CudaLoadTest, RandomWeightsAreMadeOnTheWay) {
  std::string stored(100, 's');
  const WeightRegion regions[] = {{0, 3 << 20, WeightFill::Uniform, WeightElement::BF16, 0},
                                  {(3 << 20) + 256, 4096, WeightFill::Ones, WeightElement::F32, 0},
                                  {4 << 20, 64, WeightFill::Stored, WeightElement::F32, 36}};
  Plan plan = toy::cudaPlan;
  plan.weightsBytes = (4 << 20) + 64;
  plan.weightRegions = regions;
  plan.numWeightRegions = 3;
  plan.weightSeed = 7;
  std::vector<char> arrived;
  ASSERT_EQ(upload(plan, payload({{"weights", stored}}), arrived), "");
  auto bits = [&](uint64_t at) { return *reinterpret_cast<const uint16_t *>(arrived.data() + at); };
  for (uint64_t at : {0, 2, 1 << 20, (2 << 20) - 2, 2 << 20, (3 << 20) - 2})
    EXPECT_EQ(bits(at), nearestBfloat(std::bit_cast<uint32_t>(randomWeight(randomWeightKey(7), at, false))));
  uint64_t ones = (3 << 20) + 256;
  EXPECT_EQ(*reinterpret_cast<const float *>(arrived.data() + ones + 40),
            randomWeight(randomWeightKey(7), ones + 40, true));
  EXPECT_EQ(bits(3 << 20), 0) << "between regions";
  EXPECT_EQ(std::string(arrived.data() + (4 << 20), 64), std::string(64, 's'));
}

} // namespace
