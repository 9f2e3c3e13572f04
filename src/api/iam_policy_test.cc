// The policy that doctor prints suffices, and grants no more than the store's calls take.
#include "api/iam_policy.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>
#include <tuple>

#include "base/strings.h"
#include "s3/credential_chain.h"
#include "s3/s3_store.h"
#include "s3/scripted_transport.h"

namespace kedge {
namespace {

constexpr std::string_view kDate = "Fri, 02 Jan 2026 03:04:05 GMT";

// Method, the query's parameter that makes the call, and whether it is on the bucket.
using Call = std::tuple<std::string, std::string, bool>;

Call call_of(const SeenRequest& request) {
  static constexpr std::string_view kTelling[] = {
      "uploads",    "partNumber",  "uploadId",  "delete",   "list-type", "versions",
      "versioning", "object-lock", "versionId", "location", "tagging"};
  const std::size_t host = request.url.find("://") + 3;
  const std::size_t path = request.url.find('/', host);
  const std::size_t question = std::min(request.url.find('?', path), request.url.size());
  // Path style: "/bucket" or "/bucket/", then the key.
  const std::string key = request.url.substr(path + 1, question - path - 1);
  const std::size_t slash = key.find('/');
  const bool on_bucket = slash == std::string::npos || slash + 1 == key.size();
  const std::string query = "&" + request.url.substr(std::min(question + 1, request.url.size()));
  for (const std::string_view name : kTelling) {
    if (query.find(str_cat("&", name, "=")) != std::string::npos || query == str_cat("&", name) ||
        query.find(str_cat("&", name, "&")) != std::string::npos)
      return {request.method, std::string(name), on_bucket};
  }
  return {request.method, "", on_bucket};
}

// A bucket that has something of everything, so that every call is made.
HttpResponse answer(const SeenRequest& request) {
  const auto [method, query, on_bucket] = call_of(request);
  const auto xml = [](std::string_view body) {
    return scripted_answer(200, body, {{"date", std::string(kDate)}});
  };
  if (method == "POST" && query == "uploads")
    return xml(
        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
  if (method == "POST" && query == "uploadId") {
    return scripted_answer(500, "<Error><Code>InternalError</Code></Error>",
                           {{"date", std::string(kDate)}});
  }
  if (query == "delete") return xml("<DeleteResult/>");
  if (query == "list-type")
    return xml("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
  if (query == "versions") {
    return xml(
        "<ListVersionsResult><IsTruncated>false</IsTruncated>"
        "<Version><Key>k</Key><VersionId>2</VersionId><IsLatest>true</IsLatest>"
        "<LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>\"t\"</ETag><Size>1</Size></"
        "Version>"
        "<Version><Key>k</Key><VersionId>1</VersionId><IsLatest>false</IsLatest>"
        "<LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>\"t\"</ETag><Size>1</Size></"
        "Version>"
        "</ListVersionsResult>");
  }
  if (query == "uploads") {
    return xml(
        "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
        "<Upload><Key>k</Key><UploadId>u</UploadId><Initiated>2020-01-01T00:00:00.000Z</Initiated>"
        "</Upload></ListMultipartUploadsResult>");
  }
  if (query == "tagging") return xml("<Tagging><TagSet/></Tagging>");
  if (query == "versioning") return xml("<VersioningConfiguration/>");
  if (query == "object-lock") return xml("<ObjectLockConfiguration/>");
  return scripted_answer(200, method == "GET" ? "x" : "",
                         {{"date", std::string(kDate)},
                          {"etag", "\"0123456789abcdef0123456789abcdef\""},
                          {"last-modified", std::string(kDate)},
                          {"content-length", "1"}});
}

// Every operation of a store, once.
void do_everything(ObjectStore& store) {
  const Deadline never = Deadline::never();
  std::vector<ReadRequest> reads(2);
  reads[0].key = "k";
  reads[1].key = "k";
  reads[1].version_id = "1";
  store.read(reads, never);
  store.stat(reads, never);
  const Bytes large(kSinglePutBytes + 1);
  const std::vector<PutRequest> puts = {{"k", as_bytes("x")}, {"large", large}};
  store.put(puts, never);
  EXPECT_TRUE(store.create("k", as_bytes("x"), never).ok());
  EXPECT_TRUE(store.swap("k", Tag{"0123456789abcdef0123456789abcdef"}, as_bytes("x"), never).ok());
  const std::vector<std::string> keys = {"k", "l"};
  EXPECT_TRUE(store.tags(keys, never).front().ok());
  store.remove(keys, never);
  EXPECT_TRUE(store.list("", "")->next(never).ok());
  EXPECT_TRUE(store.sweep({.prefix = {}, .before = {1'700'000'000'000'000}}, never).ok());
  EXPECT_FALSE(store.facts(never).empty());
  EXPECT_TRUE(store.now(never).ok());
}

// The calls of every operation; also on a store that does not know deletes of many keys at once.
std::set<Call> calls_of_every_operation() {
  const auto credentials = fixed_credentials({.access_key_id = "id",
                                              .secret_access_key = "secret",
                                              .session_token = {},
                                              .expires = {},
                                              .origin = "test"});
  ManualClock clock({1'767'323'045'000'000});
  S3Options options;
  options.endpoint = "http://127.0.0.1:9";
  options.region = "us-east-1";
  options.addressing = S3Addressing::kPath;
  std::set<Call> out;
  for (const bool batches : {true, false}) {
    ScriptedTransport transport([&](const SeenRequest& request) {
      if (!batches && std::get<1>(call_of(request)) == "delete") {
        return scripted_answer(501, "<Error><Code>NotImplemented</Code></Error>",
                               {{"date", std::string(kDate)}});
      }
      return answer(request);
    });
    const auto store =
        make_s3_store("bucket", options, {transport, *credentials, clock, silent_log()}).value();
    do_everything(*store);
    for (const SeenRequest& request : transport.seen()) out.insert(call_of(request));
  }
  return out;
}

// A call without a right would fail for whoever takes the policy; a right without a call grants
// what nobody needs.
TEST(IamPolicy, TheTableIsTheCallsThatTheStoreMakes) {
  const std::set<Call> made = calls_of_every_operation();
  std::set<Call> named;
  for (const S3Right& right : s3_rights())
    named.insert({std::string(right.method), std::string(right.query), right.on_bucket});
  const auto text = [](const Call& call) {
    return str_cat(std::get<0>(call), " ?", std::get<1>(call),
                   std::get<2>(call) ? " on the bucket" : " on a key");
  };
  for (const Call& call : made) EXPECT_TRUE(named.contains(call)) << "no right: " << text(call);
  for (const Call& call : named) {
    // Asked only where the first answer does not show the clock.
    if (call == Call{"HEAD", "", true}) continue;
    EXPECT_TRUE(made.contains(call)) << "never made: " << text(call);
  }
}

std::set<std::string> actions_of(const boost::json::value& policy, std::string_view sid) {
  std::set<std::string> out;
  for (const auto& statement : policy.at("Statement").as_array()) {
    if (statement.at("Sid").as_string() != sid) continue;
    for (const auto& action : statement.at("Action").as_array())
      out.insert(std::string(action.as_string()));
  }
  return out;
}

TEST(IamPolicy, GrantsNoMoreThanItsPlacesNeed) {
  const auto bit = [](S3Use use) { return static_cast<unsigned>(use); };
  const auto policy = boost::json::parse(
      make_policy({{.name = "Index",
                    .location = {"indexes", "docs/"},
                    .uses = bit(S3Use::kReadIndex) | bit(S3Use::kWriteIndex),
                    .kms_key_id = "arn:aws:kms:eu-west-1:1:key/2"},
                   {.name = "Source1", .location = {"raw", "docs/"}, .uses = bit(S3Use::kSource)},
                   {.name = "Source2",
                    .location = {"raw", "notes/"},
                    .uses = bit(S3Use::kSource) | bit(S3Use::kTags)}}));
  using Set = std::set<std::string>;
  EXPECT_EQ(actions_of(policy, "Source1Objects"), (Set{"s3:GetObject", "s3:GetObjectVersion"}));
  EXPECT_EQ(actions_of(policy, "Source2Objects"),
            (Set{"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging"}));
  EXPECT_EQ(actions_of(policy, "Source1List"), (Set{"s3:ListBucket"}));
  EXPECT_EQ(actions_of(policy, "Source1Bucket"), Set{});
  EXPECT_TRUE(actions_of(policy, "IndexObjects").contains("s3:PutObject"));
  EXPECT_EQ(actions_of(policy, "IndexKey"), (Set{"kms:Decrypt", "kms:GenerateDataKey"}));
  const auto& first = policy.at("Statement").at(0);
  EXPECT_EQ(first.at("Resource").as_string(), "arn:aws:s3:::indexes/docs/*");
  const auto& list = policy.at("Statement").at(1);
  EXPECT_EQ(list.at("Resource").as_string(), "arn:aws:s3:::indexes");
  EXPECT_EQ(list.at("Condition").at("StringLike").at("s3:prefix").at(0).as_string(), "docs/*");
  const std::string reader =
      make_policy({{.name = "Index", .location = {"b", ""}, .uses = bit(S3Use::kReadIndex)}});
  EXPECT_EQ(reader.find("Put"), std::string::npos) << "read-only credentials suffice to search";
  EXPECT_EQ(reader.find("Delete"), std::string::npos);
  EXPECT_EQ(make_policy({}), "");
}

}  // namespace
}  // namespace kedge
