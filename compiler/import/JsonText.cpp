// SPDX-License-Identifier: Apache-2.0
// LLVM's JSON parser recurses and lets a later key replace an earlier one. A scan without recursion goes first: it
// bounds the nesting, refuses duplicate keys and notes where the outermost keys stand.
#include "compiler/import/JsonText.h"
#include "compiler/import/Floats.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

constexpr size_t deepestNesting = 64;
constexpr uint64_t largestFile = uint64_t(256) << 20;

/// What is wrong with a text and where in it.
struct JsonProblem {
  size_t offset;
  std::string expected, found;
};
using MaybeProblem = std::optional<JsonProblem>;

class Scanner {
public:
  explicit Scanner(llvm::StringRef text) : text(text) {}
  std::vector<JsonKey> outermostKeys;

  MaybeProblem scan() {
    for (at = 0; at < text.size(); ++at) {
      char c = text[at];
      MaybeProblem problem;
      if (c == '{' || c == '[')
        problem = open(c);
      else if ((c == '}' || c == ']') && !levels.empty())
        levels.pop_back();
      else if (c == '"')
        problem = string();
      if (problem)
        return problem;
    }
    return std::nullopt;
  }

private:
  struct Level {
    bool isObject;
    llvm::StringSet<> keys;
  };

  MaybeProblem open(char bracket) {
    if (levels.size() == deepestNesting)
      return JsonProblem{at, llvm::formatv("at most {0} nested levels", deepestNesting), "more"};
    levels.push_back({bracket == '{', {}});
    return std::nullopt;
  }

  /// From the opening quote to the closing one; a string before a colon is a key.
  MaybeProblem string() {
    size_t begin = at++;
    while (at < text.size() && text[at] != '"')
      at += text[at] == '\\' ? 2 : 1;
    if (at >= text.size())
      return std::nullopt; // the parser reports it
    size_t next = text.find_first_not_of(" \t\r\n", at + 1);
    if (levels.empty() || !levels.back().isObject || next == llvm::StringRef::npos || text[next] != ':')
      return std::nullopt;
    return key(begin, text.slice(begin, at + 1));
  }

  MaybeProblem key(size_t begin, llvm::StringRef literal) {
    std::string name = literal.drop_front().drop_back().str();
    if (literal.contains('\\')) {
      llvm::Expected<llvm::json::Value> value = llvm::json::parse(literal);
      if (!value) {
        llvm::consumeError(value.takeError());
        return std::nullopt; // the parser reports it
      }
      name = value->getAsString().value_or("").str();
    }
    if (!levels.back().keys.insert(name).second)
      return JsonProblem{begin, "each key once", "a second " + quoted(name)};
    if (levels.size() == 1)
      outermostKeys.push_back({std::move(name), begin});
    return std::nullopt;
  }

  llvm::StringRef text;
  size_t at = 0;
  std::vector<Level> levels;
};

/// What stands at the offset, for messages.
std::string foundAt(llvm::StringRef text, size_t offset) {
  return offset >= text.size() ? "the end" : quoted(text.substr(offset, 1));
}

/// LLVM's words for what is wrong, by their start, and what was expected then.
constexpr std::pair<llvm::StringLiteral, llvm::StringLiteral> expectations[] = {
    {"Text after end", "the end"},
    {"Unexpected EOF", "a value"},
    {"Unterminated string", "a closing quote"},
    {"Control character", "no control character in a string"},
    {"Invalid JSON value", "a value"},
    {"Invalid escape", "an escape sequence"},
    {"Invalid \\u escape", "four hexadecimal digits"}};

std::string expectationOf(llvm::StringRef message) {
  if (message.consume_front("Expected "))
    return message.str();
  for (auto [start, expected] : expectations)
    if (message.starts_with(start))
      return expected.str();
  return "JSON (" + message.lower() + ")";
}

/// Why LLVM does not parse the text. Its error says "[line:column, byte=N]: Message", where N is one past the wrong
/// character, or the size at the end; with a space behind the text the two differ.
JsonProblem parseProblem(llvm::StringRef text) {
  std::string spaced = (text + " ").str();
  std::string error = llvm::toString(llvm::json::parse(spaced).takeError());
  auto [place, message] = llvm::StringRef(error).split("]: ");
  size_t offset = 0;
  bool noOffset = place.rsplit("byte=").second.getAsInteger(10, offset);
  assert(!noOffset && "LLVM's JSON errors state the byte");
  bool pointsAtIt = noOffset || message.starts_with("Text after end");
  size_t wrong = pointsAtIt || offset == 0 ? offset : offset - 1;
  return {std::min(wrong, text.size()), expectationOf(message), foundAt(text, wrong)};
}

struct Parsed {
  llvm::json::Value root = nullptr;
  std::vector<JsonKey> keys;
};

MaybeProblem parse(llvm::StringRef text, Parsed &out) {
  if (size_t bad = findInvalidUtf8(text); bad != llvm::StringRef::npos)
    return JsonProblem{bad, "UTF-8", llvm::formatv("byte {0:x}", uint8_t(text[bad]))};
  Scanner scanner(text);
  if (MaybeProblem problem = scanner.scan())
    return problem;
  llvm::Expected<llvm::json::Value> root = llvm::json::parse(text);
  if (!root) {
    llvm::consumeError(root.takeError());
    return parseProblem(text);
  }
  if (!root->getAsObject())
    return JsonProblem{text.find_first_not_of(" \t\r\n"), "an object", describe(*root)};
  out = {std::move(*root), std::move(scanner.outermostKeys)};
  return std::nullopt;
}

JsonObject objectOf(Parsed parsed, uint64_t base) {
  for (JsonKey &key : parsed.keys)
    key.offset += base;
  return {std::move(*parsed.root.getAsObject()), std::move(parsed.keys)};
}

} // namespace

llvm::Expected<JsonObject> parseJsonFile(const SourceFile &file) {
  if (file.size() > largestFile)
    return file.error(
        llvm::formatv("expected at most {0} MiB of JSON, found {1} bytes", largestFile >> 20, file.size()));
  Parsed parsed;
  if (MaybeProblem problem = parse(file.text(), parsed)) {
    llvm::StringRef before = file.text().take_front(problem->offset);
    size_t line = before.count('\n') + 1;
    size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    return llvm::createStringError(llvm::formatv("{0}:{1}:{2}: malformed JSON: expected {3}, found {4}", file.path(),
                                                 line, column, problem->expected, problem->found));
  }
  return objectOf(std::move(parsed), 0);
}

llvm::Expected<JsonObject> parseJsonPart(const SourceFile &file, llvm::StringRef text, llvm::StringRef what) {
  uint64_t base = text.data() - file.text().data();
  Parsed parsed;
  if (MaybeProblem problem = parse(text, parsed))
    return file.malformed(base + problem->offset, "malformed " + what, problem->expected, problem->found);
  return objectOf(std::move(parsed), base);
}

std::string describe(const llvm::json::Value &value) {
  switch (value.kind()) {
  case llvm::json::Value::Null:
    return "null";
  case llvm::json::Value::Boolean:
    return *value.getAsBoolean() ? "true" : "false";
  case llvm::json::Value::Number:
    return decimal(*value.getAsNumber());
  case llvm::json::Value::String:
    return quoted(*value.getAsString());
  case llvm::json::Value::Array:
    return "an array";
  case llvm::json::Value::Object:
    return "an object";
  }
  llvm_unreachable("all kinds are covered");
}

} // namespace sinter
