// SPDX-License-Identifier: Apache-2.0
// Rope frequencies and attention scales of every rope type against transformers 5.17
// (modeling_rope_utils.ROPE_INIT_FUNCTIONS of a LlamaConfig with these rope_parameters and head_dim).
#include "ir/Rope.h"
#include <gtest/gtest.h>

namespace sinter {
namespace {

struct Case {
  const char *name;
  RopeParams rope;
  int64_t headDim;
  double scale;
  std::vector<double> frequencies;
};

const Case cases[] = {
    {"Default", {.type = "default", .theta = 10000}, 8, 1, {1, 0.1, 0.01, 0.001}},
    {"Linear",
     {.type = "linear", .theta = 10000, .factor = 4},
     16,
     1,
     {0.25, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05}},
    // As Llama 3.2 1B has it.
    {"Llama3",
     {.type = "llama3",
      .theta = 500000,
      .factor = 32,
      .lowFreqFactor = 1,
      .highFreqFactor = 4,
      .originalMaxPositions = 8192},
     64,
     1,
     {1,
      0.663601279,
      0.440366626,
      0.292227834,
      0.193922758,
      0.128687382,
      0.0853971019,
      0.0566696189,
      0.0376060307,
      0.0249554086,
      0.0165604409,
      0.0109895291,
      0.00729266508,
      0.00483942125,
      0.00321144611,
      0.00129054801,
      0.000429556705,
      9.70828623e-05,
      1.94616387e-05,
      1.29147675e-05,
      8.57025589e-06,
      5.68723226e-06,
      3.77405445e-06,
      2.50446715e-06,
      1.66196742e-06,
      1.10288363e-06,
      7.31874934e-07,
      4.85673127e-07,
      3.22293289e-07,
      2.1387423e-07,
      1.41927202e-07,
      9.41830649e-08}},
    // As Qwen documents it for long contexts.
    {"Yarn",
     {.type = "yarn", .theta = 1000000, .factor = 4, .originalMaxPositions = 32768},
     64,
     1.138629436111989,
     {1,
      0.649381638,
      0.421696514,
      0.273841977,
      0.177827939,
      0.115478203,
      0.0749894157,
      0.0486967526,
      0.0316227786,
      0.0205352511,
      0.0133352149,
      0.00865964312,
      0.00515479548,
      0.0030431177,
      0.00177853031,
      0.00102661771,
      0.000583333371,
      0.000324690831,
      0.000175706868,
      9.12806499e-05,
      4.44569851e-05,
      2.88695483e-05,
      1.87473561e-05,
      1.21741887e-05,
      7.90569356e-06,
      5.13381246e-06,
      3.33380353e-06,
      2.16491094e-06,
      1.40585337e-06,
      9.1293532e-07,
      5.92843435e-07,
      3.84981632e-07}},
    {"YarnOtherRotations",
     {.type = "yarn", .theta = 10000, .factor = 16, .originalMaxPositions = 64, .betaFast = 16, .betaSlow = 2},
     32,
     1.2772588722239782,
     {1, 0.386609644, 0.118585408, 0.0111142462, 0.00625000009, 0.00351463305, 0.00197642366, 0.00111142464,
      0.000624999986, 0.000351463328, 0.000197642366, 0.000111142464, 6.2500003e-05, 3.51463314e-05, 1.97642366e-05,
      1.11142463e-05}},
    {"YarnUntruncated",
     {.type = "yarn", .theta = 150000, .factor = 32, .originalMaxPositions = 4096, .truncate = false},
     32,
     1.3465735902799727,
     {1, 0.47478205, 0.225418001, 0.107024416, 0.0508132726, 0.0193350017, 0.00679495931, 0.00209379266, 0.000456483918,
      3.83088118e-05, 1.8188337e-05, 8.63549576e-06, 4.09997847e-06, 1.94659629e-06, 9.24208962e-07, 4.38797855e-07}},
    {"YarnMscale",
     {.type = "yarn", .theta = 10000, .factor = 40, .originalMaxPositions = 4096, .mscale = 1, .mscaleAllDim = 0.5},
     32,
     1.1557219901962608,
     {1, 0.562341332, 0.316227764, 0.177827939, 0.100000001, 0.0562341288, 0.0272181761, 0.0128290169, 0.00582142826,
      0.00249036867, 0.000959977158, 0.000292145909, 2.49999994e-05, 1.40585325e-05, 7.90569447e-06, 4.44569832e-06}},
    {"YarnAttentionFactor",
     {.type = "yarn", .theta = 10000, .factor = 4, .originalMaxPositions = 4096, .attentionFactor = 1.5},
     16,
     1.5,
     {1, 0.316227764, 0.100000001, 0.025693506, 0.00624999963, 0.00138349656, 0.000250000012, 7.90569466e-05}},
};

class RopeFrequencies : public testing::TestWithParam<Case> {};

TEST_P(RopeFrequencies, AgreeWithTransformers) {
  const Case &c = GetParam();
  std::vector<double> f = c.rope.frequencies(c.headDim);
  ASSERT_EQ(f.size(), c.frequencies.size());
  for (size_t i = 0; i < f.size(); ++i)
    EXPECT_NEAR(f[i] / c.frequencies[i], 1, 3e-6) << "rotation " << i; // theirs are computed in float32
  EXPECT_NEAR(c.rope.attentionScale(), c.scale, 1e-12);
}

TEST_P(RopeFrequencies, SurviveBeingWritten) {
  RopeParams back;
  ASSERT_TRUE(AttrCodec<RopeParams>::decode(AttrCodec<RopeParams>::encode(GetParam().rope), back));
  EXPECT_EQ(back, GetParam().rope);
}

INSTANTIATE_TEST_SUITE_P(Types, RopeFrequencies, testing::ValuesIn(cases),
                         [](auto &info) { return std::string(info.param.name); });

TEST(RopeFactors, DivideFrequenciesOneByOne) {
  RopeParams rope{.theta = 10000, .freqFactors = {1, 2, 8, 32}};
  std::vector<double> f = rope.frequencies(8);
  ASSERT_EQ(f.size(), 4u);
  EXPECT_DOUBLE_EQ(f[1], 0.05);
  EXPECT_DOUBLE_EQ(f[3], 0.001 / 32);
}

} // namespace
} // namespace sinter
