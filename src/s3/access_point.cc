#include "s3/access_point.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace kedge {
namespace {

// Domains as in the AWS SDKs' partition tables. The last one is everybody else's.
constexpr AwsPartition kPartitions[] = {
    {"aws-cn", "cn-", "amazonaws.com.cn"},       {"aws-us-gov", "us-gov-", "amazonaws.com"},
    {"aws-iso", "us-iso-", "c2s.ic.gov"},        {"aws-iso-b", "us-isob-", "sc2s.sgov.gov"},
    {"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk"}, {"aws-iso-f", "us-isof-", "csp.hci.ic.gov"},
    {"aws-eusc", "eusc-", "amazonaws.eu"},       {"aws", "", "amazonaws.com"},
};

constexpr std::size_t kArnParts = 6;  // arn, partition, service, region, account, resource

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Error refuse(std::string_view arn, std::string_view reason) {
  return {Code::kInvalid, str_cat("access point '", printable(arn), "': ", reason)};
}

Error unsupported(std::string_view arn, std::string_view what) {
  return {Code::kUnsupported, str_cat("'", printable(arn), "': ", what, " are not supported")};
}

}  // namespace

const AwsPartition& partition_of_region(std::string_view region) {
  for (const AwsPartition& partition : kPartitions)
    if (region.starts_with(partition.region_prefix)) return partition;
  return kPartitions[std::size(kPartitions) - 1];
}

bool is_host_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::ranges::all_of(
      text, [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-'; });
}

Result<AccessPoint> parse_access_point(std::string_view arn) {
  std::array<std::string_view, kArnParts> parts;
  std::string_view rest = arn;
  for (std::size_t i = 0; i < kArnParts; ++i) {
    const std::size_t colon = i + 1 < kArnParts ? rest.find(':') : rest.size();
    if (colon == std::string_view::npos)
      return refuse(arn, "not arn:PARTITION:s3:REGION:ACCOUNT:accesspoint/NAME");
    parts[i] = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  const auto& [prefix, partition, service, region, account, resource] = parts;
  if (service == "s3-object-lambda") return unsupported(arn, "Object Lambda access points");
  if (service == "s3-outposts") return unsupported(arn, "buckets on Outposts");
  if (service != "s3") return refuse(arn, "the service is not s3");
  static constexpr std::string_view kKind = "accesspoint";
  const bool is_point = resource.starts_with(kKind) && resource.size() > kKind.size() &&
                        (resource[kKind.size()] == '/' || resource[kKind.size()] == ':');
  if (!is_point) return refuse(arn, "the resource is not accesspoint/NAME");
  const std::string_view name = resource.substr(kKind.size() + 1);
  if (region.empty()) return unsupported(arn, "multi-region access points");
  if (!is_host_label(region)) return refuse(arn, "bad region");
  if (partition_of_region(region).name != partition)
    return refuse(
        arn, str_cat("region ", region, " is in partition ", partition_of_region(region).name));
  if (account.size() != 12 || !std::ranges::all_of(account, is_digit))
    return refuse(arn, "the account is not 12 digits");
  if (name.size() < 3 || name.size() > 50 || !is_host_label(name))
    return refuse(arn, "the name is not 3 to 50 of a-z, 0-9 and '-'");
  return AccessPoint{std::string(partition), std::string(region), std::string(account),
                     std::string(name)};
}

}  // namespace kedge
