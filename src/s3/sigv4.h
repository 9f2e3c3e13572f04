// AWS Signature Version 4 for S3: in headers and in the query (presigned), as in "Authenticating
// Requests (AWS Signature Version 4)" of the Amazon S3 API reference. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "net/http.h"
#include "s3/credentials.h"

namespace kedge {

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kEmptyPayloadHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
inline constexpr std::size_t kMaxPresignSeconds = 7 * 24 * 3600;

// What is signed of a request.
struct SignedRequest {
  std::string method;
  std::string host;  // with the port where it is not the scheme's own
  std::string path;  // raw bytes, not yet encoded, beginning with '/'
  std::vector<std::pair<std::string, std::string>> query;  // raw names and values, any order
  std::vector<HttpHeader> headers;  // further ones to sign; never host, x-amz-date,
                                    // x-amz-security-token, x-amz-content-sha256
  std::string payload_hash;         // hex SHA-256 of the body, or kUnsignedPayload
};

struct SigningScope {
  std::string region;
  std::string service = "s3";
  Timestamp time;
};

// The headers to send: those given, and x-amz-date, x-amz-content-sha256 (S3 only),
// x-amz-security-token where there is one, authorization. S3 encodes the path once; other services
// (service != "s3") twice, and their paths must have no dot segments.
std::vector<HttpHeader> sign_headers(const SignedRequest& request, const Credentials& credentials,
                                     const SigningScope& scope);

// The query of a link that works without headers for `valid`, 1 s to kMaxPresignSeconds: encoded,
// without '?'. Only host is signed, and `request.headers`, which the user of the link must send
// too.
std::string presign_query(const SignedRequest& request, const Credentials& credentials,
                          const SigningScope& scope, Duration valid);

// Path and query as they go on the wire. encode_path leaves '/' alone; both encode every byte that
// is not unreserved (RFC 3986) as %XX, in upper case.
std::string encode_path(std::string_view raw);
std::string encode_query_part(std::string_view raw);
std::string encode_query(const std::vector<std::pair<std::string, std::string>>& query);

// HMAC-SHA256, for whoever checks signatures (the emulator) or derives keys.
Sha256 hmac_sha256(ByteView key, ByteView message);
// The hex signature of a canonical request's hash in a scope, for whoever checks one.
std::string signature_of(std::string_view canonical_request_hash, const Credentials& credentials,
                         const SigningScope& scope);

}  // namespace kedge
