// SPDX-License-Identifier: Apache-2.0
// PCRE2 with JIT. Matching starts inside one long valid text, so that a text costs one pass and no copies.
#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include "runtime/text/Regex.h"
#include <cstdint>
#include <cstdlib>
#include <pcre2.h>

namespace sinter::rt {

namespace {

std::string messageOf(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char *>(buffer);
}

} // namespace

void Regex::FreeCode::operator()(pcre2_real_code_8 *code) const { pcre2_code_free(code); }
void Regex::Scratch::Free::operator()(pcre2_real_match_data_8 *data) const { pcre2_match_data_free(data); }
void Regex::Scratch::Free::operator()(pcre2_real_match_context_8 *context) const { pcre2_match_context_free(context); }
void Regex::Scratch::Free::operator()(pcre2_real_jit_stack_8 *stack) const { pcre2_jit_stack_free(stack); }

Regex::Scratch::Scratch()
    : data(pcre2_match_data_create(1, nullptr)), stack(pcre2_jit_stack_create(64 << 10, 256 << 20, nullptr)),
      context(pcre2_match_context_create(nullptr)) {
  // The patterns backtrack at most once over a run of characters: what bounds them is the text, not these limits.
  pcre2_set_match_limit(context.get(), UINT32_MAX);
  pcre2_set_depth_limit(context.get(), UINT32_MAX);
  pcre2_set_heap_limit(context.get(), UINT32_MAX);
  pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
}

Result<Regex> Regex::compile(std::string_view pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  Regex regex;
  regex.code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                                 nullptr));
  if (!regex.code)
    return fail("regular expression '" + std::string(pattern) + "': " + messageOf(error) + " at offset " +
                std::to_string(offset));
  // Where there is no JIT (a hardened kernel), PCRE2's interpreter gives the same matches.
  (void)pcre2_jit_compile(regex.code.get(), PCRE2_JIT_COMPLETE);
  return regex;
}

std::optional<Regex::Match> Regex::find(std::string_view text, size_t from, Scratch &scratch) const {
  auto match = [&](uint32_t options) {
    return pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                       PCRE2_NO_UTF_CHECK | options, scratch.data.get(), scratch.context.get());
  };
  int count = match(0);
  if (count < 0 && count != PCRE2_ERROR_NOMATCH) // out of JIT stack: the interpreter keeps its frames on the heap
    count = match(PCRE2_NO_JIT);
  if (count < 0)
    return std::nullopt;
  const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(scratch.data.get());
  if (offsets[0] < from || offsets[1] < offsets[0]) // \K within a lookaround
    return std::nullopt;
  return Match{offsets[0], offsets[1]};
}

std::string quoteRegex(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("\\^$.[]|()?*+{}-#&~/ ").find(c) != std::string_view::npos)
      out += '\\';
    out += c;
  }
  return out;
}

} // namespace sinter::rt
