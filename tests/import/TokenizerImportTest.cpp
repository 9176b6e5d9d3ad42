// SPDX-License-Identifier: Apache-2.0
// What the tokenizer importers take and what they refuse, with the exact message.
#include "compiler/import/TokenizerImport.h"
#include "runtime/text/Tokenizer.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <fstream>
#include <gtest/gtest.h>

using namespace sinter;

namespace {

/// A directory for one test, removed behind it.
class Directory {
public:
  Directory() { EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("sinter-tokenizer", path)); }
  ~Directory() { llvm::sys::fs::remove_directories(path); }
  void write(llvm::StringRef name, llvm::StringRef text) {
    llvm::SmallString<128> file(path);
    llvm::sys::path::append(file, name);
    std::ofstream(file.c_str(), std::ios::binary) << text.str();
  }
  llvm::SmallString<128> path;
};

/// The message of importing a directory with this tokenizer.json, without the file's path.
std::string errorOf(llvm::StringRef json) {
  Directory directory;
  directory.write("tokenizer.json", json);
  auto data = tokenizerFromHuggingFace(directory.path);
  if (data)
    return "";
  std::string message = llvm::toString(data.takeError());
  return llvm::StringRef(message).split("tokenizer.json").second.str();
}

/// A small byte-level tokenizer.json around these members.
std::string json(llvm::StringRef vocab = R"("a":0,"b":1,"ab":2)", llvm::StringRef merges = R"("a b")",
                 llvm::StringRef more = "") {
  return (R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{)" + vocab +
          R"(},"merges":[)" + merges + "]}" + more + "}")
      .str();
}

TEST(TokenizerImport, noTokenizerIsNoError) {
  Directory directory;
  auto data = tokenizerFromHuggingFace(directory.path);
  ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
  EXPECT_FALSE(data->has_value());
}

TEST(TokenizerImport, readsWhatTheHubHas) {
  Directory directory;
  directory.write("tokenizer.json", json(R"("a":0,"b":1,"ab":2)", R"(["a","b"])",
                                         R"(,"added_tokens":[{"id":3,"content":"<s>","special":true}])"));
  directory.write("tokenizer_config.json", R"({"bos_token":{"content":"<s>"},"chat_template":"old"})");
  directory.write("chat_template.jinja", "new");
  auto data = tokenizerFromHuggingFace(directory.path);
  ASSERT_TRUE(bool(data)) << llvm::toString(data.takeError());
  EXPECT_EQ((*data)->bosId, 3);
  EXPECT_EQ((*data)->eosId, -1);
  EXPECT_EQ((*data)->chatTemplate, "new");
  std::vector<uint8_t> image = rt::serialize(**data);
  auto tokenizer = rt::Tokenizer::load(image);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->encode("ab<s>a"), (std::vector<int32_t>{2, 3, 0}));
}

TEST(TokenizerImport, refusesWhatItCannotDo) {
  EXPECT_EQ(errorOf(R"({"model":{"type":"Unigram"}})"), ": model.type: expected 'BPE', found 'Unigram'");
  EXPECT_EQ(errorOf(R"({"normalizer":{"type":"Lowercase"},"model":{}})"),
            ": normalizer.type: expected one of 'NFC', 'NFD', 'NFKC', 'NFKD', 'Prepend', 'Replace', 'Sequence', found "
            "'Lowercase'");
  EXPECT_EQ(errorOf(R"({"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Metaspace"}]},"model":{}})"),
            ": pre_tokenizer.pretokenizers[0].type: expected one of 'ByteLevel', 'Digits', 'Split', 'Sequence', found "
            "'Metaspace'");
  EXPECT_EQ(
      errorOf(R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a&&b]"},"behavior":"Isolated"},"model":{}})"),
      ": pre_tokenizer.pattern: expected a pattern that this compiler can carry over, found regular expression "
      "'[a&&b]': a class intersection at offset 2 is not supported");
  EXPECT_EQ(errorOf(R"({"post_processor":{"type":"Magic"},"model":{}})"),
            ": post_processor.type: expected one of 'ByteLevel', 'TemplateProcessing', 'RobertaProcessing', "
            "'BertProcessing', 'Sequence', found 'Magic'");
}

TEST(TokenizerImport, refusesBrokenVocabularies) {
  EXPECT_EQ(errorOf(json(R"("a":0,"b":0)", "")), ": model.vocab.'b': expected an id of its own, found 0, as 'a' has");
  EXPECT_EQ(errorOf(json(R"("a":-1)", "")), ": model.vocab.'a': expected an id in 0 ... 65537, found -1");
  EXPECT_EQ(errorOf(json(R"("a":999999999)", "")), ": model.vocab.'a': expected an id in 0 ... 65537, found 999999999");
  EXPECT_EQ(errorOf(json(R"("a":"x")", "")), ": model.vocab.'a': expected an id in 0 ... 65537, found 'x'");
  EXPECT_EQ(errorOf(json(R"("a":0,"b":1)", R"("a b")")),
            ": model.merges[0]: expected a merge of pieces, found 'ab', which is not in the vocabulary");
  EXPECT_EQ(errorOf(json(R"("a":0,"b":1)", R"("a")")), ": model.merges[0]: expected two pieces, found 'a'");
  EXPECT_EQ(errorOf(json(R"("a":0)", "", R"(,"added_tokens":[{"id":0,"content":"<s>"}])")),
            ": added_tokens[0].id: expected an id of its own, found 0, which is a piece of the model");
  EXPECT_EQ(errorOf(json(R"("a":0)", "", R"(,"added_tokens":[{"id":1,"content":"x"},{"id":1,"content":"y"}])")),
            ": added_tokens[1].id: expected an id of its own, found 1");
}

GgufTokenizerFields gpt2() {
  GgufTokenizerFields fields;
  fields.path = "m.gguf";
  fields.model = "gpt2";
  fields.pre = "gpt-2";
  fields.tokens = {"a", "b", "ab", "<s>"};
  fields.tokenTypes = {1, 1, 1, 3};
  fields.merges = {"a b"};
  return fields;
}

GgufTokenizerFields llama() {
  GgufTokenizerFields fields;
  fields.path = "m.gguf";
  fields.model = "llama";
  fields.tokens = {"<unk>", "<s>", "a", "<0x0A>"};
  fields.scores = {0, 0, -1, 0};
  fields.tokenTypes = {2, 3, 1, 6};
  fields.bosId = 1;
  return fields;
}

std::string errorOf(const GgufTokenizerFields &fields) {
  auto data = tokenizerFromGguf(fields);
  return data ? "" : llvm::toString(data.takeError());
}

TEST(TokenizerImport, ggufDefaults) {
  auto spaced = tokenizerFromGguf(llama());
  ASSERT_TRUE(bool(spaced)) << llvm::toString(spaced.takeError());
  EXPECT_TRUE(spaced->spacePrefix && spaced->byteFallback);
  EXPECT_EQ(spaced->prefixIds, std::vector<int32_t>{1});
  EXPECT_EQ(spaced->unknownId, 0);
  auto bytes = tokenizerFromGguf(gpt2());
  ASSERT_TRUE(bool(bytes)) << llvm::toString(bytes.takeError());
  EXPECT_TRUE(bytes->prefixIds.empty());
  EXPECT_TRUE(bytes->addedTokens.at(0).special);
}

TEST(TokenizerImport, ggufRefusals) {
  auto with = [](GgufTokenizerFields fields, auto change) {
    change(fields);
    return errorOf(fields);
  };
  EXPECT_EQ(with(gpt2(), [](auto &f) { f.model = "bert"; }),
            "m.gguf: tokenizer.ggml.model: expected 'gpt2' or 'llama', found 'bert'");
  EXPECT_EQ(with(gpt2(), [](auto &f) { f.pre = "tekken"; }),
            "m.gguf: tokenizer.ggml.pre: expected one of 'gpt-2', 'smollm', 'llama-bpe', 'qwen2', found 'tekken'");
  EXPECT_EQ(with(gpt2(), [](auto &f) { f.tokens[1] = "a"; }),
            "m.gguf: tokenizer.ggml.tokens[1]: expected each token once, found 'a', which is token 0 too");
  EXPECT_EQ(with(gpt2(), [](auto &f) { f.merges[0] = "a  b"; }),
            "m.gguf: tokenizer.ggml.merges[0]: expected two pieces and a space between, found 'a  b'");
  EXPECT_EQ(with(gpt2(), [](auto &f) { f.merges[0] = "a c"; }),
            "m.gguf: tokenizer.ggml.merges[0]: expected a merge of pieces, found 'c', which is not in the vocabulary");
  EXPECT_EQ(with(gpt2(), [](auto &f) { f.tokenTypes.pop_back(); }),
            "m.gguf: tokenizer.ggml.token_type: expected 4 types, as there are tokens, found 3");
  EXPECT_EQ(with(gpt2(), [](auto &f) { f.eosId = 4; }),
            "m.gguf: tokenizer.ggml.eos_token_id: expected a token of 4, found 4");
  EXPECT_EQ(with(gpt2(), [](auto &f) { f.addBos = true; }),
            "m.gguf: tokenizer.ggml.bos_token_id: expected a token, because add_bos_token is true, found none");
  EXPECT_EQ(with(llama(), [](auto &f) { f.scores.pop_back(); }),
            "m.gguf: tokenizer.ggml.scores: expected 4 scores, as there are tokens, found 3");
  EXPECT_EQ(with(llama(), [](auto &f) { f.tokens[3] = "<0xZZ>"; }),
            "m.gguf: tokenizer.ggml.tokens[3]: expected a byte piece such as '<0x0A>', found '<0xZZ>'");
  EXPECT_EQ(with(llama(), [](auto &f) { f.tokenTypes[0] = 1; }),
            "m.gguf: tokenizer.ggml.unknown_token_id: expected an unknown token, found none");
}

} // namespace
