// SPDX-License-Identifier: Apache-2.0
// Regular expressions over valid UTF-8 through PCRE2 (UTF, Unicode properties, JIT), with no limit on what a long text
// may take; and the translation of the dialect that tokenizer.json is written in.
#pragma once
#include "runtime/support/Error.h"
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace sinter::rt {

/// Rewrites what Hugging Face `tokenizers` (Oniguruma) and PCRE2 read differently: \s and \w, \p{Script} names.
/// Constructs that cannot be carried over are errors.
Result<std::string> translateOniguruma(std::string_view pattern);

/// A pattern that matches exactly `text`.
std::string quoteRegex(std::string_view text);

class Regex {
public:
  static Result<Regex> compile(std::string_view pattern);

  struct Match {
    size_t begin, end;
  };

  /// What one thread needs to match with any regex: made once per text, not shared.
  class Scratch {
  public:
    Scratch();

  private:
    friend class Regex;
    struct Free {
      void operator()(pcre2_real_match_data_8 *data) const;
      void operator()(pcre2_real_match_context_8 *context) const;
      void operator()(pcre2_real_jit_stack_8 *stack) const;
    };
    std::unique_ptr<pcre2_real_match_data_8, Free> data;
    std::unique_ptr<pcre2_real_jit_stack_8, Free> stack;
    std::unique_ptr<pcre2_real_match_context_8, Free> context;
  };

  /// The first match at or after `from` in valid UTF-8 `text`.
  std::optional<Match> find(std::string_view text, size_t from, Scratch &scratch) const;

private:
  struct FreeCode {
    void operator()(pcre2_real_code_8 *code) const;
  };
  std::unique_ptr<pcre2_real_code_8, FreeCode> code;
};

} // namespace sinter::rt
