// How s3:// URLs are reached: endpoint, account, encryption.
#pragma once

#include <optional>
#include <string>

namespace kedge {

// What is empty or absent comes from the environment and the profile files, as every AWS tool reads
// them: AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3, ~/.aws/config and so on.
struct StoreSettings {
  // Applies to this URL and what lies below it: "s3://bucket", "s3://bucket/prefix/". Of several
  // the longest counts, alone; what it leaves open is taken from the one whose url is "".
  std::string url;
  std::string endpoint;  // "https://host[:port]"
  std::string region;
  std::string profile;
  std::string addressing;       // "auto", "path", "virtual"
  std::string ca_file;          // PEM
  std::optional<bool> no_sign;  // public buckets: nothing is signed, no credentials are looked for
  std::optional<bool> requester_pays;
  std::string expected_bucket_owner;  // account id
  // Of what is written: the index and its cache.
  std::string storage_class;
  std::string sse;  // "AES256", "aws:kms", "aws:kms:dsse"
  std::string kms_key_id;
};

}  // namespace kedge
