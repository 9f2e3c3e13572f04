#include "emulator/auth.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/hash.h"
#include "base/strings.h"
#include "s3/sigv4.h"

namespace kedge::emulator {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr Duration kMaxSkew = std::chrono::minutes(15);

// What a request says of its signature, in headers or in the query.
struct Claim {
  bool in_query = false;
  std::string credential;
  std::string signed_headers;
  std::string signature;
  std::string date;  // 20130524T000000Z
  std::string expires;
  std::string token;
  // Of the credential.
  std::string access_key_id, day, region, service;
};

Failure malformed(std::string message) {
  return {400, "AuthorizationHeaderMalformed",
          str_cat("The authorization header is malformed; ", message)};
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

Refusal claim_of_header(const S3Request& request, Claim& claim) {
  std::string_view text = request.header("authorization");
  if (!text.starts_with(kAlgorithm))
    return Failure{400, "InvalidRequest",
                   "The authorization mechanism you have provided is not supported. Please use "
                   "AWS4-HMAC-SHA256."};
  text.remove_prefix(kAlgorithm.size());
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::string_view field = trimmed(part);
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos) return malformed("a field without '='.");
    const std::string_view name = field.substr(0, equals);
    const std::string value(field.substr(equals + 1));
    if (name == "Credential") claim.credential = value;
    if (name == "SignedHeaders") claim.signed_headers = value;
    if (name == "Signature") claim.signature = value;
  }
  claim.date = std::string(request.header("x-amz-date"));
  claim.token = std::string(request.header("x-amz-security-token"));
  return {};
}

void claim_of_query(const S3Request& request, Claim& claim) {
  claim.in_query = true;
  claim.credential = std::string(request.argument("X-Amz-Credential"));
  claim.signed_headers = std::string(request.argument("X-Amz-SignedHeaders"));
  claim.signature = std::string(request.argument("X-Amz-Signature"));
  claim.date = std::string(request.argument("X-Amz-Date"));
  claim.expires = std::string(request.argument("X-Amz-Expires"));
  claim.token = std::string(request.argument("X-Amz-Security-Token"));
}

// An access key id may hold slashes, the four fields behind it cannot.
bool split_credential(Claim& claim) {
  std::string_view rest = claim.credential;
  std::vector<std::string> fields;
  for (int i = 0; i < 4; ++i) {
    const std::size_t slash = rest.rfind('/');
    if (slash == std::string_view::npos) return false;
    fields.emplace_back(rest.substr(slash + 1));
    rest = rest.substr(0, slash);
  }
  claim.access_key_id = std::string(rest);
  claim.service = fields[1];
  claim.region = fields[2];
  claim.day = fields[3];
  return fields[0] == "aws4_request" && claim.service == "s3" && !claim.access_key_id.empty();
}

std::optional<Timestamp> parse_time(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return {};
  const auto time = parse_rfc3339(str_cat(text.substr(0, 4), "-", text.substr(4, 2), "-",
                                          text.substr(6, 2), "T", text.substr(9, 2), ":",
                                          text.substr(11, 2), ":", text.substr(13, 2), "Z"));
  if (!time.ok()) return {};
  return time.value();
}

Refusal check_time(const Claim& claim, Timestamp now) {
  const auto at = parse_time(claim.date);
  if (!at)
    return Failure{403, "AccessDenied",
                   "AWS authentication requires a valid Date or x-amz-date header"};
  if (!claim.date.starts_with(claim.day))
    return malformed(str_cat("Invalid credential date \"", claim.day, "\"."));
  if (!claim.in_query) {
    const Duration apart = *at < now ? now - *at : *at - now;
    if (apart <= kMaxSkew) return {};
    return Failure{403,
                   "RequestTimeTooSkewed",
                   "The difference between the request time and the current time is too large.",
                   {},
                   str_cat("<RequestTime>", claim.date, "</RequestTime><ServerTime>",
                           to_rfc3339({now.micros / 1'000'000 * 1'000'000}),
                           "</ServerTime><MaxAllowedSkewMilliseconds>900000"
                           "</MaxAllowedSkewMilliseconds>")};
  }
  std::size_t seconds = 0;
  const char* end = claim.expires.data() + claim.expires.size();
  const auto [rest, error] = std::from_chars(claim.expires.data(), end, seconds);
  if (error != std::errc() || rest != end || seconds < 1 || seconds > kMaxPresignSeconds)
    return Failure{400, "AuthorizationQueryParametersError",
                   "X-Amz-Expires must be between 1 and 604800 seconds"};
  if (*at > now + kMaxSkew) return Failure{403, "AccessDenied", "Request is not valid yet"};
  if (*at + std::chrono::seconds(seconds) < now)
    return Failure{403, "AccessDenied", "Request has expired"};
  return {};
}

// A header's value as it is signed; of several of one name, in their order.
std::string signed_value(const S3Request& request, std::string_view name) {
  std::string out;
  bool first = true;
  for (const HttpHeader& header : request.http.headers) {
    if (header.name != name) continue;
    if (!first) out += ',';
    first = false;
    std::string folded;
    for (const char c : header.value) {
      if (c != ' ' && c != '\t') {
        folded += c;
      } else if (!folded.empty() && folded.back() != ' ') {
        folded += ' ';
      }
    }
    out += trimmed(folded);
  }
  return out;
}

Refusal canonical_headers(const S3Request& request, const Claim& claim, std::string& out) {
  std::string_view rest = claim.signed_headers;
  std::vector<std::string> names;
  while (!rest.empty()) {
    names.emplace_back(rest.substr(0, rest.find(';')));
    rest.remove_prefix(std::min(rest.size(), names.back().size() + 1));
  }
  if (!std::ranges::is_sorted(names)) return malformed("SignedHeaders are not sorted.");
  const auto is_signed = [&](std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  if (!is_signed("host")) return malformed("host is not signed.");
  for (const HttpHeader& header : request.http.headers) {
    if (header.name.starts_with("x-amz-") && !is_signed(header.name))
      return Failure{403,
                     "AccessDenied",
                     "There were headers present in the request which were not signed",
                     {},
                     str_cat("<HeadersNotSigned>", header.name, "</HeadersNotSigned>")};
  }
  for (const std::string& name : names)
    out += str_cat(name, ":", signed_value(request, name), "\n");
  return {};
}

// From the path and query as they came: decoded, and encoded as the rules want. So a client that
// signs another path than it sends is found out, and so is one that signs an encoding of its own.
std::string canonical_uri(const S3Request& request) {
  return encode_path(percent_decode(request.path, false).value_or(request.path));
}

std::string canonical_query(const S3Request& request) {
  Pairs encoded;
  for (const auto& [name, value] : request.query)
    if (name != "X-Amz-Signature")
      encoded.emplace_back(encode_query_part(name), encode_query_part(value));
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded)
    out += str_cat(out.empty() ? "" : "&", name, "=", value);
  return out;
}

Refusal check_signature(const S3Request& request, const Claim& claim, const KeyPair& key) {
  std::string payload_hash(request.header("x-amz-content-sha256"));
  if (claim.in_query && payload_hash.empty()) payload_hash = kUnsignedPayload;
  if (payload_hash.empty())
    return Failure{400, "InvalidRequest",
                   "Missing required header for this request: x-amz-content-sha256"};
  std::string headers;
  if (auto refusal = canonical_headers(request, claim, headers)) return refusal;
  const std::string canonical =
      str_cat(request.http.method, "\n", canonical_uri(request), "\n", canonical_query(request),
              "\n", headers, "\n", claim.signed_headers, "\n", payload_hash);
  Credentials credentials;
  credentials.access_key_id = key.access_key_id;
  credentials.secret_access_key = key.secret_access_key;
  const SigningScope scope{.region = claim.region,
                           .service = "s3",
                           .time = parse_time(claim.date).value_or(Timestamp{})};
  const std::string hash = to_hex(sha256(as_bytes(canonical)));
  if (signature_of(hash, credentials, scope) == claim.signature) return {};
  return Failure{
      403,
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided. "
      "Check your key and signing method.",
      {},
      str_cat("<CanonicalRequestBytes>", to_hex(as_bytes(canonical)), "</CanonicalRequestBytes>")};
}

Refusal check_token(const Claim& claim, const KeyPair& key) {
  if (claim.token != key.session_token)
    return Failure{400, "InvalidToken", "The provided token is malformed or otherwise not valid."};
  if (key.expired) return Failure{400, "ExpiredToken", "The provided token has expired."};
  return {};
}

}  // namespace

Refusal authenticate(const S3Request& request, const SignatureRules& rules, Caller& caller) {
  Claim claim;
  if (request.has("X-Amz-Algorithm")) {
    if (request.argument("X-Amz-Algorithm") != kAlgorithm)
      return Failure{400, "AuthorizationQueryParametersError",
                     "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""};
    claim_of_query(request, claim);
  } else if (!request.header("authorization").empty()) {
    if (auto refusal = claim_of_header(request, claim)) return refusal;
  } else {
    return {};
  }
  if (!split_credential(claim))
    return malformed(
        str_cat("the Credential is mal-formed; expecting "
                "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."));
  const auto key = std::ranges::find_if(rules.keys, [&](const KeyPair& one) {
    return one.access_key_id == claim.access_key_id && one.session_token == claim.token;
  });
  const auto same_id = std::ranges::find(rules.keys, claim.access_key_id, &KeyPair::access_key_id);
  if (same_id == rules.keys.end())
    return Failure{403, "InvalidAccessKeyId",
                   "The AWS Access Key Id you provided does not exist in our records."};
  const KeyPair& used = key != rules.keys.end() ? *key : *same_id;
  if (auto refusal = check_token(claim, used)) return refusal;
  if (auto refusal = check_time(claim, rules.now)) return refusal;
  if (claim.region != rules.region) {
    Failure refusal = malformed(
        str_cat("the region '", claim.region, "' is wrong; expecting '", rules.region, "'"));
    refusal.details = str_cat("<Region>", rules.region, "</Region>");
    return refusal;
  }
  if (auto refusal = check_signature(request, claim, used)) return refusal;
  caller.access_key_id = used.access_key_id;
  caller.read_only = used.read_only;
  return {};
}

}  // namespace kedge::emulator
