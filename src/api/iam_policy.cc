#include "api/iam_policy.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/strings.h"

namespace kedge {
namespace {

namespace json = boost::json;

constexpr unsigned kRead = static_cast<unsigned>(S3Use::kReadIndex);
constexpr unsigned kWrite = static_cast<unsigned>(S3Use::kWriteIndex);
constexpr unsigned kSource = static_cast<unsigned>(S3Use::kSource);
constexpr unsigned kDoctor = static_cast<unsigned>(S3Use::kDoctor);
constexpr unsigned kTags = static_cast<unsigned>(S3Use::kTags);

constexpr S3Right kRights[] = {
    {"GET", "", false, "s3:GetObject", kRead | kWrite | kSource},
    {"HEAD", "", false, "s3:GetObject", kRead | kWrite | kSource},
    // get --as-indexed, and whether a recorded version can still be read.
    {"GET", "versionId", false, "s3:GetObjectVersion", kSource},
    {"HEAD", "versionId", false, "s3:GetObjectVersion", kSource},
    {"GET", "tagging", false, "s3:GetObjectTagging", kTags},
    {"PUT", "", false, "s3:PutObject", kWrite},
    {"POST", "uploads", false, "s3:PutObject", kWrite},
    {"PUT", "partNumber", false, "s3:PutObject", kWrite},
    {"POST", "uploadId", false, "s3:PutObject", kWrite},
    {"DELETE", "uploadId", false, "s3:AbortMultipartUpload", kWrite},
    {"DELETE", "", false, "s3:DeleteObject", kWrite},
    {"DELETE", "versionId", false, "s3:DeleteObjectVersion", kWrite},
    {"POST", "delete", true, "s3:DeleteObject", kWrite},
    {"POST", "delete", true, "s3:DeleteObjectVersion", kWrite},
    // Without it an absence cannot be told from a refusal.
    {"GET", "list-type", true, "s3:ListBucket", kRead | kWrite | kSource, true},
    {"HEAD", "", true, "s3:ListBucket", kRead | kWrite | kSource, true},
    {"GET", "versions", true, "s3:ListBucketVersions", kWrite, true},
    {"GET", "uploads", true, "s3:ListBucketMultipartUploads", kWrite},
    {"GET", "versioning", true, "s3:GetBucketVersioning", kDoctor},
    {"GET", "object-lock", true, "s3:GetBucketObjectLockConfiguration", kDoctor},
};

// Rights over the bucket that a call on the bucket takes on its keys.
bool is_of_keys(std::string_view action) {
  return action == "s3:DeleteObject" || action == "s3:DeleteObjectVersion";
}

enum class Kind { kKeys, kPrefixes, kWhole };

Kind kind_of(const S3Right& right) {
  if (!right.on_bucket || is_of_keys(right.action)) return Kind::kKeys;
  return right.prefixed ? Kind::kPrefixes : Kind::kWhole;
}

json::array actions_of(unsigned uses, Kind kind) {
  json::array out;
  for (const S3Right& right : kRights) {
    if ((right.uses & uses) == 0 || kind_of(right) != kind) continue;
    const json::value action(json::string(right.action));
    if (std::find(out.begin(), out.end(), action) == out.end()) out.push_back(action);
  }
  return out;
}

// The partition of an access point's ARN, else that of AWS itself.
std::string bucket_arn(const std::string& bucket) {
  return bucket.starts_with("arn:") ? bucket : "arn:aws:s3:::" + bucket;
}

std::string keys_arn(const S3Location& location) {
  const std::string between = location.bucket.starts_with("arn:") ? "/object/" : "/";
  return bucket_arn(location.bucket) + between + location.key + "*";
}

void add_statement(json::array& out, const std::string& sid, json::array actions,
                   const std::string& resource, const std::string& prefix) {
  if (actions.empty()) return;
  json::object statement{
      {"Sid", sid}, {"Effect", "Allow"}, {"Action", std::move(actions)}, {"Resource", resource}};
  if (!prefix.empty())
    statement["Condition"] = {{"StringLike", {{"s3:prefix", json::array{prefix + "*"}}}}};
  out.push_back(std::move(statement));
}

}  // namespace

std::span<const S3Right> s3_rights() { return kRights; }

std::string make_policy(const std::vector<PolicyPlace>& places) {
  json::array statements;
  for (const PolicyPlace& place : places) {
    const std::string bucket = bucket_arn(place.location.bucket);
    add_statement(statements, place.name + "Objects", actions_of(place.uses, Kind::kKeys),
                  keys_arn(place.location), "");
    add_statement(statements, place.name + "List", actions_of(place.uses, Kind::kPrefixes), bucket,
                  place.location.key);
    add_statement(statements, place.name + "Bucket", actions_of(place.uses, Kind::kWhole), bucket,
                  "");
    if (!place.kms_key_id.starts_with("arn:")) continue;
    json::array actions = {"kms:Decrypt"};
    if ((place.uses & kWrite) != 0) actions.push_back("kms:GenerateDataKey");
    add_statement(statements, place.name + "Key", std::move(actions), place.kms_key_id, "");
  }
  if (statements.empty()) return "";
  return json::serialize(
      json::object{{"Version", "2012-10-17"}, {"Statement", std::move(statements)}});
}

}  // namespace kedge
