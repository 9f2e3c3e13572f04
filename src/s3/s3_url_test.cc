#include <gtest/gtest.h>

#include "base/strings.h"
#include "s3/access_point.h"
#include "s3/endpoint.h"
#include "s3/s3_options.h"

namespace kedge {
namespace {

constexpr const char* kArn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/point";

// A URL names a bucket and raw bytes; nothing of the key is decoded, dropped or joined.
TEST(S3Url, SplitsBucketAndKey) {
  const std::string arn = kArn;
  const struct {
    std::string url;
    std::string bucket;
    std::string key;
  } cases[] = {
      {"s3://bucket", "bucket", ""},
      {"s3://bucket/", "bucket", ""},
      {"s3://bucket/a/b/", "bucket", "a/b/"},
      {"s3://bucket//a", "bucket", "/a"},
      {"s3://bucket/a%20b?c#d", "bucket", "a%20b?c#d"},
      {"s3://bucket/../a", "bucket", "../a"},
      {std::string("s3://bucket/\0\xff", 14), "bucket", std::string("\0\xff", 2)},
      {"s3://Old_Bucket/k", "Old_Bucket", "k"},
      {"s3://a.b-c.d/k", "a.b-c.d", "k"},
      {"s3://bucket--x-s3/k", "bucket--x-s3", "k"},
      {"s3://" + arn, arn, ""},
      {"s3://" + arn + "/p/q", arn, "p/q"},
      {"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint:point/p/q",
       "arn:aws:s3:eu-west-1:123456789012:accesspoint:point", "p/q"},
  };
  for (const auto& c : cases) {
    const auto out = parse_s3_url(c.url);
    ASSERT_TRUE(out.ok()) << c.url << ": " << out.error().message;
    EXPECT_EQ(out->bucket, c.bucket) << c.url;
    EXPECT_EQ(out->key, c.key) << c.url;
  }
}

// What is wrong is said by name, before anybody sends a request to somewhere.
TEST(S3Url, RefusesByName) {
  const struct {
    std::string url;
    std::string message;
  } cases[] = {
      {"bucket/key", "'bucket/key' does not begin with s3://"},
      {"s3a://bucket",
       "'s3a://bucket' does not begin with s3://, which is how Kedge calls the same bucket"},
      {"s3://", "'s3://' has no bucket name"},
      {"s3:///key", "'s3:///key' has no bucket name"},
      {"s3://ab", "bucket name 'ab' has under 3 characters"},
      {"s3://" + std::string(256, 'a'),
       "bucket name '" + std::string(200, 'a') + "...' has over 255 characters"},
      {"s3://buc ket", "bucket name 'buc ket' has a byte that is none of A-Z a-z 0-9 . - _"},
      {"s3://bucket:80/k", "bucket name 'bucket:80' has a byte that is none of A-Z a-z 0-9 . - _"},
      {"s3://user@bucket/k",
       "bucket name 'user@bucket' has a byte that is none of A-Z a-z 0-9 . - _"},
      {"s3://bucket?x", "bucket name 'bucket?x' has a byte that is none of A-Z a-z 0-9 . - _"},
      {"s3://-bucket", "bucket name '-bucket' must begin and end with a letter or digit"},
      {"s3://bucket.", "bucket name 'bucket.' must begin and end with a letter or digit"},
      {"s3://buc..ket", "bucket name 'buc..ket' has two dots side by side"},
      {"s3://192.168.0.1", "bucket name '192.168.0.1' has the form of an IP address"},
      {"s3://bucket/" + std::string(1025, 'k'),
       "key '" + std::string(200, 'k') + "...' has over 1024 bytes"},
  };
  for (const auto& c : cases) {
    const auto out = parse_s3_url(c.url);
    ASSERT_FALSE(out.ok()) << c.url;
    EXPECT_EQ(out.code(), Code::kInvalid) << c.url;
    EXPECT_EQ(out.error().message, c.message);
  }
}

TEST(AccessPoint, RefusesByPart) {
  const struct {
    const char* arn;
    Code code;
    const char* reason;
  } cases[] = {
      {"arn:aws:s3", Code::kInvalid, "not arn:PARTITION:s3:REGION:ACCOUNT:accesspoint/NAME"},
      {"arn:aws:sqs:eu-west-1:123456789012:accesspoint/point", Code::kInvalid,
       "the service is not s3"},
      {"arn:aws:s3:::bucket", Code::kInvalid, "the resource is not accesspoint/NAME"},
      {"arn:aws:s3:eu-west-1:123456789012:accesspoint", Code::kInvalid,
       "the resource is not accesspoint/NAME"},
      {"arn:aws:s3:eu.evil:123456789012:accesspoint/point", Code::kInvalid, "bad region"},
      {"arn:aws:s3:cn-north-1:123456789012:accesspoint/point", Code::kInvalid,
       "region cn-north-1 is in partition aws-cn"},
      {"arn:aws:s3:eu-west-1:12345:accesspoint/point", Code::kInvalid,
       "the account is not 12 digits"},
      {"arn:aws:s3:eu-west-1:12345678901x:accesspoint/point", Code::kInvalid,
       "the account is not 12 digits"},
      {"arn:aws:s3:eu-west-1:123456789012:accesspoint/Point", Code::kInvalid,
       "the name is not 3 to 50 of a-z, 0-9 and '-'"},
      {"arn:aws:s3:eu-west-1:123456789012:accesspoint/p.evil", Code::kInvalid,
       "the name is not 3 to 50 of a-z, 0-9 and '-'"},
      {"arn:aws:s3:eu-west-1:123456789012:accesspoint/a/b", Code::kInvalid,
       "the name is not 3 to 50 of a-z, 0-9 and '-'"},
      {"arn:aws:s3::123456789012:accesspoint/x.mrap", Code::kUnsupported,
       "multi-region access points are not supported"},
      {"arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/point", Code::kUnsupported,
       "Object Lambda access points are not supported"},
      {"arn:aws:s3-outposts:eu-west-1:123456789012:outpost/o/accesspoint/point", Code::kUnsupported,
       "buckets on Outposts are not supported"},
  };
  for (const auto& c : cases) {
    const auto out = parse_access_point(c.arn);
    ASSERT_FALSE(out.ok()) << c.arn;
    EXPECT_EQ(out.code(), c.code) << c.arn;
    EXPECT_TRUE(out.error().message.ends_with(c.reason)) << out.error().message;
    EXPECT_NE(out.error().message.find(c.arn), std::string::npos) << out.error().message;
  }
}

// "URL region", with '?' for a region that is a guess, or the error.
std::string resolved(const S3Options& options, std::string_view bucket,
                     std::string_view key = "k") {
  const auto out = resolve_endpoint(options, bucket);
  if (!out.ok()) return str_cat(code_name(out.code()), ": ", out.error().message);
  return str_cat(out->url(key), " ", out->region, out->region_guessed ? "?" : "");
}

// What botocore sends where is compared in tests/s3/test_signatures.py; here is what differs on
// purpose, and what the bucket itself is called.
TEST(Endpoint, ResolvesAddressing) {
  const struct {
    const char* why;
    const char* endpoint;
    const char* region;
    S3Addressing addressing;
    const char* bucket;
    const char* key;
    const char* resolved;
  } cases[] = {
      {"AWS", "", "eu-west-1", S3Addressing::kAuto, "bucket", "a b",
       "https://bucket.s3.eu-west-1.amazonaws.com/a%20b eu-west-1"},
      {"the bucket itself", "", "eu-west-1", S3Addressing::kAuto, "bucket", "",
       "https://bucket.s3.eu-west-1.amazonaws.com/ eu-west-1"},
      {"the bucket itself, by path", "", "eu-west-1", S3Addressing::kPath, "bucket", "",
       "https://s3.eu-west-1.amazonaws.com/bucket eu-west-1"},
      {"no region is known", "", "", S3Addressing::kAuto, "bucket", "k",
       "https://bucket.s3.amazonaws.com/k us-east-1?"},
      {"a custom endpoint has paths", "http://127.0.0.1:9000", "", S3Addressing::kAuto, "bucket",
       "k", "http://127.0.0.1:9000/bucket/k us-east-1?"},
      {"https without a scheme", "store.example:9000", "here", S3Addressing::kAuto, "bucket", "//a",
       "https://store.example:9000/bucket///a here"},
      {"the scheme's own port is not said", "https://store.example:443/", "x", S3Addressing::kAuto,
       "bucket", "", "https://store.example/bucket x"},
      {"capitals", "http://STORE.Example", "x", S3Addressing::kVirtual, "bucket", "k",
       "http://bucket.store.example/k x"},
      {"IPv6", "http://[::1]:9000", "x", S3Addressing::kAuto, "bucket", "k",
       "http://[::1]:9000/bucket/k x"},
      {"dots without TLS", "http://store.example", "x", S3Addressing::kVirtual, "a.bucket", "k",
       "http://a.bucket.store.example/k x"},
      {"dots with TLS", "https://store.example", "x", S3Addressing::kVirtual, "a.bucket", "k",
       "invalid: bucket 'a.bucket' cannot be a host name at https://store.example: use path "
       "addressing"},
      {"a host in front of an address", "http://127.0.0.1", "x", S3Addressing::kVirtual, "bucket",
       "k",
       "invalid: bucket 'bucket' cannot be a host name at http://127.0.0.1: use path addressing"},
      {"capitals in front of a host", "", "eu-west-1", S3Addressing::kVirtual, "Bucket", "k",
       "invalid: bucket 'Bucket' cannot be a host name at https://s3.eu-west-1.amazonaws.com: use "
       "path addressing"},
      {"access point, path", "", "eu-west-1", S3Addressing::kPath, kArn, "k",
       "invalid: access point 'arn:aws:s3:eu-west-1:123456789012:accesspoint/point' cannot be "
       "reached with path addressing"},
      {"access point, address", "http://127.0.0.1:1", "x", S3Addressing::kAuto, kArn, "k",
       "invalid: access point 'arn:aws:s3:eu-west-1:123456789012:accesspoint/point' cannot be "
       "reached at an IP address (127.0.0.1:1)"},
      {"access point, no region", "", "", S3Addressing::kAuto, kArn, "k",
       "https://point-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/k eu-west-1"},
      {"directory bucket", "", "x", S3Addressing::kAuto, "b--use1-az4--x-s3", "k",
       "unsupported: bucket 'b--use1-az4--x-s3' is a directory bucket (S3 Express One Zone), which "
       "is "
       "not supported"},
      {"bad region", "", "a/b", S3Addressing::kAuto, "bucket", "k",
       "invalid: region 'a/b' is not a name"},
  };
  for (const auto& c : cases) {
    S3Options options;
    options.endpoint = c.endpoint;
    options.region = c.region;
    options.addressing = c.addressing;
    EXPECT_EQ(resolved(options, c.bucket, c.key), c.resolved) << c.why;
  }
}

TEST(Endpoint, RefusesEndpointsByName) {
  const struct {
    const char* endpoint;
    const char* message;
  } cases[] = {
      {"ftp://x", "endpoint 'ftp://x': not http:// or https://"},
      {"https://", "endpoint 'https://': bad host name"},
      {"http://a b", "endpoint 'http://a b': bad host name"},
      {"http://a:", "endpoint 'http://a:': bad port"},
      {"http://a:0", "endpoint 'http://a:0': bad port"},
      {"http://a:65536", "endpoint 'http://a:65536': bad port"},
      {"http://a:1x", "endpoint 'http://a:1x': bad port"},
      {"http://[::1", "endpoint 'http://[::1': bad host name"},
      {"http://[]", "endpoint 'http://[]': bad host name"},
      {"http://user:S3CRET@a", "endpoint: must not contain a user name or password"},
      {"http://a?x", "endpoint 'http://a?x': bad host name"},
      {"http://a/b?x",
       "endpoint 'http://a/b?x': the path may have letters, digits and - . _ ~ / only"},
      {"http://a/../b",
       "endpoint 'http://a/../b': the path may have letters, digits and - . _ ~ / only"},
      {"http://a\r\nX: y", "endpoint 'http://a\\x0d\\x0aX: y': bad port"},
  };
  for (const auto& c : cases) {
    const auto out = parse_base_url(c.endpoint, "endpoint");
    ASSERT_FALSE(out.ok()) << c.endpoint;
    EXPECT_EQ(out.code(), Code::kInvalid);
    EXPECT_EQ(out.error().message, c.message);
  }
  EXPECT_EQ(parse_base_url("http://a/" + std::string(2000, 'b'), "endpoint").error().message,
            "endpoint: over 1024 bytes");
}

}  // namespace
}  // namespace kedge
