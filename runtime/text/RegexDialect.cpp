// SPDX-License-Identifier: Apache-2.0
// From the dialect of tokenizer.json (Oniguruma's Ruby syntax) to PCRE2's, where the two read a pattern differently.
#include "runtime/text/Regex.h"

namespace sinter::rt {

namespace {

// PCRE2's \s takes in U+180E, Oniguruma's is the White_Space property. Both as the inside of a class.
constexpr std::string_view space =
    R"(\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::string_view notSpace =
    R"(\x{0}-\x{8}\x{E}-\x{1F}\x{21}-\x{84}\x{86}-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF})";
// PCRE2's \w has all numbers and no marks.
constexpr std::string_view word = R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc})";

class Translator {
public:
  explicit Translator(std::string_view pattern) : in(pattern) {}

  Result<std::string> run() {
    while (at < in.size())
      if (Result<void> step = next(); !step)
        return tl::unexpected(step.error());
    return out;
  }

private:
  tl::unexpected<Error> unsupported(std::string_view what) const {
    return fail("regular expression '" + std::string(in) + "': " + std::string(what) + " at offset " +
                std::to_string(at) + " is not supported");
  }

  /// Takes in one character, escape or bracket.
  Result<void> next() {
    char c = in[at];
    if (c == '\\')
      return escape();
    if (classDepth > 0 && in.substr(at, 2) == "&&")
      return unsupported("a class intersection");
    if (c == '[' && classDepth > 0 && in.substr(at, 2) != "[:")
      return unsupported("a nested class");
    if (c == '[' && classDepth == 0)
      return openClass();
    if (c == '[')
      return posixClass();
    if (c == ']' && classDepth > 0)
      --classDepth;
    copy(1);
    return {};
  }

  Result<void> openClass() {
    ++classDepth;
    copy(in.substr(at, 2) == "[^" ? 2 : 1);
    if (at < in.size() && in[at] == ']') { // a literal one
      out += "\\]";
      ++at;
    }
    return {};
  }

  Result<void> posixClass() {
    size_t end = in.find(":]", at);
    if (end == std::string_view::npos)
      return unsupported("'[:'");
    copy(end + 2 - at);
    return {};
  }

  Result<void> escape() {
    if (at + 1 == in.size())
      return unsupported("a backslash at the end");
    switch (in[at + 1]) {
    case 's':
      return characters(space, false);
    case 'S':
      return classDepth > 0 ? characters(notSpace, false) : characters(space, true);
    case 'w':
      return characters(word, false);
    case 'W':
      return classDepth > 0 ? Result<void>(unsupported("'\\W' in a class")) : characters(word, true);
    case 'h':
    case 'H':
    case 'R':
    case 'X':
    case 'K':
    case 'G':
      return unsupported("'" + std::string(in.substr(at, 2)) + "'");
    case 'p':
    case 'P':
      return property();
    default:
      copy(2);
      return {};
    }
  }

  Result<void> characters(std::string_view inside, bool negated) {
    at += 2;
    if (classDepth > 0)
      out += inside;
    else
      out.append(negated ? "[^" : "[").append(inside).append("]");
    return {};
  }

  /// \p{L} stays; \p{Han} asks for the script, where PCRE2 would take the script's extensions.
  Result<void> property() {
    size_t end = in.find('}', at);
    if (in.substr(at + 2, 1) != "{" || end == std::string_view::npos)
      return unsupported("a property without braces");
    std::string_view name = in.substr(at + 3, end - at - 3);
    bool negated = !name.empty() && name[0] == '^';
    name.remove_prefix(negated ? 1 : 0);
    bool category = name.size() <= 2 || name == "Any";
    out.append(negated != (in[at + 1] == 'P') ? "\\P{" : "\\p{").append(category ? "" : "sc:").append(name).append("}");
    at = end + 1;
    return {};
  }

  void copy(size_t count) {
    out += in.substr(at, count);
    at += count;
  }

  std::string_view in;
  std::string out;
  size_t at = 0;
  int classDepth = 0;
};

} // namespace

Result<std::string> translateOniguruma(std::string_view pattern) { return Translator(pattern).run(); }

} // namespace sinter::rt
