// SPDX-License-Identifier: Apache-2.0
// Recoverable errors of the runtime: a message made for the user, carried by value, never thrown.
#pragma once
#include <string>
#include <tl/expected.hpp>

namespace sinter::rt {

/// What went wrong, in one line for the user: lower case, no full stop, both sides named.
struct Error {
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;

/// `return fail("...")` from any function that returns a Result.
inline tl::unexpected<Error> fail(std::string message) { return tl::unexpected<Error>(Error{std::move(message)}); }

} // namespace sinter::rt
