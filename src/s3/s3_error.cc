#include "s3/s3_error.h"

#include <array>

#include "base/strings.h"
#include "s3/s3_xml.h"

namespace kedge {
namespace {

constexpr auto kNo = S3Correction::kNone;

constexpr std::array kRules = {
    // Redirects are answers about the region, never followed by Location.
    S3Rule{301, "", Code::kInvalid, S3Correction::kRegion, false},
    S3Rule{302, "", Code::kInvalid, S3Correction::kRegion, false},
    S3Rule{307, "", Code::kUnavailable, S3Correction::kRegion, false},
    S3Rule{308, "", Code::kInvalid, S3Correction::kRegion, false},
    S3Rule{400, "AuthorizationHeaderMalformed", Code::kInvalid, S3Correction::kRegion, false},
    S3Rule{400, "IllegalLocationConstraintException", Code::kInvalid, S3Correction::kRegion, false},
    S3Rule{400, "ExpiredToken", Code::kDenied, S3Correction::kCredentials, false},
    S3Rule{400, "InvalidToken", Code::kDenied, S3Correction::kCredentials, false},
    S3Rule{400, "TokenRefreshRequired", Code::kDenied, S3Correction::kCredentials, false},
    S3Rule{400, "RequestTimeout", Code::kUnavailable, kNo, false},
    // The bytes were damaged on their way.
    S3Rule{400, "BadDigest", Code::kUnavailable, kNo, false},
    S3Rule{400, "IncompleteBody", Code::kUnavailable, kNo, false},
    S3Rule{400, "XAmzContentSHA256Mismatch", Code::kUnavailable, kNo, false},
    // A HEAD has no body that could say "another region".
    S3Rule{400, "", Code::kInvalid, kNo, false},
    S3Rule{401, "", Code::kDenied, kNo, false},
    S3Rule{403, "RequestTimeTooSkewed", Code::kDenied, S3Correction::kClock, false},
    S3Rule{403, "ExpiredToken", Code::kDenied, S3Correction::kCredentials, false},
    S3Rule{403, "InvalidToken", Code::kDenied, S3Correction::kCredentials, false},
    S3Rule{403, "ExpiredTokenException", Code::kDenied, S3Correction::kCredentials, false},
    S3Rule{403, "InvalidObjectState", Code::kArchived, kNo, false},
    S3Rule{403, "", Code::kDenied, kNo, false},
    // Without a bucket nothing is proven about its objects.
    S3Rule{404, "NoSuchBucket", Code::kInvalid, kNo, false},
    S3Rule{404, "NoSuchAccessPoint", Code::kInvalid, kNo, false},
    S3Rule{404, "", Code::kNotFound, kNo, false},
    // The current state of the key, or the version asked for, is a delete marker.
    S3Rule{405, "", Code::kNotFound, kNo, false},
    S3Rule{408, "", Code::kUnavailable, kNo, false},
    S3Rule{409, "ConditionalRequestConflict", Code::kUnavailable, kNo, false},
    S3Rule{409, "OperationAborted", Code::kUnavailable, kNo, false},
    S3Rule{409, "", Code::kInvalid, kNo, false},
    S3Rule{411, "", Code::kInvalid, kNo, false},
    S3Rule{412, "", Code::kConflict, kNo, false},
    S3Rule{413, "", Code::kExhausted, kNo, false},
    S3Rule{414, "", Code::kInvalid, kNo, false},
    S3Rule{416, "", Code::kInvalid, kNo, false},
    S3Rule{425, "", Code::kUnavailable, kNo, false},
    S3Rule{429, "", Code::kUnavailable, kNo, true},
    S3Rule{501, "", Code::kUnsupported, kNo, false},
    S3Rule{503, "", Code::kUnavailable, kNo, true},
    S3Rule{507, "", Code::kExhausted, kNo, false},
    S3Rule{0, "", Code::kUnavailable, kNo, false},
};
constexpr S3Rule kUnknown{-1, "", Code::kInvalid, kNo, false};

}  // namespace

std::span<const S3Rule> s3_rules() { return kRules; }

const S3Rule& s3_rule(int status, std::string_view code) {
  for (const S3Rule& rule : kRules) {
    const bool status_fits = rule.status == 0 ? status >= 500 : rule.status == status;
    if (status_fits && (rule.code.empty() || rule.code == code)) return rule;
  }
  return kUnknown;
}

std::string s3_error_message(std::string_view what, const HttpResponse& response,
                             const S3ErrorBody& body) {
  std::string out = str_cat(what, ": ", response.status);
  if (!body.code.empty()) out += " " + printable(body.code);
  if (!body.message.empty()) out += ": " + printable(body.message);
  const std::string_view request_id = response.header("x-amz-request-id");
  const std::string_view host_id = response.header("x-amz-id-2");
  if (!request_id.empty()) {
    out += " (request id " + printable(request_id);
    if (!host_id.empty()) out += ", host id " + printable(host_id);
    out += ")";
  }
  return out;
}

}  // namespace kedge
