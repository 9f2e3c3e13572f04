#include "s3/sigv4.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace kedge {
namespace {

// The example keys of the documentation of Amazon S3; they open nothing.
Credentials example_keys() {
  Credentials out;
  out.access_key_id = "AKIAIOSFODNN7EXAMPLE";
  out.secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
  return out;
}

SigningScope example_scope() {
  return {.region = "us-east-1", .service = "s3", .time = *parse_rfc3339("2013-05-24T00:00:00Z")};
}

std::string header_of(const std::vector<HttpHeader>& headers, std::string_view name) {
  for (const HttpHeader& header : headers)
    if (header.name == name) return header.value;
  return {};
}

std::string signature_part(const std::string& authorization) {
  return authorization.substr(authorization.rfind('=') + 1);
}

// The vectors of "Signature Calculations for the Authorization Header: Transferring Payload in a
// Single Chunk", Amazon S3 API reference: whoever signs otherwise is refused by AWS.
TEST(Sigv4, SignsTheExamplesOfTheReference) {
  const struct {
    const char* name;
    SignedRequest request;
    const char* signed_headers;
    const char* signature;
  } cases[] = {
      {"GET object",
       {"GET",
        "examplebucket.s3.amazonaws.com",
        "/test.txt",
        {},
        {{"Range", "bytes=0-9"}},
        std::string(kEmptyPayloadHash)},
       "host;range;x-amz-content-sha256;x-amz-date",
       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
      {"PUT object",
       {"PUT",
        "examplebucket.s3.amazonaws.com",
        "/test$file.text",
        {},
        {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
        to_hex(sha256(as_bytes("Welcome to Amazon S3.")))},
       "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
      {"GET bucket lifecycle",
       {"GET",
        "examplebucket.s3.amazonaws.com",
        "/",
        {{"lifecycle", ""}},
        {},
        std::string(kEmptyPayloadHash)},
       "host;x-amz-content-sha256;x-amz-date",
       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
      {"list objects",
       {"GET",
        "examplebucket.s3.amazonaws.com",
        "/",
        {{"prefix", "J"}, {"max-keys", "2"}},
        {},
        std::string(kEmptyPayloadHash)},
       "host;x-amz-content-sha256;x-amz-date",
       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
  };
  for (const auto& c : cases) {
    const auto headers = sign_headers(c.request, example_keys(), example_scope());
    EXPECT_EQ(header_of(headers, "authorization"),
              str_cat("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                      "aws4_request, SignedHeaders=",
                      c.signed_headers, ", Signature=", c.signature))
        << c.name;
    EXPECT_EQ(header_of(headers, "x-amz-date"), "20130524T000000Z") << c.name;
    EXPECT_EQ(header_of(headers, "x-amz-content-sha256"), c.request.payload_hash) << c.name;
    for (const HttpHeader& given : c.request.headers)
      EXPECT_EQ(header_of(headers, given.name), given.value) << c.name << ": must be sent too";
  }
}

// The vector of "Authenticating Requests: Using Query Parameters", of the same reference.
TEST(Sigv4, PresignsTheExampleOfTheReference) {
  const SignedRequest request{"GET", "examplebucket.s3.amazonaws.com", "/test.txt", {}, {}, ""};
  EXPECT_EQ(presign_query(request, example_keys(), example_scope(), std::chrono::hours(24)),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

// RFC 4231, cases 1, 2 and 6: a key over a block's size is hashed first.
TEST(Sigv4, HmacIsThatOfTheRfc) {
  const struct {
    std::string key;
    std::string message;
    const char* mac;
  } cases[] = {
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(to_hex(hmac_sha256(as_bytes(c.key), as_bytes(c.message))), c.mac) << c.message;
  EXPECT_EQ(to_hex(hmac_sha256({}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// What goes on the wire is what was signed, so every byte has one encoding.
TEST(Sigv4, EncodesEachByteThatIsNotUnreserved) {
  const struct {
    std::string raw;
    const char* path;
    const char* query;
  } cases[] = {
      {"/a/b", "/a/b", "%2Fa%2Fb"},
      {"a b+c", "a%20b%2Bc", "a%20b%2Bc"},
      {"//a/../.", "//a/../.", "%2F%2Fa%2F..%2F."},
      {"%41%", "%2541%25", "%2541%25"},
      {"AZaz09-._~", "AZaz09-._~", "AZaz09-._~"},
      {"!*'()&=?#:@$,;", "%21%2A%27%28%29%26%3D%3F%23%3A%40%24%2C%3B",
       "%21%2A%27%28%29%26%3D%3F%23%3A%40%24%2C%3B"},
      {"\xC3\xA9\xFF", "%C3%A9%FF", "%C3%A9%FF"},
      {std::string("\0\x01\n\x7F", 4), "%00%01%0A%7F", "%00%01%0A%7F"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(encode_path(c.raw), c.path) << printable(c.raw);
    EXPECT_EQ(encode_query_part(c.raw), c.query) << printable(c.raw);
  }
  EXPECT_EQ(encode_query({{"b", "1 2"}, {"a", ""}}), "b=1%202&a=");
}

// A signature depends on what was asked, and on nothing that servers do not look at.
TEST(Sigv4, OrderAndSpacesDoNotChangeTheSignature) {
  const SignedRequest plain{"GET",
                            "h",
                            "/k",
                            {{"a", "1"}, {"a", "0"}, {"B", ""}, {"a-b", "2"}},
                            {{"x-amz-meta-a", "one two"}, {"range", "bytes=0-1"}},
                            std::string(kUnsignedPayload)};
  const std::string expected = signature_part(
      header_of(sign_headers(plain, example_keys(), example_scope()), "authorization"));
  SignedRequest other = plain;
  other.query = {{"a-b", "2"}, {"B", ""}, {"a", "0"}, {"a", "1"}};
  other.headers = {{"Range", " bytes=0-1\t"}, {"X-Amz-Meta-A", "  one \t two "}};
  EXPECT_EQ(signature_part(
                header_of(sign_headers(other, example_keys(), example_scope()), "authorization")),
            expected);
  const auto differs = [&](const char* what, SignedRequest changed, Credentials keys,
                           SigningScope scope) {
    EXPECT_NE(signature_part(header_of(sign_headers(changed, keys, scope), "authorization")),
              expected)
        << what;
  };
  SignedRequest changed = plain;
  changed.path = "/k/";
  differs("path", changed, example_keys(), example_scope());
  changed = plain;
  changed.query[0].second = "2";
  differs("query", changed, example_keys(), example_scope());
  changed = plain;
  changed.headers[0].value = "onetwo";
  differs("header", changed, example_keys(), example_scope());
  changed = plain;
  changed.payload_hash = kEmptyPayloadHash;
  differs("payload", changed, example_keys(), example_scope());
  SigningScope scope = example_scope();
  scope.region = "us-east-2";
  differs("region", plain, example_keys(), scope);
  scope = example_scope();
  scope.time = scope.time + std::chrono::seconds(1);
  differs("time", plain, example_keys(), scope);
  Credentials keys = example_keys();
  keys.session_token = "token";
  differs("token", plain, keys, example_scope());
}

// Servers refuse a token that is not signed, and links whose token is missing.
TEST(Sigv4, TheSessionTokenIsSentAndSigned) {
  Credentials keys = example_keys();
  keys.session_token = "a/token+with=signs";
  const SignedRequest request{"GET", "h", "/k", {}, {}, std::string(kEmptyPayloadHash)};
  const auto headers = sign_headers(request, keys, example_scope());
  EXPECT_EQ(header_of(headers, "x-amz-security-token"), keys.session_token);
  EXPECT_NE(header_of(headers, "authorization").find("x-amz-date;x-amz-security-token,"),
            std::string::npos);
  EXPECT_NE(presign_query(request, keys, example_scope(), std::chrono::hours(1))
                .find("&X-Amz-Security-Token=a%2Ftoken%2Bwith%3Dsigns&"),
            std::string::npos);
}

}  // namespace
}  // namespace kedge
