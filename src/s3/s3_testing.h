// What the tests of the S3 store share: a store over scripted answers, and the answers of S3.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "s3/credential_chain.h"
#include "s3/s3_store.h"
#include "s3/scripted_transport.h"

namespace kedge::s3_testing {

inline const Deadline kNever = Deadline::never();
inline constexpr const char* kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

// Credentials that can be refused, and count it.
class CountedCredentials final : public CredentialProvider {
 public:
  Result<Credentials> get(Deadline) override {
    ++asked;
    return Credentials{.access_key_id = str_cat("AK", refusals),
                       .secret_access_key = "SECRET-NEVER-SHOWN",
                       .session_token = "TOKEN-NEVER-SHOWN",
                       .expires = {},
                       .origin = "test"};
  }
  void refused(const Credentials&) override { ++refusals; }
  int asked = 0;
  int refusals = 0;
};

class KeptLog final : public Log {
 public:
  void write(LogLevel, std::string_view message) override { text += std::string(message) + "\n"; }
  std::string text;
};

class S3StoreTest : public testing::Test {
 protected:
  S3StoreTest() : store_(open({.endpoint = "http://127.0.0.1:9", .region = "eu-west-1"})) {}

  std::unique_ptr<ObjectStore> open(S3Options options) {
    auto store =
        make_s3_store("bucket", std::move(options), {transport_, credentials_, clock_, log_});
    EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().message);
    return std::move(store).value();
  }

  // An object's answer; further headers come after those that every object has.
  static HttpResponse object(int status, std::string_view body, std::vector<HttpHeader> more = {}) {
    std::vector<HttpHeader> headers = {{"date", kDate},
                                       {"etag", "\"tag\""},
                                       {"last-modified", "Sun, 06 Nov 1994 08:00:00 GMT"},
                                       {"content-length", std::to_string(body.size())}};
    for (HttpHeader& header : more) {
      std::erase_if(headers, [&](const HttpHeader& one) { return one.name == header.name; });
      if (!header.value.empty()) headers.push_back(std::move(header));
    }
    return scripted_answer(status, body, std::move(headers));
  }
  static HttpResponse refusal(int status, std::string_view code,
                              std::vector<HttpHeader> headers = {{"date", kDate}}) {
    return scripted_answer(status,
                           str_cat("<?xml version=\"1.0\"?><Error><Code>", code,
                                   "</Code><Message>why</Message></Error>"),
                           std::move(headers));
  }
  static HttpResponse page(std::string_view inside) {
    return scripted_answer(200,
                           str_cat("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/"
                                   "2006-03-01/\"><EncodingType>url</EncodingType>",
                                   inside, "</ListBucketResult>"),
                           {{"date", kDate}});
  }
  static std::string entry(std::string_view key, std::string_view more = "") {
    return str_cat("<Contents><Key>", key,
                   "</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;t&quot;"
                   "</ETag><Size>7</Size>",
                   more, "</Contents>");
  }

  ManualClock clock_{Timestamp{784'111'777'000'000}};  // kDate
  ScriptedTransport transport_;
  CountedCredentials credentials_;
  KeptLog log_;
  std::unique_ptr<ObjectStore> store_;
};

}  // namespace kedge::s3_testing
