// What an S3 answer that is no success means: the retry table as data. docs/stores.md prints it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "net/http.h"

namespace kedge {

// What may be sent once more because the refusal was definite and its cause can be mended here.
enum class S3Correction {
  kNone,
  kRegion,       // the bucket lies in another region
  kClock,        // signed with a time that the store does not accept
  kCredentials,  // the credentials have ended
};

struct S3Rule {
  int status = 0;         // 0: any of 5xx
  std::string_view code;  // of the error body; "": any, or none
  Code meaning = Code::kInternal;
  S3Correction correction = S3Correction::kNone;
  bool throttled = false;  // ask less often
};

// The first rule that matches is taken; the last of each status takes what the others leave.
std::span<const S3Rule> s3_rules();
const S3Rule& s3_rule(int status, std::string_view code);

// The error body of an answer; fields are "" where it has none. Never more than 1 KiB each.
struct S3ErrorBody {
  std::string code;
  std::string message;
  std::string region;
  std::string key;
};
S3ErrorBody parse_s3_error(ByteView body);

// "GET 's3://bucket/key': 403 AccessDenied: Access Denied (request id X, host id Y)". `what` is
// the part before the colon.
std::string s3_error_message(std::string_view what, const HttpResponse& response,
                             const S3ErrorBody& body);

}  // namespace kedge
