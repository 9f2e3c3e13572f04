// AWS credentials: where they come from, and when they end.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace kedge {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;         // "" for long-lived keys
  std::optional<Timestamp> expires;  // absent: not known to end
  std::string origin;  // for doctor and messages: "environment", "profile 'work'", ...
};

// Threads: any method, from any thread; concurrent refreshes are one.
class CredentialProvider {
 public:
  virtual ~CredentialProvider() = default;
  // Valid for at least a minute yet where the source gives such; refreshed before they end, while
  // the old ones still serve a refresh that fails is only a warning. kDenied: there are none, or
  // the source refused, with what was looked at and what to do. kUnavailable: the source did not
  // answer.
  virtual Result<Credentials> get(Deadline deadline) = 0;
  // A store said that `used` are expired or invalid: the next get() fetches anew, once for many
  // callers with the same ones.
  virtual void refused(const Credentials& used) = 0;
};

}  // namespace kedge
