// What credential sources answer: JSON, times, and credentials that are checked before they are
// used. Pure functions; hostile input ends in an error that shows nothing of it, because it may be
// secret.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "s3/credentials.h"

namespace kedge {

inline constexpr std::size_t kMaxCredentialAnswerBytes = 256 << 10;
inline constexpr std::size_t kMaxCredentialJsonDepth = 8;
inline constexpr std::size_t kMaxCredentialFields = 256;
inline constexpr std::size_t kMaxAccessKeyIdBytes = 256;
inline constexpr std::size_t kMaxSecretBytes = 4096;
inline constexpr std::size_t kMaxTokenBytes = 64 << 10;

// The texts and whole numbers of a JSON object, those of objects in it as "outer.inner"; everything
// else is left out.
class JsonFields {
 public:
  // kCorrupt: not a JSON object, or over a limit above. `what` names the source in errors.
  static Result<JsonFields> parse(std::string_view text, std::string_view what);

  // "" if it is not there, or is neither text nor number.
  [[nodiscard]] std::string text(std::string_view name) const;
  // The field, or kCorrupt if it is not there or "".
  [[nodiscard]] Result<std::string> required(std::string_view name) const;
  [[nodiscard]] const std::string& what() const { return what_; }

 private:
  friend struct JsonWalk;
  std::string what_;
  std::map<std::string, std::string, std::less<>> fields_;
};

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

// {"name":"value",...}; texts must be UTF-8.
std::string json_object(const NamedTexts& fields);
// The object `text` with these fields set, all others as they were.
Result<std::string> with_json_fields(std::string_view text, const NamedTexts& fields,
                                     std::string_view what);

// ISO 8601 as AWS tools write it: "2026-03-01T12:00:00Z", with fractions, "UTC", or an offset
// ("+01:00").
Result<Timestamp> parse_expiry(std::string_view text, std::string_view what);

// The credentials, if they can be used: key id and token go into headers, and must not have bytes
// that end one. kCorrupt otherwise, by field.
Result<Credentials> checked_credentials(Credentials credentials, std::string_view what);

}  // namespace kedge
