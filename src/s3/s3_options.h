// How a bucket is reached, as a user says it per URL: flags, environment, configuration, profile.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kedge {

enum class S3Addressing {
  kAuto,     // virtual hosts on AWS, paths at custom endpoints and for names that are no host names
  kPath,     // https://endpoint/bucket/key
  kVirtual,  // https://bucket.endpoint/key
};

struct S3Options {
  std::string endpoint = {};  // "https://host[:port]", also "host[:port]"; "": AWS's of the region
  std::string region = {};    // "": of the profile, else found by asking
  S3Addressing addressing = S3Addressing::kAuto;
  // "": AWS_PROFILE, else "default". One that is named here wins over keys in the environment.
  std::string profile = {};
  bool no_sign = false;      // public buckets: nothing is signed
  std::string ca_file = {};  // PEM; "": AWS_CA_BUNDLE, else the system's
  bool requester_pays = false;
  std::string expected_bucket_owner = {};   // account id; "": not checked
  std::string storage_class = {};           // of what is written; "": the bucket's default
  std::string server_side_encryption = {};  // "", "AES256", "aws:kms", "aws:kms:dsse"
  std::string kms_key_id = {};              // with aws:kms
  bool use_dualstack = false;               // AWS's endpoints with IPv6
  bool use_fips = false;                    // AWS's endpoints with FIPS 140 cryptography
};

inline constexpr std::size_t kMaxBucketBytes = 255;  // 63 of new ones; old ones have more

// s3://bucket/prefix, s3://bucket/key, or s3://<access point ARN>/prefix.
struct S3Location {
  std::string bucket = {};  // a bucket name or an access point ARN
  std::string key = {};     // what follows, without the '/' between; raw bytes, nothing is decoded
};
// kInvalid: what is wrong with it, by name.
Result<S3Location> parse_s3_url(std::string_view url);

}  // namespace kedge
