// SPDX-License-Identifier: Apache-2.0
// The tokenizer without a model, for check.py: imports what `sinter compile` would, serializes it, loads that as an
// executable does, and runs `tokenize --jsonl` from standard input to standard output.
//
//   tokenize (--hf DIRECTORY | --gguf-fields FILE.json | --image IMAGE) [--no-special-tokens] [--decode]
//            [--save IMAGE]
#include "compiler/import/TokenizerImport.h"
#include "runtime/text/TokenizeLines.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <fstream>
#include <iostream>

using namespace sinter;

namespace {

[[noreturn]] void die(const llvm::Twine &message) {
  llvm::errs() << "error: " << message << '\n';
  exit(1);
}

template <typename T>
T orDie(llvm::Expected<T> value) {
  if (!value)
    die(llvm::toString(value.takeError()));
  return std::move(*value);
}

/// The fields under the names that GgufTokenizerFields gives them.
GgufTokenizerFields readFields(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    die(path + ": " + buffer.getError().message());
  llvm::json::Value value = orDie(llvm::json::parse((*buffer)->getBuffer()));
  GgufTokenizerFields fields;
  fields.path = path.str();
  llvm::json::Path::Root root("fields");
  llvm::json::ObjectMapper map(value, root);
  std::vector<double> scores;
  bool good = map && map.map("model", fields.model) && map.map("pre", fields.pre) && map.map("tokens", fields.tokens) &&
              map.map("scores", scores) && map.map("merges", fields.merges);
  std::vector<int64_t> types;
  good = good && map.map("tokenTypes", types) && map.map("bosId", fields.bosId) && map.map("eosId", fields.eosId) &&
         map.map("unknownId", fields.unknownId) && map.map("padId", fields.padId) && map.map("addBos", fields.addBos) &&
         map.map("addEos", fields.addEos) && map.map("addSpacePrefix", fields.addSpacePrefix) &&
         map.map("chatTemplate", fields.chatTemplate);
  if (!good)
    die(llvm::toString(root.getError()));
  fields.scores.assign(scores.begin(), scores.end());
  fields.tokenTypes.assign(types.begin(), types.end());
  return fields;
}

std::vector<uint8_t> readImage(const char *path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The image of what `kind` and `path` name.
std::vector<uint8_t> imageOf(llvm::StringRef kind, const char *path) {
  if (kind == "--image")
    return readImage(path);
  if (kind == "--gguf-fields")
    return rt::serialize(orDie(tokenizerFromGguf(readFields(path))));
  if (kind != "--hf")
    die("expected --hf, --gguf-fields or --image, found " + kind);
  auto data = orDie(tokenizerFromHuggingFace(path));
  if (!data)
    die(llvm::Twine(path) + ": no tokenizer");
  return rt::serialize(*data);
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 3)
    die("expected two arguments or more");
  std::vector<uint8_t> image = imageOf(argv[1], argv[2]);
  rt::TokenizeOptions options;
  for (int i = 3; i < argc; ++i) {
    llvm::StringRef flag = argv[i];
    if (flag == "--no-special-tokens")
      options.encode = {false, false};
    else if (flag == "--decode")
      options.decode = true;
    else if (flag == "--save" && i + 1 < argc)
      std::ofstream(argv[++i], std::ios::binary).write(reinterpret_cast<const char *>(image.data()), image.size());
    else
      die("unknown flag " + flag);
  }
  rt::Result<rt::Tokenizer> tokenizer = rt::Tokenizer::load(image);
  if (!tokenizer)
    die(tokenizer.error().message);
  std::ios::sync_with_stdio(false);
  if (rt::Result<void> done = rt::tokenizeLines(*tokenizer, std::cin, std::cout, options); !done)
    die(done.error().message);
}
