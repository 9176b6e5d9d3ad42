// SPDX-License-Identifier: Apache-2.0
// Normal forms in time linear in the text, whatever its runs of combining marks: utf8proc decomposes and composes
// single characters, the canonical ordering is a stable sort of each run.
#include "runtime/text/Normalizer.h"
#include "runtime/text/UnicodeAge.h"
#include "runtime/text/Utf8.h"
#include <algorithm>
#include <utf8proc.h>

namespace sinter::rt {

namespace {

int combiningClass(int32_t codePoint) { return utf8proc_get_property(codePoint)->combining_class; }

void appendDecomposed(std::vector<int32_t> &out, int32_t codePoint, utf8proc_option_t options) {
  constexpr size_t longest = 32; // the longest decomposition, of U+FDFA, has 18
  size_t size = out.size();
  out.resize(size + longest);
  int boundClass = 0;
  utf8proc_ssize_t count = utf8proc_decompose_char(codePoint, out.data() + size, longest, options, &boundClass);
  out.resize(size + static_cast<size_t>(std::max<utf8proc_ssize_t>(count, 0)));
}

/// Stable-sorts every run of characters that combine (class not 0) by class.
void orderMarks(std::vector<int32_t> &text) {
  auto combines = [](int32_t codePoint) { return combiningClass(codePoint) != 0; };
  for (auto begin = text.begin(); begin != text.end();) {
    begin = std::find_if(begin, text.end(), combines);
    auto end = std::find_if_not(begin, text.end(), combines);
    std::stable_sort(begin, end, [](int32_t a, int32_t b) { return combiningClass(a) < combiningClass(b); });
    begin = end;
  }
}

/// Orders and, with `compose`, composes decomposed characters, appends them to `out` and takes them off `points`.
void flush(std::vector<int32_t> &points, bool compose, std::string &out) {
  orderMarks(points);
  auto size = static_cast<utf8proc_ssize_t>(points.size());
  if (compose)
    size = utf8proc_normalize_utf32(points.data(), size,
                                    static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  for (utf8proc_ssize_t i = 0; i < size; ++i)
    utf8::append(out, static_cast<char32_t>(points[static_cast<size_t>(i)]));
  points.clear();
}

/// Characters below U+0300 are their own NFC, and those below U+00A0 their own in every form.
bool isNormal(std::string_view text, NormalizerKind form) {
  uint8_t firstLead = form == NormalizerKind::Nfc ? 0xCC : 0x80;
  return std::all_of(text.begin(), text.end(), [&](char c) { return static_cast<uint8_t>(c) < firstLead; });
}

} // namespace

std::string toNormalForm(std::string_view text, NormalizerKind form) {
  if (isNormal(text, form))
    return std::string(text);
  bool compatibility = form == NormalizerKind::Nfkc || form == NormalizerKind::Nfkd;
  bool compose = form == NormalizerKind::Nfc || form == NormalizerKind::Nfkc;
  auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0));
  std::string out;
  std::vector<int32_t> points;
  points.reserve(text.size() + 32);
  while (!text.empty()) {
    utf8::Decoded step = utf8::decode(text);
    text.remove_prefix(step.size);
    if (!normalizesSinceUnicode10(step.codePoint)) {
      appendDecomposed(points, static_cast<int32_t>(step.codePoint), options);
      continue;
    }
    flush(points, compose, out); // to an older table this character is a stranger: nothing acts across it
    utf8::append(out, step.codePoint);
  }
  flush(points, compose, out);
  return out;
}

std::string replaceAll(std::string_view text, std::string_view pattern, std::string_view replacement) {
  std::string out;
  size_t from = 0;
  for (size_t at; (at = text.find(pattern, from)) != std::string_view::npos; from = at + pattern.size())
    out.append(text.substr(from, at - from)).append(replacement);
  return out.append(text.substr(from));
}

std::string Normalizer::normalize(std::string_view text) const {
  std::string out(text);
  for (const NormalizerStep &step : steps) {
    if (step.kind == NormalizerKind::Replace)
      out = step.pattern.empty() ? out : replaceAll(out, step.pattern, step.replacement);
    else if (step.kind == NormalizerKind::Prepend)
      out = out.empty() ? out : step.replacement + out;
    else
      out = toNormalForm(out, step.kind);
  }
  return out;
}

} // namespace sinter::rt
