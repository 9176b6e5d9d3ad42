// SPDX-License-Identifier: Apache-2.0
// A cursor over one line of JSON.
#include "runtime/text/JsonLine.h"
#include "runtime/text/Utf8.h"
#include <charconv>
#include <optional>

namespace sinter::rt {

namespace {

class Cursor {
public:
  explicit Cursor(std::string_view line) : in(line) {}

  Result<std::string> string() {
    skipSpace();
    if (!accept('"'))
      return expected("a JSON string");
    std::string out;
    while (!accept('"')) {
      if (at == in.size())
        return expected("'\"'");
      if (static_cast<uint8_t>(in[at]) < 0x20)
        return expected("no control character in a string");
      bool good = in[at] == '\\' ? escape(out) : character(out);
      if (!good)
        return expected(in[at] == '\\' ? "a JSON escape" : "valid UTF-8");
    }
    return out;
  }

  Result<std::vector<int32_t>> ids() {
    std::vector<int32_t> out;
    skipSpace();
    if (!accept('['))
      return expected("a JSON array of token ids");
    skipSpace();
    if (accept(']'))
      return out;
    do {
      skipSpace();
      int32_t id = 0;
      auto [end, error] = std::from_chars(in.data() + at, in.data() + in.size(), id);
      if (error != std::errc() || id < 0)
        return expected("a token id");
      out.push_back(id);
      at = static_cast<size_t>(end - in.data());
      skipSpace();
    } while (accept(','));
    if (!accept(']'))
      return expected("',' or ']'");
    return out;
  }

  Result<void> end() {
    skipSpace();
    if (at != in.size())
      return expected("the end of the line");
    return {};
  }

private:
  tl::unexpected<Error> expected(std::string_view what) const {
    return fail("column " + std::to_string(at + 1) + ": expected " + std::string(what));
  }

  bool accept(char c) {
    bool found = at < in.size() && in[at] == c;
    at += found;
    return found;
  }

  void skipSpace() {
    while (at < in.size() && std::string_view(" \t\r\n").find(in[at]) != std::string_view::npos)
      ++at;
  }

  bool character(std::string &out) {
    utf8::Decoded step = utf8::decode(in.substr(at));
    out += in.substr(at, step.size);
    at += step.valid ? step.size : 0;
    return step.valid;
  }

  /// The code unit of "\uXXXX" at `position`.
  std::optional<char32_t> hexUnit(size_t position) const {
    if (in.substr(position, 2) != "\\u" || position + 6 > in.size())
      return std::nullopt;
    uint32_t unit = 0;
    const char *begin = in.data() + position + 2;
    auto [end, error] = std::from_chars(begin, begin + 4, unit, 16);
    return error == std::errc() && end == begin + 4 ? std::optional<char32_t>(unit) : std::nullopt;
  }

  /// Takes in an escape, a surrogate pair as one; a surrogate alone is an error.
  bool escape(std::string &out) {
    constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
    size_t simple = at + 1 < in.size() ? names.find(in[at + 1]) : std::string_view::npos;
    if (simple != std::string_view::npos) {
      out += values[simple];
      at += 2;
      return true;
    }
    std::optional<char32_t> unit = hexUnit(at);
    if (!unit || (*unit >= 0xDC00 && *unit <= 0xDFFF))
      return false;
    if (*unit < 0xD800 || *unit > 0xDBFF) {
      utf8::append(out, *unit);
      at += 6;
      return true;
    }
    std::optional<char32_t> low = hexUnit(at + 6);
    if (!low || *low < 0xDC00 || *low > 0xDFFF)
      return false;
    utf8::append(out, 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
    at += 12;
    return true;
  }

  std::string_view in;
  size_t at = 0;
};

} // namespace

Result<std::string> parseJsonString(std::string_view line) {
  Cursor cursor(line);
  Result<std::string> text = cursor.string();
  if (text)
    if (Result<void> end = cursor.end(); !end)
      return tl::unexpected(end.error());
  return text;
}

Result<std::vector<int32_t>> parseJsonIds(std::string_view line) {
  Cursor cursor(line);
  Result<std::vector<int32_t>> ids = cursor.ids();
  if (ids)
    if (Result<void> end = cursor.end(); !end)
      return tl::unexpected(end.error());
  return ids;
}

std::string toJson(std::span<const int32_t> ids) {
  std::string out = "[";
  for (size_t i = 0; i < ids.size(); ++i)
    out.append(i == 0 ? "" : ",").append(std::to_string(ids[i]));
  return out += ']';
}

std::string toJson(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (byte < 0x20 || byte == 0x7F)
      out.append("\\u00").append(1, hex[byte >> 4]).append(1, hex[byte & 15]);
    else
      out += c;
  }
  return out += '"';
}

} // namespace sinter::rt
