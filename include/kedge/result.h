// Errors as values. What can fail returns Result<T>; nothing in Kedge throws across a file.
// The code says what the caller can do, the message what went wrong: lower case, naming the key,
// offset or field.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace kedge {

enum class Code {
  kInvalid,      // the caller's input is wrong: change it
  kNotFound,     // proven absent
  kDenied,       // not permitted, or absence cannot be told from lack of permission
  kConflict,     // a condition did not hold: read again and decide
  kExpired,      // a snapshot, token or upload is too old: open again or start anew
  kUnavailable,  // may work later; after a conditional write it may also have happened
  kUnsupported,  // a feature, type or version that this build does not know
  kCorrupt,      // stored bytes break a rule of the format
  kArchived,     // the bytes lie in an archive: restore them first
  kExhausted,    // a stated limit (memory, disk, size) would be exceeded
  kCancelled,    // the caller asked to stop
  kInternal,     // a bug in Kedge
};

// The name used in JSON and logs: "invalid", "not_found", ...
std::string_view code_name(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;
};

// A value or an error. Must be looked at.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  Result(Code code, std::string message)
      : state_(std::in_place_index<1>, Error{code, std::move(message)}) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition of value(): ok(); of error(): !ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }
  [[nodiscard]] Code code() const { return error().code; }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT
  Result(Code code, std::string message) : error_(Error{code, std::move(message)}) {}

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const {}
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }
  [[nodiscard]] Code code() const { return error_->code; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace kedge
