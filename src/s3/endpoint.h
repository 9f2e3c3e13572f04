// Where requests to one bucket go, and how they are signed. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "s3/s3_options.h"

namespace kedge {

// A base URL: "https://host[:port][/base]".
struct BaseUrl {
  std::string scheme;  // "https" or "http"
  std::string host;  // lower case, in brackets if IPv6; with the port where it is not the scheme's
  std::string path;  // "" or "/base", without '/' at its end; needs no encoding
};
// https where no scheme is given. kInvalid: what is wrong with it, with `what` ("endpoint") in
// front.
Result<BaseUrl> parse_base_url(std::string_view url, std::string_view what);

// Whether the host, without its port, is an IP address.
bool is_ip_host(std::string_view host);

struct S3Endpoint {
  std::string scheme;
  std::string host;       // as it is signed; with the bucket in front at virtual hosts
  std::string base_path;  // raw, before the key's '/': "", "/bucket", "/base/bucket"
  std::string region;     // to sign with
  bool virtual_host = false;
  bool custom = false;  // not AWS's own
  // The region is a guess: AWS answers 301 or 400 with the bucket's own one.
  bool region_guessed = false;

  // Raw, for SignedRequest::path. With "" the bucket itself.
  [[nodiscard]] std::string path(std::string_view key) const;
  // As it goes on the wire; `encoded_query` without '?'.
  [[nodiscard]] std::string url(std::string_view key, std::string_view encoded_query = {}) const;
};

// `bucket`: a name or an access point ARN; `options` are complete. kInvalid: addressing that the
// bucket cannot have, a bad endpoint or region. kUnsupported: directory buckets.
Result<S3Endpoint> resolve_endpoint(const S3Options& options, std::string_view bucket);

}  // namespace kedge
