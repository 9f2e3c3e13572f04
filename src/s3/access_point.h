// ARNs of S3 access points, in place of bucket names:
//   arn:PARTITION:s3:REGION:ACCOUNT:accesspoint/NAME, or accesspoint:NAME
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace kedge {

// One of AWS's separate worlds: accounts, regions and host names of their own.
struct AwsPartition {
  std::string_view name;           // "aws-cn"
  std::string_view region_prefix;  // "cn-"; "" for the one of all other regions
  std::string_view domain;         // "amazonaws.com.cn"
};
const AwsPartition& partition_of_region(std::string_view region);

struct AccessPoint {
  std::string partition;
  std::string region;
  std::string account;  // 12 digits
  std::string name;
};

inline bool is_arn(std::string_view bucket) { return bucket.starts_with("arn:"); }

// kUnsupported: an ARN of another kind (multi-region access points, Object Lambda, Outposts).
// kInvalid: not the ARN of an access point, by its part.
Result<AccessPoint> parse_access_point(std::string_view arn);

// Whether it can stand between the dots of a host name: 1 to 63 of a-z, 0-9 and '-', no '-' at the
// ends. Regions and account names become part of host names, and must not lead elsewhere.
bool is_host_label(std::string_view text);

}  // namespace kedge
