// SPDX-License-Identifier: Apache-2.0
// Which characters came after Unicode 9.0. Hugging Face `tokenizers` normalizes with the tables of that version (the
// crate unicode-normalization-alignments), and its ids are what we promise.
#pragma once

namespace sinter::rt {

/// Whether Unicode gave `codePoint` a decomposition, a composition or a combining class after version 9.0.
bool normalizesSinceUnicode10(char32_t codePoint);

} // namespace sinter::rt
