// SPDX-License-Identifier: Apache-2.0
// Which lists a plan has and which launches are in them, whatever the limits of a step; and what has no kernel.
#include "codegen/cuda/CudaSelect.h"
#include "CompiledQwen3.h"
#include <gmock/gmock.h>
#include <regex>
#include <set>

namespace sinter {
namespace {

using rt::CudaArgKind;
using testing::ElementsAre;

struct StepLimits {
  int64_t seqs, tokens, logits;
};

/// A step and its selection: sm_90a unless told.
struct Selected {
  explicit Selected(StepLimits limits, llvm::StringRef json = qwen3Config,
                    PassOptions pass = {.kvType = Scalar::BF16}) {
    pass.target = "cuda";
    pass.maxStepTokens = limits.tokens;
    pass.maxStepLogits = limits.logits;
    module = compiledQwen3(pass, json);
    options.arch = llvm::cantFail(findCudaArch("sm_90a"));
    options.maxSeqs = limits.seqs;
    options.maxStepTokens = limits.tokens;
    options.maxStepLogits = limits.logits;
  }
  CudaLaunchPlan plan() const { return llvm::cantFail(selectCuda(*module->findGraph("step"), options)); }
  std::string error() const {
    auto selected = selectCuda(*module->findGraph("step"), options);
    return selected ? "" : llvm::toString(selected.takeError());
  }

  std::unique_ptr<Module> module;
  CudaSelectOptions options;
};

std::vector<int64_t> buckets(llvm::ArrayRef<CudaKernelList> lists) {
  std::vector<int64_t> rows;
  for (const CudaKernelList &list : lists)
    rows.push_back(list.maxRows);
  return rows;
}

const CudaKernelList &listOf(llvm::ArrayRef<CudaKernelList> lists, int64_t rows) {
  return *llvm::find_if(lists, [&](auto &l) { return l.maxRows == rows; });
}

using Names = std::vector<std::string>;

/// What the kernels of a list do: "linear", without a kernel's number and rows.
Names names(const CudaLaunchPlan &plan, const CudaKernelList &list) {
  Names all;
  for (const CudaKernelLaunch &l : list.launches)
    all.push_back(std::regex_replace(plan.kernels[l.kernel].name, std::regex("^k[0-9]+_|_[0-9]+$"), ""));
  return all;
}

TEST(CudaSelect, BucketsOfUsualLimits) {
  CudaLaunchPlan plan = Selected({256, 8192, 256}).plan();
  EXPECT_THAT(buckets(plan.decode), ElementsAre(1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256));
  EXPECT_THAT(buckets(plan.mixed), ElementsAre(16, 32, 64, 96, 128, 192, 256, 384, 512, 8192));
  EXPECT_EQ(buckets(plan.heads), buckets(plan.decode));
  EXPECT_EQ(buckets(plan.denseHeads), buckets(plan.decode));
}

TEST(CudaSelect, BucketsOfManySequences) {
  CudaLaunchPlan plan = Selected({1000, 4096, 2500}).plan();
  EXPECT_THAT(buckets(plan.decode), ElementsAre(1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 1000));
  EXPECT_THAT(buckets(plan.heads), ElementsAre(1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 2500));
  EXPECT_EQ(buckets(plan.denseHeads), buckets(plan.decode));
}

TEST(CudaSelect, BucketsOfOddLimits) {
  CudaLaunchPlan plan = Selected({3, 17, 64}).plan();
  EXPECT_THAT(buckets(plan.decode), ElementsAre(1, 2, 3));
  EXPECT_THAT(buckets(plan.mixed), ElementsAre(16, 17));
  EXPECT_THAT(buckets(plan.heads), ElementsAre(1, 2, 4, 8, 16, 17));
  EXPECT_THAT(buckets(plan.denseHeads), ElementsAre(1, 2, 3));
  plan = Selected({17, 100, 64}).plan();
  EXPECT_THAT(buckets(plan.decode), ElementsAre(1, 2, 4, 8, 16, 17));
  EXPECT_THAT(buckets(plan.mixed), ElementsAre(16, 32, 64, 96, 100));
  EXPECT_THAT(buckets(plan.heads), ElementsAre(1, 2, 4, 8, 16, 32, 64)); // prompts may want more than one row each
}

// A bucket of 8 rows would write 8 where there is room for 5.
TEST(CudaSelect, NoBucketHasMoreRowsThanAStep) {
  CudaLaunchPlan plan = Selected({256, 5, 256}).plan();
  for (const auto *lists : {&plan.decode, &plan.heads, &plan.denseHeads})
    EXPECT_THAT(buckets(*lists), ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(buckets(plan.mixed), ElementsAre(5));
  plan = Selected({1, 1, 64}).plan();
  for (const auto *lists : {&plan.decode, &plan.mixed, &plan.heads, &plan.denseHeads})
    EXPECT_THAT(buckets(*lists), ElementsAre(1));
}

/// A body of three layers; what follows the last attention is the head's, which has fewer rows.
Names body(const Names &untilAttention, const Names &after) {
  Names all = {"embed"};
  for (const Names *part : {&untilAttention, &after, &untilAttention, &after, &untilAttention})
    llvm::append_range(all, *part);
  return all;
}

TEST(CudaSelect, BodiesEndWithTheLastAttention) {
  CudaLaunchPlan plan = Selected({64, 1024, 64}).plan();
  Names few = {"linear", "swiglu_linear", "linear"}, many = {"linear", "rms_norm", "swiglu_linear", "linear"};
  EXPECT_EQ(names(plan, listOf(plan.decode, 1)), body({"linear", "attention_decode"}, few));
  EXPECT_EQ(names(plan, listOf(plan.decode, 16)), body({"linear", "attention_decode"}, few));
  EXPECT_EQ(names(plan, listOf(plan.decode, 32)), body({"linear", "attention_decode"}, few));
  EXPECT_EQ(names(plan, listOf(plan.mixed, 16)),
            body({"linear", "rope_append", "attention_decode", "attention_prefill"}, few));
  EXPECT_EQ(names(plan, listOf(plan.mixed, 256)), names(plan, listOf(plan.mixed, 16)));
  EXPECT_EQ(names(plan, listOf(plan.mixed, 1024)),
            body({"rms_norm", "linear", "rope_append", "attention_decode", "attention_prefill"}, many));
}

/// What a matmul of some more rows norms by, whoever made its input has left, just before.
TEST(CudaSelect, SquaresComeWithRows) {
  CudaLaunchPlan plan = Selected({64, 1024, 64}).plan();
  for (const CudaKernelList *list : {&listOf(plan.decode, 32), &listOf(plan.mixed, 256), &listOf(plan.heads, 64)}) {
    int normed = 0;
    for (size_t i = 1; i < list->launches.size(); ++i) {
      auto has = [&](size_t at, llvm::StringRef field) {
        return llvm::StringRef(plan.kernels[list->launches[at].kernel].fields).contains(field);
      };
      if (!has(i, ".norm = true") || !has(i, ".squares = "))
        continue;
      ASSERT_TRUE(has(i - 1, ".squares = true"));
      EXPECT_EQ(list->launches[i].args[3].kind, CudaArgKind::Value);
      auto &given = list->launches[i - 1].args;
      EXPECT_EQ(list->launches[i].args[3].offset, given[given.size() == 3 ? 2 : 3].offset); // of embed, of a matmul
      ++normed;
    }
    EXPECT_EQ(normed, list == &listOf(plan.heads, 64) ? 1 : 5);
  }
}

TEST(CudaSelect, HeadsGatherRowsUnlessAllAreWanted) {
  CudaLaunchPlan plan = Selected({64, 1024, 64}).plan();
  Names few = {"linear", "swiglu_linear", "linear", "linear", "sample"};
  // Of many rows: a norm cannot be folded into a table that is also the embedding.
  Names many = {"linear", "swiglu_linear", "linear", "rms_norm", "linear", "sample"};
  auto gathered = [](Names head) {
    head.insert(head.begin(), 2, "last_tokens"); // attention's result, and what is added to it
    return head;
  };
  EXPECT_EQ(names(plan, listOf(plan.heads, 1)), gathered(few));
  EXPECT_EQ(names(plan, listOf(plan.heads, 64)), gathered(many));
  EXPECT_EQ(names(plan, listOf(plan.denseHeads, 1)), few);
  EXPECT_EQ(names(plan, listOf(plan.denseHeads, 64)), many);
}

TEST(CudaSelect, DenseHeadsReadTheBodysRowsInPlace) {
  Selected selected({64, 1024, 64});
  CudaLaunchPlan plan = selected.plan();
  auto gathers = selected.module->findGraph("step")->opsOf<LastTokens>();
  ASSERT_EQ(gathers.size(), 2u);
  // Of the first matmul: its input and its residual.
  auto read = [](const CudaKernelLaunch &launch) { return std::set{launch.args[1].offset, launch.args[6].offset}; };
  std::set<uint64_t> before, after;
  for (const LastTokens &gather : gathers) {
    before.insert(uint64_t(gather.x->offset));
    after.insert(uint64_t(gather.result().offset));
  }
  EXPECT_EQ(read(plan.denseHeads[0].launches[0]), before);
  EXPECT_EQ(read(plan.heads[0].launches[2]), after);
  EXPECT_NE(before, after);
}

TEST(CudaSelect, BucketsShareTheirWeights) {
  CudaLaunchPlan one = Selected({1, 1, 1}).plan(), many = Selected({256, 8192, 256}).plan();
  EXPECT_EQ(one.weights.bytes(), many.weights.bytes());
  EXPECT_EQ(one.weights.all().size(), many.weights.all().size());
}

std::string with(llvm::StringRef from, llvm::StringRef to) {
  return std::regex_replace(qwen3Config.str(), std::regex(from.str()), to.str());
}

// The LM head's weights are scaled by the last norm's, unless the embedding needs them as they are.
TEST(CudaSelect, NormsAreFoldedIntoWeightsThatNothingElseReads) {
  auto head = [](const CudaLaunchPlan &plan) {
    const CudaKernelLaunch &launch = plan.denseHeads[0].launches.rbegin()[1];
    const WeightItem &item =
        *llvm::find_if(plan.weights.all(), [&](auto &i) { return i.offset == launch.args[0].offset; });
    return std::pair(item.columnScale ? item.columnScale->name : "", launch.args[3].kind);
  };
  EXPECT_EQ(head(Selected({1, 1, 1}).plan()), std::pair(std::string(), CudaArgKind::Weight));
  EXPECT_EQ(head(Selected({1, 1, 1}, with("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false")).plan()),
            std::pair(std::string("model.norm.weight"), CudaArgKind::Null));
}

TEST(CudaSelect, ErrorsSayWhereTheOpWasWritten) {
  auto error = [](llvm::StringRef from, llvm::StringRef to) { return Selected({1, 1, 1}, with(from, to)).error(); };
  EXPECT_THAT(error("\"head_dim\": 64", "\"head_dim\": 80"),
              testing::MatchesRegex("models/qwen3.sir:[0-9]+: the cuda target attends with heads of 64 or 128 columns, "
                                    "found 80: %.* = rope_attention .*"));
  EXPECT_THAT(error("\"vocab_size\": 512", "\"vocab_size\": 500"),
              testing::MatchesRegex("models/qwen3.sir:[0-9]+: the cuda target multiplies by weights of a multiple of 8 "
                                    "rows, found @model.embed_tokens.weight: bf16.500, 256.: %.* = linear .*"));
  EXPECT_THAT(error("\"hidden_size\": 256", "\"hidden_size\": 252"),
              testing::MatchesRegex("models/qwen3.sir:[0-9]+: the cuda target's embed cannot have EmbedConfig "
                                    "..hidden = 252, .*: %x = embed .*"));
  EXPECT_THAT(Selected({1, 1, 1}, qwen3Config, {.kvType = Scalar::F16}).error(),
              testing::MatchesRegex("models/qwen3.sir:[0-9]+: the cuda target stores keys and values as bf16, found "
                                    "f16: %.* = rope_attention .*"));
}

TEST(CudaSelect, OpsWithoutAKernelAreNamed) {
  Selected selected({1, 1, 1});
  Graph &step = *selected.module->findGraph("step");
  step.opsOf<LastTokens>().front().get().kernel.clear();
  EXPECT_THAT(
      selected.error(),
      testing::MatchesRegex("models/qwen3.sir:[0-9]+: the cuda target has no kernel for: %.* = last_tokens .*"));
}

} // namespace
} // namespace sinter
