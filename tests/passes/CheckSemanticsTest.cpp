// SPDX-License-Identifier: Apache-2.0
// The check of meaning finds graphs that compute something else, and says where it begins.
#include "ir/Parser.h"
#include "passes/Pass.h"
#include <gtest/gtest.h>

namespace sinter {
namespace {

std::unique_ptr<Module> parse(llvm::StringRef body) {
  std::string text = ("weight @w : f32[64]\nweight @v : f32[64]\nweight @q : i8<g32, f16>[64, 64]\n"
                      "graph @g(%x: f32[T, 64], %k: f32[T, 32]) {\n" +
                      body + "\n}")
                         .str();
  auto module = parseModule({text, "text"});
  if (!module)
    ADD_FAILURE() << llvm::toString(module.takeError());
  return module ? std::move(*module) : nullptr;
}

/// "" or the error.
std::string compare(llvm::StringRef before, llvm::StringRef after) {
  return llvm::toString(checkSemantics(*parse(before), *parse(after), "rewrite"));
}

TEST(CheckSemantics, EqualGraphsAreEqual) {
  const char *body = "%a = rms_norm %x, @w\n%b = add %a, %x\nreturn %b";
  EXPECT_EQ(compare(body, body), "");
}

TEST(CheckSemantics, NamesTheFirstValueAndOpThatDiffer) {
  std::string message = compare("%a = add %x, %x\n%b = rms_norm %a, @w\n%c = add %b, %x\nreturn %c",
                                "%a = add %x, %x\n%b = rms_norm %a, @v\n%c = add %b, %x\nreturn %c");
  EXPECT_TRUE(llvm::StringRef(message).starts_with("rewrite changed what graph @g means: %c differs by ")) << message;
  EXPECT_NE(message.find("allowed 0.0001; it begins in %b ("), std::string::npos) << message;
  EXPECT_NE(message.find("computed by %b = rms_norm %a, @v : f32[T, 64]"), std::string::npos) << message;
}

TEST(CheckSemantics, SmallDifferencesCount) {
  EXPECT_NE(compare("%a = rms_norm %x, @w\nreturn %a", "%a = rms_norm %x, @w {eps = 0.001}\nreturn %a"), "");
  EXPECT_EQ(compare("%a = rms_norm %x, @w\nreturn %a", "%a = rms_norm %x, @w {eps = 0.00001}\nreturn %a"), "");
}

TEST(CheckSemantics, OtherReturns) {
  EXPECT_EQ(compare("return %x", "return %x, %x"),
            "rewrite changed the number of values that graph @g returns from 1 to 2");
  EXPECT_NE(compare("%a = last_tokens %x\nreturn %a", "return %x"), "");
}

TEST(CheckSemantics, TheCacheCountsToo) {
  auto graph = [](const char *append) {
    return append + std::string("\n%a = paged_attention %x {head_dim = 32, kv_heads = 1, layer = 0}\nreturn %a");
  };
  std::string exact = graph("append_kv %k, %k {head_dim = 32, layer = 0}");
  EXPECT_EQ(compare(exact, graph("append_kv %k, %k {head_dim = 32, layer = 0, kv_type = bf16}")), "");
  EXPECT_NE(compare(exact, graph("%z = add %k, %k\nappend_kv %k, %z {head_dim = 32, layer = 0}")), "");
}

TEST(CheckSemantics, QuantizingActivationsIsAllowedButNothingLike) {
  const char *exact = "%y = linear %x, @q\nreturn %y";
  EXPECT_EQ(compare(exact, "%c = cast %x {to = i8<g16, f32>}\n%y = linear %c, @q {to = f32}\nreturn %y"), "");
  EXPECT_NE(compare(exact, "%c = cast %x {to = i2<g32, f32>}\n%y = linear %c, @q {to = f32}\nreturn %y"), "");
}

TEST(CheckSemantics, AnErrorOfTheInterpreterIsPassedOn) {
  std::string twice = "append_kv %k, %k {head_dim = 32, layer = 0}\nappend_kv %k, %k {head_dim = 32, layer = 0}\n"
                      "return %x";
  EXPECT_NE(compare("return %x", twice).find("the KV cache of layer 0 holds 5 tokens of sequence 0"),
            std::string::npos);
}

} // namespace
} // namespace sinter
