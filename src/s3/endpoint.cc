#include "s3/endpoint.h"

#include <algorithm>

#include "base/allocation.h"
#include "base/strings.h"
#include "s3/access_point.h"
#include "s3/sigv4.h"

namespace kedge {
namespace {

constexpr std::string_view kDefaultRegion = "us-east-1";
constexpr std::size_t kMaxEndpointBytes = 1024;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_host_byte(char c) {
  return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '.' || c == '_';
}

bool is_path_byte(char c) {
  return is_host_byte(c) || (c >= 'A' && c <= 'Z') || c == '~' || c == '/';
}

// Whether a bucket's name can be the first part of a host name, also under a certificate for
// *.domain, which covers no dots.
bool is_virtual_hostable(std::string_view bucket, bool tls) {
  if (bucket.size() < 3) return false;
  if (tls) return is_host_label(bucket);
  if (bucket.size() > 63) return false;
  while (true) {
    const std::size_t dot = bucket.find('.');
    if (!is_host_label(bucket.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    bucket.remove_prefix(dot + 1);
  }
}

Result<std::string> checked_host(std::string host, bool tls, std::string_view what,
                                 std::string_view url) {
  std::transform(host.begin(), host.end(), host.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  std::string port;
  std::string name = host;
  const std::size_t colon = host.rfind(':');
  if (colon != std::string::npos && host.find(']', colon) == std::string::npos) {
    port = host.substr(colon + 1);
    name = host.substr(0, colon);
    const bool bad = port.empty() || port.size() > 5 || !std::ranges::all_of(port, is_digit) ||
                     std::stoi(port) == 0 || std::stoi(port) > 65535;
    if (bad) return {Code::kInvalid, str_cat(what, " '", printable(url), "': bad port")};
  }
  const bool brackets = name.size() > 2 && name.front() == '[' && name.back() == ']';
  const bool good =
      brackets ? std::all_of(name.begin() + 1, name.end() - 1,
                             [](char c) {
                               return is_digit(c) || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
                             })
               : !name.empty() && std::ranges::all_of(name, is_host_byte);
  if (!good) return {Code::kInvalid, str_cat(what, " '", printable(url), "': bad host name")};
  if (port.empty() || std::stoi(port) == (tls ? 443 : 80)) return name;
  return str_cat(name, ":", std::stoi(port));
}

std::string aws_host(const S3Options& options, std::string_view service, std::string_view region) {
  const AwsPartition& partition = partition_of_region(region);
  return str_cat(service, options.use_fips ? "-fips" : "",
                 options.use_dualstack ? ".dualstack" : "", ".", region, ".", partition.domain);
}

Result<S3Endpoint> at_access_point(const S3Options& options, std::string_view arn,
                                   S3Endpoint endpoint) {
  const AccessPoint point = KEDGE_TRY(parse_access_point(arn));
  if (options.addressing == S3Addressing::kPath)
    return {Code::kInvalid,
            str_cat("access point '", printable(arn), "' cannot be reached with path addressing")};
  const std::string host =
      endpoint.custom ? endpoint.host : aws_host(options, "s3-accesspoint", point.region);
  if (endpoint.custom && is_ip_host(host))
    return {Code::kInvalid, str_cat("access point '", printable(arn),
                                    "' cannot be reached at an IP address (", host, ")")};
  endpoint.host = str_cat(point.name, "-", point.account, ".", host);
  endpoint.region = point.region;
  endpoint.virtual_host = true;
  endpoint.region_guessed = false;
  return endpoint;
}

// Scheme, host and base path before the bucket has a part in them.
Result<S3Endpoint> without_bucket(const S3Options& options) {
  S3Endpoint out;
  if (!options.region.empty() && !is_host_label(options.region))
    return {Code::kInvalid, str_cat("region '", printable(options.region), "' is not a name")};
  out.region_guessed = options.region.empty();
  out.region = out.region_guessed ? std::string(kDefaultRegion) : options.region;
  out.custom = !options.endpoint.empty();
  if (out.custom) {
    BaseUrl base = KEDGE_TRY(parse_base_url(options.endpoint, "endpoint"));
    out.scheme = std::move(base.scheme);
    out.host = std::move(base.host);
    out.base_path = std::move(base.path);
    return out;
  }
  out.scheme = "https";
  // The global endpoint redirects to where the bucket is.
  const bool global = out.region_guessed && !options.use_fips && !options.use_dualstack;
  out.host = global ? "s3.amazonaws.com" : aws_host(options, "s3", out.region);
  return out;
}

}  // namespace

bool is_ip_host(std::string_view host) {
  if (host.starts_with('[')) return true;
  host = host.substr(0, host.find(':'));
  return !host.empty() && is_digit(host.back()) &&
         std::ranges::all_of(host, [](char c) { return is_digit(c) || c == '.'; });
}

Result<BaseUrl> parse_base_url(std::string_view url, std::string_view what) try {
  if (url.size() > kMaxEndpointBytes)
    return {Code::kInvalid, str_cat(what, ": over ", kMaxEndpointBytes, " bytes")};
  BaseUrl out;
  out.scheme = "https";
  std::string_view rest = url;
  const std::size_t scheme_end = url.find("://");
  if (scheme_end != std::string_view::npos) {
    out.scheme = url.substr(0, scheme_end);
    rest = url.substr(scheme_end + 3);
  }
  if (out.scheme != "https" && out.scheme != "http")
    return {Code::kInvalid, str_cat(what, " '", printable(url), "': not http:// or https://")};
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  out.path = rest.substr(slash);
  // A user name and password would be shown in messages, and no store takes them there.
  if (rest.find('@') != std::string_view::npos)
    return {Code::kInvalid, str_cat(what, ": must not contain a user name or password")};
  while (out.path.ends_with('/')) out.path.pop_back();
  const std::string segments = out.path + "/";
  const bool dots =
      segments.find("/./") != std::string::npos || segments.find("/../") != std::string::npos;
  if (dots || !std::ranges::all_of(out.path, is_path_byte))
    return {Code::kInvalid, str_cat(what, " '", printable(url),
                                    "': the path may have letters, digits and - . _ ~ / only")};
  out.host =
      KEDGE_TRY(checked_host(std::string(rest.substr(0, slash)), out.scheme == "https", what, url));
  return out;
} catch (...) {
  return memory_error(what);
}

std::string S3Endpoint::path(std::string_view key) const {
  // "/bucket" and not "/bucket/", as other clients say it: some servers tell them apart.
  if (key.empty() && !base_path.empty() && !virtual_host) return base_path;
  return str_cat(base_path, "/", key);
}

std::string S3Endpoint::url(std::string_view key, std::string_view encoded_query) const {
  return str_cat(scheme, "://", host, encode_path(path(key)), encoded_query.empty() ? "" : "?",
                 encoded_query);
}

Result<S3Endpoint> resolve_endpoint(const S3Options& options, std::string_view bucket) {
  S3Endpoint out = KEDGE_TRY(without_bucket(options));
  if (is_arn(bucket)) return at_access_point(options, bucket, std::move(out));
  if (!out.custom && bucket.ends_with("--x-s3"))
    return {Code::kUnsupported, str_cat("bucket '", printable(bucket),
                                        "' is a directory bucket (S3 Express One Zone), which is "
                                        "not supported")};
  const bool hostable = is_virtual_hostable(bucket, out.scheme == "https") && !is_ip_host(out.host);
  if (options.addressing == S3Addressing::kVirtual && !hostable)
    return {Code::kInvalid, str_cat("bucket '", printable(bucket), "' cannot be a host name at ",
                                    out.scheme, "://", out.host, ": use path addressing")};
  out.virtual_host = options.addressing == S3Addressing::kVirtual ||
                     (options.addressing == S3Addressing::kAuto && !out.custom && hostable);
  if (out.virtual_host) {
    out.host = str_cat(bucket, ".", out.host);
  } else {
    out.base_path += str_cat("/", bucket);
  }
  return out;
}

}  // namespace kedge
