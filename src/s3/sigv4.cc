#include "s3/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "base/hash.h"
#include "base/strings.h"

namespace kedge {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string encode(std::string_view raw, bool keep_slash) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(raw.size());
  for (const char c : raw) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

// "20130524T000000Z": the first 8 characters are the date of the scope.
std::string signing_time(Timestamp time) {
  using std::chrono::floor;
  const std::chrono::sys_time<Duration> at{Duration(time.micros)};
  const auto day = floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<std::chrono::seconds> clock(floor<std::chrono::seconds>(at - day));
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d%02u%02uT%02d%02d%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

std::string scope_text(const SigningScope& scope) {
  return str_cat(signing_time(scope.time).substr(0, 8), "/", scope.region, "/", scope.service,
                 "/aws4_request");
}

char lower_char(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower_char);
  return out;
}

// A header's value as it is signed: no white space at its ends, and one space for each run inside.
std::string folded(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!space) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

struct CanonicalHeaders {
  std::string lines;  // "name:value\n" each, by name
  std::string names;  // "name;name"
};

CanonicalHeaders canonical_headers(std::string_view host, const std::vector<HttpHeader>& headers) {
  Pairs sorted;
  sorted.emplace_back("host", folded(host));
  for (const HttpHeader& header : headers)
    sorted.emplace_back(lower(header.name), folded(header.value));
  // Values of one name stay in the order given: they are sent so.
  std::ranges::stable_sort(sorted, {}, &Pairs::value_type::first);
  CanonicalHeaders out;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const bool same = i > 0 && sorted[i].first == sorted[i - 1].first;
    if (same) {
      out.lines.back() = ',';
      out.lines += sorted[i].second;
    } else {
      out.lines += str_cat(sorted[i].first, ":", sorted[i].second);
      out.names += str_cat(i == 0 ? "" : ";", sorted[i].first);
    }
    out.lines += '\n';
  }
  return out;
}

// Ordered by the encoded bytes, as a signature wants it.
std::string canonical_query(const Pairs& query) {
  Pairs encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query)
    encoded.emplace_back(encode(name, false), encode(value, false));
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded)
    out += str_cat(out.empty() ? "" : "&", name, "=", value);
  return out;
}

std::string canonical_request_hash(const SignedRequest& request, const Pairs& query,
                                   const CanonicalHeaders& headers, std::string_view payload_hash,
                                   std::string_view service) {
  std::string path = encode(request.path, true);
  if (service != "s3") path = encode(path, true);
  const std::string canonical =
      str_cat(request.method, "\n", path, "\n", canonical_query(query), "\n", headers.lines, "\n",
              headers.names, "\n", payload_hash);
  return to_hex(sha256(as_bytes(canonical)));
}

}  // namespace

Sha256 hmac_sha256(ByteView key, ByteView message) {
  // Empty views may have no address, which OpenSSL takes for a mistake.
  static constexpr unsigned char kNothing = 0;
  const auto* key_at = key.empty() ? &kNothing : static_cast<const void*>(key.data());
  const auto* message_at =
      message.empty() ? &kNothing : reinterpret_cast<const unsigned char*>(message.data());
  Sha256 out{};
  unsigned size = 0;
  const unsigned char* done =
      HMAC(EVP_sha256(), key_at, static_cast<int>(key.size()), message_at, message.size(),
           reinterpret_cast<unsigned char*>(out.data()), &size);
  KEDGE_CHECK(done != nullptr && size == out.size());
  return out;
}

std::string signature_of(std::string_view canonical_request_hash, const Credentials& credentials,
                         const SigningScope& scope) {
  const std::string time = signing_time(scope.time);
  const std::string secret = str_cat("AWS4", credentials.secret_access_key);
  Sha256 key = hmac_sha256(as_bytes(secret), as_bytes(std::string_view(time).substr(0, 8)));
  for (const std::string_view part :
       {std::string_view(scope.region), std::string_view(scope.service),
        std::string_view("aws4_request")})
    key = hmac_sha256(key, as_bytes(part));
  const std::string to_sign =
      str_cat(kAlgorithm, "\n", time, "\n", scope_text(scope), "\n", canonical_request_hash);
  return to_hex(hmac_sha256(key, as_bytes(to_sign)));
}

std::vector<HttpHeader> sign_headers(const SignedRequest& request, const Credentials& credentials,
                                     const SigningScope& scope) {
  std::vector<HttpHeader> headers = request.headers;
  headers.push_back({"x-amz-date", signing_time(scope.time)});
  if (scope.service == "s3") headers.push_back({"x-amz-content-sha256", request.payload_hash});
  if (!credentials.session_token.empty())
    headers.push_back({"x-amz-security-token", credentials.session_token});
  const CanonicalHeaders canonical = canonical_headers(request.host, headers);
  const std::string hash = canonical_request_hash(request, request.query, canonical,
                                                  request.payload_hash, scope.service);
  headers.push_back(
      {"authorization", str_cat(kAlgorithm, " Credential=", credentials.access_key_id, "/",
                                scope_text(scope), ", SignedHeaders=", canonical.names,
                                ", Signature=", signature_of(hash, credentials, scope))});
  return headers;
}

std::string presign_query(const SignedRequest& request, const Credentials& credentials,
                          const SigningScope& scope, Duration valid) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(valid).count();
  KEDGE_CHECK(seconds >= 1 && static_cast<std::size_t>(seconds) <= kMaxPresignSeconds);
  const CanonicalHeaders canonical = canonical_headers(request.host, request.headers);
  Pairs query = request.query;
  query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  query.emplace_back("X-Amz-Credential",
                     str_cat(credentials.access_key_id, "/", scope_text(scope)));
  query.emplace_back("X-Amz-Date", signing_time(scope.time));
  query.emplace_back("X-Amz-Expires", std::to_string(seconds));
  query.emplace_back("X-Amz-SignedHeaders", canonical.names);
  if (!credentials.session_token.empty())
    query.emplace_back("X-Amz-Security-Token", credentials.session_token);
  // Whoever follows a link sends no hash of a body, so S3 checks it against the word for none.
  const std::string_view payload_hash =
      scope.service == "s3" ? kUnsignedPayload : request.payload_hash;
  const std::string hash =
      canonical_request_hash(request, query, canonical, payload_hash, scope.service);
  query.emplace_back("X-Amz-Signature", signature_of(hash, credentials, scope));
  return encode_query(query);
}

std::string encode_path(std::string_view raw) { return encode(raw, true); }
std::string encode_query_part(std::string_view raw) { return encode(raw, false); }

std::string encode_query(const Pairs& query) {
  std::string out;
  for (const auto& [name, value] : query)
    out += str_cat(out.empty() ? "" : "&", encode(name, false), "=", encode(value, false));
  return out;
}

}  // namespace kedge
