// Where a request for a bucket goes, and for which region it is signed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "s3/s3_options.h"

namespace kedge {

struct S3Target {
  std::string origin;  // "https://host" or "http://host:port", without a path
  std::string host;    // as in the Host header and the signature: with the port if it is not the scheme's
  std::string path;    // raw bytes, beginning with '/': of the bucket ("/" or "/bucket") or the key
  std::string signing_region;
  std::string signing_service = "s3";
};

// `options` are complete. `bucket`: a name or an access point ARN; `key` "" for the bucket itself;
// `region` what is known of the bucket's region ("" before anything is: us-east-1 is asked first).
// kInvalid: a custom endpoint that is no URL, an ARN that does not go with it.
Result<S3Target> resolve_target(const S3Options& options, std::string_view bucket,
                                std::string_view key, std::string_view region);

}  // namespace kedge
