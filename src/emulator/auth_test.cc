// Whom the emulator lets in. A signature that real S3 refuses must fail here, or a wrong client
// passes every test; requests are signed by s3/sigv4.h and then bent.
#include <gtest/gtest.h>

#include <functional>

#include "base/hash.h"
#include "base/strings.h"
#include "emulator/digests.h"
#include "emulator/testing.h"

namespace kedge::emulator {
namespace {

Options with_keys() {
  Options options;
  options.keys = {{"test-key", "test-secret"},
                  {"reader", "reader-secret", "", true},
                  {"session", "session-secret", "token"},
                  {"old", "old-secret", "old-token", false, true}};
  return options;
}

// One way to be wrong a line, so that no check hides behind another.
TEST(Auth, RefusesWhatS3Refuses) {
  const Fixture f(with_keys());
  ASSERT_EQ(f.client.put("b", "k +%", "body").status, 200);
  const struct {
    const char* why;
    std::function<void(Ask&)> bend;
    int status;
    const char* code;
  } cases[] = {
      {"as it should be", [](Ask&) {}, 200, ""},
      {"wrong secret", [](Ask& a) { a.key_pair.secret_access_key = "x"; }, 403,
       "SignatureDoesNotMatch"},
      {"unknown key", [](Ask& a) { a.key_pair.access_key_id = "x"; }, 403, "InvalidAccessKeyId"},
      {"another path than signed", [](Ask& a) { a.wire_path = "/b/other"; }, 403,
       "SignatureDoesNotMatch"},
      {"a path encoded twice", [](Ask& a) { a.wire_path = "/b/k%2520%252B%2525"; }, 403,
       "SignatureDoesNotMatch"},
      {"a clock 14 minutes ahead", [](Ask& a) { a.clock_ahead = std::chrono::minutes(14); }, 200,
       ""},
      {"a clock 16 minutes ahead", [](Ask& a) { a.clock_ahead = std::chrono::minutes(16); }, 403,
       "RequestTimeTooSkewed"},
      {"a clock 16 minutes behind", [](Ask& a) { a.clock_ahead = std::chrono::minutes(-16); }, 403,
       "RequestTimeTooSkewed"},
      {"another region", [](Ask& a) { a.region = "eu-west-1"; }, 400,
       "AuthorizationHeaderMalformed"},
      {"not signed", [](Ask& a) { a.is_signed = false; }, 403, "AccessDenied"},
      {"a token that is not needed", [](Ask& a) { a.key_pair.session_token = "x"; }, 400,
       "InvalidToken"},
      {"a session",
       [](Ask& a) {
         a.key_pair = {"session", "session-secret", "token"};
       },
       200, ""},
      {"a session without its token",
       [](Ask& a) {
         a.key_pair = {"session", "session-secret"};
       },
       400, "InvalidToken"},
      {"a session that ended",
       [](Ask& a) {
         a.key_pair = {"old", "old-secret", "old-token"};
       },
       400, "ExpiredToken"},
      {"a reader",
       [](Ask& a) {
         a.key_pair = {"reader", "reader-secret"};
       },
       200, ""},
      {"a reader that writes",
       [](Ask& a) {
         a.key_pair = {"reader", "reader-secret"};
         a.method = "PUT";
       },
       403, "AccessDenied"},
  };
  for (const auto& c : cases) {
    Ask ask{.bucket = "b", .key = "k +%"};
    c.bend(ask);
    const RawAnswer answer = f.client.send(ask);
    EXPECT_EQ(answer.status, c.status) << c.why << "\n" << answer.body;
    EXPECT_EQ(answer.inside("Code"), c.code) << c.why;
    EXPECT_FALSE(answer.header("x-amz-request-id").empty()) << c.why;
  }
}

// A header that is added on the way, or changed, must not be believed.
TEST(Auth, CoversEveryAmzHeaderAndTheWholeBody) {
  const Fixture f;
  const std::string wire =
      f.client.wire({.method = "PUT", .bucket = "b", .key = "k", .body = "abc"});
  const auto send = [&](std::string_view from, std::string_view to) {
    std::string bent = wire;
    const std::size_t at = bent.find(from);
    EXPECT_NE(at, std::string::npos);
    bent.replace(at, from.size(), to);
    RawConnection connection(f.emulator->port());
    connection.write(bent);
    return connection.read(false);
  };
  EXPECT_EQ(send("content-length", "x-amz-meta-a: 1\r\ncontent-length").status, 403);
  EXPECT_EQ(send("\r\n\r\nabc", "\r\n\r\nabd").inside("Code"), "XAmzContentSHA256Mismatch");
  EXPECT_EQ(send("PUT ", "GET ").inside("Code"), "SignatureDoesNotMatch");
  EXPECT_EQ(f.client.get("b", "k").status, 404);
  EXPECT_EQ(send("abc", "abc").status, 200);
}

TEST(Auth, ChecksLinksAndTheirTime) {
  ManualClock clock;
  Options options;
  options.clock = &clock;
  const Fixture f(options);
  ASSERT_EQ(f.client.put("b", "k", "linked").status, 200);
  SignedRequest request{.method = "GET",
                        .host = str_cat("127.0.0.1:", f.emulator->port()),
                        .path = "/b/k",
                        .query = {},
                        .headers = {},
                        .payload_hash = std::string(kUnsignedPayload)};
  Credentials credentials;
  credentials.access_key_id = "test-key";
  credentials.secret_access_key = "test-secret";
  const std::string query = presign_query(
      request, credentials, {.region = "us-east-1", .service = "s3", .time = clock.now()},
      std::chrono::minutes(1));
  const auto follow = [&](const std::string& method, const std::string& with) {
    RawConnection connection(f.emulator->port());
    connection.write(str_cat(method, " /b/k?", with, " HTTP/1.1\r\nhost: ", request.host,
                             "\r\ncontent-length: 0\r\n\r\n"));
    return connection.read(false);
  };
  EXPECT_EQ(follow("GET", query).body, "linked");
  EXPECT_EQ(follow("PUT", query).inside("Code"), "SignatureDoesNotMatch");
  EXPECT_EQ(follow("GET", query + "&versionId=x").inside("Code"), "SignatureDoesNotMatch");
  clock.advance(std::chrono::seconds(59));
  EXPECT_EQ(follow("GET", query).status, 200);
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(follow("GET", query).inside("Message"), "Request has expired");
}

TEST(Auth, NamesTheRegionOfABucketElsewhere) {
  const Fixture f;
  f.emulator->make_bucket("far", {.region = "eu-west-1"});
  const RawAnswer malformed = f.client.get("far", "k");
  EXPECT_EQ(malformed.status, 400);
  EXPECT_EQ(malformed.inside("Region"), "eu-west-1");
  EXPECT_EQ(malformed.header("x-amz-bucket-region"), "eu-west-1");
  f.emulator->set({.redirect_wrong_region = true});
  const RawAnswer redirect = f.client.send({.method = "HEAD", .bucket = "far"});
  EXPECT_EQ(redirect.status, 301);
  EXPECT_EQ(redirect.header("x-amz-bucket-region"), "eu-west-1");
  EXPECT_EQ(f.client.send({.bucket = "far", .key = "k", .region = "eu-west-1"}).status, 404);
}

TEST(Auth, PublicBucketsPayersAndOwners) {
  const Fixture f;
  f.emulator->make_bucket("open", {.public_read = true});
  f.emulator->make_bucket("paid", {.requester_pays = true});
  ASSERT_EQ(f.client.put("open", "k", "free").status, 200);
  EXPECT_EQ(f.client.send({.bucket = "open", .key = "k", .is_signed = false}).body, "free");
  EXPECT_EQ(
      f.client.send({.method = "PUT", .bucket = "open", .key = "k", .is_signed = false}).status,
      403);
  EXPECT_EQ(f.client.get("paid", "k").status, 403);
  EXPECT_EQ(f.client.get("paid", "k", {{"x-amz-request-payer", "requester"}}).status, 404);
  EXPECT_EQ(f.client.get("open", "k", {{"x-amz-expected-bucket-owner", "111122223333"}}).status,
            403);
  EXPECT_EQ(f.client.get("open", "k", {{"x-amz-expected-bucket-owner", "000000000000"}}).status,
            200);
}

TEST(Auth, BucketInTheHostName) {
  const Fixture f;
  ASSERT_EQ(f.client.put("b", "folder/k", "x").status, 200);
  const std::string host = str_cat("b.localhost:", f.emulator->port());
  EXPECT_EQ(f.client.send({.key = "folder/k", .host = host}).body, "x");
  EXPECT_NE(f.client.send({.host = host}).body.find("<Key>folder/k</Key>"), std::string::npos);
}

// Sums that came with a body are there to be compared; framing is no part of an object.
TEST(Payload, ComparesEverySumAndTakesTheFramingOff) {
  const Fixture f;
  const std::string crc = sum_text(crc32(as_bytes("abc")));
  const std::string chunks =
      str_cat("2\r\nab\r\n1\r\nc\r\n0\r\nx-amz-checksum-crc32:", crc, "\r\n\r\n");
  const HttpHeader streaming{"x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"};
  const HttpHeader trailer{"x-amz-trailer", "x-amz-checksum-crc32"};
  const auto replaced = [&](std::string_view from, std::string_view to) {
    std::string out = chunks;
    return out.replace(out.find(from), from.size(), to);
  };
  const struct {
    const char* why;
    std::string body;
    std::vector<HttpHeader> headers;
    int status;
    const char* code;
  } cases[] = {
      {"right MD5", "abc", {{"content-md5", to_base64(md5(as_bytes("abc")))}}, 200, ""},
      {"wrong MD5", "abd", {{"content-md5", to_base64(md5(as_bytes("abc")))}}, 400, "BadDigest"},
      {"no MD5", "abc", {{"content-md5", "abc"}}, 400, "InvalidDigest"},
      {"right CRC-32", "abc", {{"x-amz-checksum-crc32", crc}}, 200, ""},
      {"wrong CRC-32", "abd", {{"x-amz-checksum-crc32", crc}}, 400, "BadDigest"},
      {"wrong CRC-32C", "abc", {{"x-amz-checksum-crc32c", crc}}, 400, "BadDigest"},
      {"chunks", chunks, {streaming, trailer, {"x-amz-decoded-content-length", "3"}}, 200, ""},
      {"chunks of another length",
       chunks,
       {streaming, trailer, {"x-amz-decoded-content-length", "4"}},
       400,
       "IncompleteBody"},
      {"a chunk that was changed",
       replaced("ab", "aX"),
       {streaming, trailer, {"x-amz-decoded-content-length", "3"}},
       400,
       "BadDigest"},
      {"a chunk that says too much",
       replaced("2\r\n", "2000\r\n"),
       {streaming, trailer, {"x-amz-decoded-content-length", "3"}},
       400,
       "IncompleteBody"},
      {"a trailer that does not come",
       replaced("x-amz-checksum-crc32", "x-amz-other"),
       {streaming, trailer, {"x-amz-decoded-content-length", "3"}},
       400,
       "MalformedTrailerError"},
  };
  for (const auto& c : cases) {
    const std::string key = c.why;
    const RawAnswer answer = f.client.put("b", key, c.body, c.headers);
    EXPECT_EQ(answer.status, c.status) << c.why << answer.body;
    EXPECT_EQ(answer.inside("Code"), c.code) << c.why;
    const RawAnswer stored = f.client.get("b", key);
    if (c.status == 200) {
      EXPECT_EQ(stored.body, "abc") << c.why;
    } else {
      EXPECT_EQ(stored.status, 404) << c.why;
    }
  }
}

// Known values: of the check text of the CRC catalogue, and of RFC 1321.
TEST(Digests, KnownValues) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xCBF43926U);
  EXPECT_EQ(crc32(as_bytes("12345678123456789")), 0xD8698DFDU);
  EXPECT_EQ(to_hex(md5(as_bytes("abc"))), "900150983cd24fb0d6963f7d28e17f72");
  for (const std::string_view text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    const auto back = from_base64(to_base64(as_bytes(text)));
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(as_text(*back), text);
  }
  EXPECT_EQ(to_base64(as_bytes("fooba")), "Zm9vYmE=");
  for (const std::string_view bad : {"a", "a===", "ab=c", "====", "ab c", "Zm9vYg==Zg=="})
    EXPECT_FALSE(from_base64(bad)) << bad;
}

}  // namespace
}  // namespace kedge::emulator
