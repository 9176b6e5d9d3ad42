// SPDX-License-Identifier: Apache-2.0
// Directories that are not as they should be: one exact message each.
#include "tests/import/TestFiles.h"
#include <functional>

using namespace sinter;
using namespace sinter::test;

namespace {

/// A safetensors file and what is said of it.
struct FileCase {
  const char *name;
  std::string bytes;
  std::string message;
  friend void PrintTo(const FileCase &c, std::ostream *os) { *os << c.name; }
};

const std::string fourBytes(4, 0), eightBytes(8, 0);

/// A file of one entry `a` and these bytes of data.
std::string oneEntry(const std::string &entry, const std::string &data = fourBytes) {
  return safetensors("{\"a\":" + entry + "}", data);
}

const FileCase fileCases[] = {
    {"Empty", "", "model.safetensors: truncated header size at byte 0: expected 8 bytes, found 0"},
    {"ShortSize", "abc", "model.safetensors: truncated header size at byte 0: expected 8 bytes, found 3"},
    {"HugeHeader", le<uint64_t>(1ull << 60) + "{}",
     "model.safetensors: header size at byte 0: expected at most 100000000 bytes, found 1152921504606846976"},
    {"HeaderBeyondTheEnd", le<uint64_t>(100) + "{}",
     "model.safetensors: truncated header at byte 8: expected 100 bytes, found 2"},
    {"NoJson", safetensors("hello", ""), "model.safetensors: malformed header at byte 8: expected a value, found 'h'"},
    {"UnfinishedJson", safetensors("{\"a\": ", ""),
     "model.safetensors: malformed header at byte 14: expected a value, found the end"},
    {"NotAnObject", safetensors("[1]", ""),
     "model.safetensors: malformed header at byte 8: expected an object, found an array"},
    {"InvalidUtf8", safetensors("{\"a\xff\": 1}", ""),
     "model.safetensors: malformed header at byte 11: expected UTF-8, found byte 0xff"},
    {"DeepNesting", safetensors("{\"a\": " + std::string(100, '['), ""),
     "model.safetensors: malformed header at byte 77: expected at most 64 nested levels, found more"},
    {"DuplicateName", safetensors(R"({"a":{},"\u0061":{}})", ""),
     "model.safetensors: malformed header at byte 16: expected each key once, found a second 'a'"},
    {"EntryNotAnObject", oneEntry("7"),
     "model.safetensors: entry of tensor 'a' at byte 9: expected an object, found 7"},
    {"NoDtype", oneEntry(R"({"shape":[1],"data_offsets":[0,4]})"),
     "model.safetensors: entry of tensor 'a' at byte 9: expected keys dtype, shape and data_offsets, found no dtype"},
    {"NoShape", oneEntry(R"({"dtype":"F32","data_offsets":[0,4]})"),
     "model.safetensors: entry of tensor 'a' at byte 9: expected keys dtype, shape and data_offsets, found no shape"},
    {"NoOffsets", oneEntry(R"({"dtype":"F32","shape":[1]})"),
     "model.safetensors: entry of tensor 'a' at byte 9: expected keys dtype, shape and data_offsets, found no "
     "data_offsets"},
    {"DtypeNotAString", oneEntry(R"({"dtype":4,"shape":[1],"data_offsets":[0,4]})"),
     "model.safetensors: dtype of tensor 'a' at byte 9: expected a string, found 4"},
    {"UnsupportedDtype", oneEntry(R"({"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]})"),
     "model.safetensors: dtype of tensor 'a' at byte 9: expected F32, F16 or BF16, found 'F8_E4M3'"},
    {"ShapeNotAnArray", oneEntry(R"({"dtype":"F32","shape":1,"data_offsets":[0,4]})"),
     "model.safetensors: shape of tensor 'a' at byte 9: expected an array, found 1"},
    {"NegativeDimension", oneEntry(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"),
     "model.safetensors: shape of tensor 'a' at byte 9: expected dimensions of at least 1, found -1"},
    {"ZeroDimension", oneEntry(R"({"dtype":"F32","shape":[0],"data_offsets":[0,0]})", ""),
     "model.safetensors: shape of tensor 'a' at byte 9: expected dimensions of at least 1, found 0"},
    {"TooManyDimensions", oneEntry(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]})"),
     "model.safetensors: shape of tensor 'a' at byte 9: expected at most 8 dimensions, found 9"},
    {"ElementsOverflow", oneEntry(R"({"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,4]})"),
     "model.safetensors: shape of tensor 'a' at byte 9: expected fewer than 2^64 elements, found more"},
    {"BytesOverflow", oneEntry(R"({"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]})"),
     "model.safetensors: data_offsets of tensor 'a' at byte 9: expected 4611686018427387904 elements of 4 bytes for "
     "f32[4611686018427387904], found 4 bytes"},
    {"ShapeAndBytesDiffer", oneEntry(R"({"dtype":"F16","shape":[3],"data_offsets":[0,4]})"),
     "model.safetensors: data_offsets of tensor 'a' at byte 9: expected 3 elements of 2 bytes for f16[3], found 4 "
     "bytes"},
    {"OneOffset", oneEntry(R"({"dtype":"F32","shape":[1],"data_offsets":[4]})"),
     "model.safetensors: data_offsets of tensor 'a' at byte 9: expected two integers, found [4]"},
    {"OffsetsNotNumbers", oneEntry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,"4"]})"),
     "model.safetensors: data_offsets of tensor 'a' at byte 9: expected two integers, found [0,\"4\"]"},
    {"OffsetsReversed", oneEntry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"),
     "model.safetensors: data_offsets of tensor 'a' at byte 9: expected a range within 4 bytes, found [4, 0]"},
    {"OffsetsBeyondTheEnd", oneEntry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})"),
     "model.safetensors: data_offsets of tensor 'a' at byte 9: expected a range within 4 bytes, found [4, 8]"},
    {"Overlap",
     safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                 R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                 eightBytes),
     "model.safetensors: overlapping data_offsets of tensor 'b' at byte 62: expected a start at 4, found 2"},
    {"Gap", safetensors(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eightBytes),
     "model.safetensors: gap before data_offsets of tensor 'b' at byte 9: expected a start at 0, found 4"},
    {"TrailingBytes", oneEntry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", eightBytes),
     "model.safetensors: trailing bytes at byte 66: expected 4 bytes of tensors, found 8"},
    {"NoTensors", safetensors("{}", ""), "DIR: expected tensors, found none"},
};

class MalformedSafetensors : public testing::TestWithParam<FileCase> {};

TEST_P(MalformedSafetensors, IsOneError) {
  TempDir dir;
  dir.write("config.json", "{}");
  dir.write("model.safetensors", GetParam().bytes);
  EXPECT_EQ(openError(dir, dir.path()), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(All, MalformedSafetensors, testing::ValuesIn(fileCases),
                         [](const auto &info) { return std::string(info.param.name); });

/// A folder and what is said of it.
struct FolderCase {
  const char *name;
  std::function<void(const TempDir &)> fill;
  std::string message;
  friend void PrintTo(const FolderCase &c, std::ostream *os) { *os << c.name; }
};

void writeIndex(const TempDir &dir, const std::string &weightMap) {
  dir.write("config.json", "{}");
  dir.write("model.safetensors.index.json", "{\"weight_map\": " + weightMap + "}");
}

const std::string tensorA = oneEntry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})");

const FolderCase folderCases[] = {
    {"Empty", [](const TempDir &dir) {}, "DIR: expected config.json, found an empty directory"},
    {"NoConfig", [](const TempDir &dir) { dir.write("model.safetensors", tensorA); },
     "DIR: expected config.json, found none"},
    {"OnlyGguf", [](const TempDir &dir) { dir.write("model-Q4_0.gguf", "GGUF"); },
     "DIR: expected config.json, found none; to read the GGUF file, give model-Q4_0.gguf"},
    {"NoWeights", [](const TempDir &dir) { dir.write("config.json", "{}"); },
     "DIR: expected model.safetensors or model.safetensors.index.json, found neither"},
    {"PickledWeights",
     [](const TempDir &dir) {
       dir.write("config.json", "{}");
       dir.write("pytorch_model.bin", "PK");
     },
     "DIR: expected model.safetensors or model.safetensors.index.json, found pytorch_model.bin (save the model as "
     "safetensors)"},
    {"ConfigIsADirectory", [](const TempDir &dir) { std::filesystem::create_directory(dir.path("config.json")); },
     "config.json: expected a file, found a directory"},
    {"IndexWithoutMap",
     [](const TempDir &dir) {
       dir.write("config.json", "{}");
       dir.write("model.safetensors.index.json", "{}");
     },
     "model.safetensors.index.json: expected an object 'weight_map', found none"},
    {"EmptyMap", [](const TempDir &dir) { writeIndex(dir, "{}"); },
     "model.safetensors.index.json: expected tensors in 'weight_map', found none"},
    {"ShardNotAString", [](const TempDir &dir) { writeIndex(dir, "{\"a\": 1}"); },
     "model.safetensors.index.json: weight_map of 'a': expected the name of a file beside the index, found 1"},
    {"ShardElsewhere", [](const TempDir &dir) { writeIndex(dir, "{\"a\": \"../a.safetensors\"}"); },
     "model.safetensors.index.json: weight_map of 'a': expected the name of a file beside the index, found "
     "'../a.safetensors'"},
    {"MissingShard", [](const TempDir &dir) { writeIndex(dir, "{\"a\": \"x.safetensors\"}"); },
     "model.safetensors.index.json: expected the shard 'x.safetensors' beside the index, found no such file"},
    {"DuplicateKey", [](const TempDir &dir) { writeIndex(dir, "{\"a\": \"x\", \"a\": \"y\"}"); },
     "model.safetensors.index.json:1:27: malformed JSON: expected each key once, found a second 'a'"},
    {"TensorInOtherShard",
     [](const TempDir &dir) {
       writeIndex(dir, "{\"a\": \"y\", \"b\": \"x\"}");
       dir.write("x", tensorA);
       dir.write("y", oneEntry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})").replace(10, 1, "b"));
     },
     "model.safetensors.index.json: tensor 'a': expected it in 'y', found it in 'x'"},
    {"TensorInNoShard",
     [](const TempDir &dir) {
       writeIndex(dir, "{\"a\": \"x\", \"b\": \"x\"}");
       dir.write("x", tensorA);
     },
     "model.safetensors.index.json: tensor 'b': expected it in 'x', found it in no shard"},
    {"TensorInTwoShards",
     [](const TempDir &dir) {
       writeIndex(dir, "{\"a\": \"x\", \"b\": \"y\"}");
       dir.write("x", tensorA);
       dir.write("y", tensorA);
     },
     "model.safetensors.index.json: tensor 'a': expected it in one shard, found it in 'x' and 'y'"},
    {"BadShard",
     [](const TempDir &dir) {
       writeIndex(dir, "{\"a\": \"x\"}");
       dir.write("x", "abc");
     },
     "x: truncated header size at byte 0: expected 8 bytes, found 3"},
};

class MalformedFolder : public testing::TestWithParam<FolderCase> {};

TEST_P(MalformedFolder, IsOneError) {
  TempDir dir;
  GetParam().fill(dir);
  EXPECT_EQ(openError(dir, dir.path()), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(All, MalformedFolder, testing::ValuesIn(folderCases),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
