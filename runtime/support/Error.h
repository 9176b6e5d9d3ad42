// SPDX-License-Identifier: Apache-2.0
// Recoverable errors of the runtime: a message made for the user, carried by value, never thrown.
#pragma once
#include <string>
#include <tl/expected.hpp>

namespace sinter::rt {

/// What went wrong, in one line for the user: lower case, no full stop, both sides named.
struct Error {
  std::string message;
  bool internal = false; ///< nothing that a user can mend: a device, the model or this program failed as it ran
};

template <typename T>
using Result = tl::expected<T, Error>;

/// `return fail("...")` from any function that returns a Result.
inline tl::unexpected<Error> fail(std::string message) { return tl::unexpected<Error>(Error{std::move(message)}); }
inline tl::unexpected<Error> failInternal(std::string message) {
  return tl::unexpected<Error>(Error{std::move(message), /*internal=*/true});
}
/// `error`, said of `what`: "pp512: out of memory".
inline tl::unexpected<Error> failOf(const std::string &what, const Error &error) {
  return tl::unexpected<Error>(Error{what + ": " + error.message, error.internal});
}

} // namespace sinter::rt
