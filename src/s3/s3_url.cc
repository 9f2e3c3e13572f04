// URLs of buckets: s3_options.h has the contract.
#include <algorithm>

#include "base/strings.h"
#include "s3/access_point.h"
#include "s3/s3_options.h"
#include "store/object_store.h"

namespace kedge {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_ip_address(std::string_view name) {
  return std::ranges::count(name, '.') == 3 &&
         std::ranges::all_of(name, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

// The rules of buckets that exist: those made long ago may have capitals, '_' and up to 255 bytes.
Status check_bucket(std::string_view name) {
  const auto refuse = [name](std::string_view reason) -> Status {
    return {Code::kInvalid, str_cat("bucket name '", printable(name), "' ", reason)};
  };
  if (name.size() < 3) return refuse("has under 3 characters");
  if (name.size() > kMaxBucketBytes)
    return refuse(str_cat("has over ", kMaxBucketBytes, " characters"));
  for (const char c : name)
    if (!is_alphanumeric(c) && c != '.' && c != '-' && c != '_')
      return refuse("has a byte that is none of A-Z a-z 0-9 . - _");
  if (!is_alphanumeric(name.front()) || !is_alphanumeric(name.back()))
    return refuse("must begin and end with a letter or digit");
  if (name.find("..") != std::string_view::npos) return refuse("has two dots side by side");
  if (is_ip_address(name)) return refuse("has the form of an IP address");
  return {};
}

// Where the bucket ends in what follows "s3://". An ARN with accesspoint/NAME has a '/' of its own.
std::size_t end_of_bucket(std::string_view rest) {
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return rest.size();
  if (!is_arn(rest) || !rest.substr(0, slash).ends_with(":accesspoint")) return slash;
  return std::min(rest.find('/', slash + 1), rest.size());
}

}  // namespace

Result<S3Location> parse_s3_url(std::string_view url) {
  static constexpr std::string_view kScheme = "s3://";
  if (!url.starts_with(kScheme)) {
    const bool other = url.starts_with("s3a://") || url.starts_with("s3n://");
    return {Code::kInvalid, str_cat("'", printable(url), "' does not begin with s3://",
                                    other ? ", which is how Kedge calls the same bucket" : "")};
  }
  const std::string_view rest = url.substr(kScheme.size());
  const std::size_t end = end_of_bucket(rest);
  S3Location out;
  out.bucket = rest.substr(0, end);
  if (end < rest.size()) out.key = rest.substr(end + 1);
  if (out.bucket.empty())
    return {Code::kInvalid, str_cat("'", printable(url), "' has no bucket name")};
  if (is_arn(out.bucket)) {
    KEDGE_TRY(parse_access_point(out.bucket));
  } else {
    KEDGE_TRY(check_bucket(out.bucket));
  }
  if (out.key.size() > kMaxKeyBytes)
    return {Code::kInvalid,
            str_cat("key '", printable(out.key), "' has over ", kMaxKeyBytes, " bytes")};
  return out;
}

}  // namespace kedge
