// The S3 store against scripted answers: what it sends, and what it makes of what comes back. The
// conformance suite (tests/store) runs it against real servers.
#include "s3/s3_store.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "s3/s3_testing.h"

namespace kedge {
namespace {

using namespace s3_testing;

std::string outcome_of(const Result<Blob>& blob) {
  return blob.ok() ? "ok:" + std::string(as_text(blob->body)) : std::string(code_name(blob.code()));
}

ReadRequest part(std::uint64_t offset, std::optional<std::uint64_t> length) {
  return {.key = "k", .offset = offset, .length = length, .if_match = {}, .version_id = {}};
}

// Short, long, misplaced and unasked bodies are never data (REQUIREMENTS R31).
TEST_F(S3StoreTest, TakesOnlyTheBytesThatWereAskedFor) {
  const struct {
    const char* why;
    ReadRequest request;
    HttpResponse answer;
    const char* expected;
  } cases[] = {
      {"whole", part(0, {}), object(200, "0123456789"), "ok:0123456789"},
      {"part", part(2, 3), object(206, "234", {{"content-range", "bytes 2-4/10"}}), "ok:234"},
      {"rest", part(7, {}), object(206, "789", {{"content-range", "bytes 7-9/10"}}), "ok:789"},
      {"cut at the end", part(8, 9), object(206, "89", {{"content-range", "bytes 8-9/10"}}),
       "ok:89"},
      {"covering range, whole answer", part(0, 20), object(200, "0123456789"), "ok:0123456789"},
      {"range ignored", part(2, 3), object(200, "0123456789"), "unsupported"},
      {"range from 0 ignored", part(0, 3), object(200, "0123456789"), "unsupported"},
      {"another range", part(2, 3), object(206, "345", {{"content-range", "bytes 3-5/10"}}),
       "unavailable"},
      {"shorter range", part(2, 3), object(206, "23", {{"content-range", "bytes 2-3/10"}}),
       "unavailable"},
      {"short body", part(2, 3), object(206, "23", {{"content-range", "bytes 2-4/10"}}),
       "unavailable"},
      {"long body", part(2, 3), object(206, "2345", {{"content-range", "bytes 2-4/10"}}),
       "unavailable"},
      {"no range", part(2, 3), object(206, "234"), "unavailable"},
      {"broken range", part(2, 3), object(206, "234", {{"content-range", "bytes 2-4/*"}}),
       "unavailable"},
      {"backward range", part(2, 3), object(206, "234", {{"content-range", "bytes 4-2/10"}}),
       "unavailable"},
      {"part of a whole", part(0, {}), object(206, "234", {{"content-range", "bytes 2-4/10"}}),
       "unavailable"},
      {"whole too short", part(0, {}), object(200, "012", {{"content-length", "10"}}),
       "unavailable"},
      {"no length", part(0, {}), object(200, "012", {{"content-length", ""}}), "unavailable"},
      {"no tag", part(0, {}), object(200, "012", {{"etag", ""}}), "unavailable"},
      {"no time", part(0, {}), object(200, "012", {{"last-modified", "yesterday"}}), "unavailable"},
      {"checksum holds", part(0, {}),
       object(200, "123456789", {{"x-amz-checksum-crc32c", "4waSgw=="}}), "ok:123456789"},
      {"checksum broken", part(0, {}),
       object(200, "123456780", {{"x-amz-checksum-crc32c", "4waSgw=="}}), "unavailable"},
      {"checksum of parts", part(0, {}),
       object(200, "x", {{"x-amz-checksum-crc32c", "4waSgw==-2"}}), "ok:x"},
  };
  for (const auto& c : cases) {
    transport_.expect("GET", "/bucket/k", c.answer);
    const Result<Blob> blob = read_one(*store_, c.request, kNever);
    EXPECT_EQ(outcome_of(blob), c.expected)
        << c.why << ": " << (blob.ok() ? "" : blob.error().message);
  }
  EXPECT_EQ(transport_.unexpected(), "");
}

// User metadata comes with the read, by name, decoded.
TEST_F(S3StoreTest, BringsUserMetadataWithARead) {
  transport_.expect("GET", "/bucket/k",
                    object(200, "x",
                           {{"x-amz-meta-year", "2020"},
                            {"x-amz-meta-author", "=?UTF-8?Q?=C3=84?="},
                            {"x-amz-metadata", "no"}}));
  const Result<Blob> blob = read_one(*store_, part(0, {}), kNever);
  ASSERT_TRUE(blob.ok());
  const std::vector<std::pair<std::string, std::string>> expected = {{"author", "\xC3\x84"},
                                                                     {"year", "2020"}};
  EXPECT_EQ(blob->info.metadata, expected);
}

// Tags come by a request of their own; what is none of them is never taken for no tags.
TEST_F(S3StoreTest, ReadsTheTagsOfObjects) {
  const auto tag = [](std::string_view key, std::string_view value) {
    return str_cat("<Tag><Key>", key, "</Key><Value>", value, "</Value></Tag>");
  };
  const auto tagging = [](std::string_view tags) {
    return str_cat("<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>", tags,
                   "</TagSet></Tagging>");
  };
  std::string many;
  for (int i = 0; i < 65; ++i) many += tag(str_cat("t", i), "v");
  const ObjectTags expected = {{"a", "x & y"}, {"team", "core"}};
  const struct {
    std::string body;
    std::optional<ObjectTags> expected;
  } cases[] = {
      {tagging(tag("team", "core") + tag("a", "x &amp; y") + tag("team", "again")), expected},
      {tagging(""), ObjectTags{}},
      {tagging(tag("", "nameless")), {}},
      {tagging(many), {}},
      {"<Tagging/>", {}},
      {"<Other/>", {}},
      {"", {}},
      {"<Tagging><TagSet>", {}},
  };
  const std::vector<std::string> keys = {"k"};
  for (const auto& c : cases) {
    transport_.expect("GET", "/bucket/k?tagging=", object(200, c.body));
    const Result<ObjectTags> tags = store_->tags(keys, kNever).front();
    EXPECT_EQ(tags.ok(), c.expected.has_value()) << c.body;
    if (tags.ok()) {
      EXPECT_EQ(*tags, *c.expected);
    } else {
      EXPECT_EQ(tags.code(), Code::kUnavailable);
    }
  }
  transport_.expect("GET", "/bucket/k?tagging=", refusal(403, "AccessDenied"));
  EXPECT_EQ(store_->tags(keys, kNever).front().code(), Code::kDenied);
  EXPECT_EQ(transport_.unexpected(), "");
}

TEST_F(S3StoreTest, HoldsTheTagThatWasAskedFor) {
  ReadRequest request = part(0, {});
  request.if_match = Tag{"other"};
  transport_.expect("GET", "/bucket/k", object(200, "x"));
  EXPECT_EQ(read_one(*store_, request, kNever).code(), Code::kUnavailable);
  EXPECT_EQ(transport_.seen().front().header("if-match"), "\"other\"");
  transport_.expect("GET", "/bucket/k", refusal(412, "PreconditionFailed"));
  EXPECT_EQ(read_one(*store_, request, kNever).code(), Code::kConflict);
  // What cannot be a tag matches nothing, and reaches no header.
  for (const char* odd : {"", "a\"b", "a\r\nx: y", "\xC3\xA4"}) {
    request.if_match = Tag{odd};
    EXPECT_EQ(read_one(*store_, request, kNever).code(), Code::kConflict) << odd;
    EXPECT_EQ(store_->swap("k", Tag{odd}, {}, kNever).code(), Code::kConflict) << odd;
  }
  EXPECT_EQ(transport_.count(), 2U);
}

TEST_F(S3StoreTest, TakesNotModifiedForTheTagThatItAskedWith) {
  ReadRequest request = part(0, {});
  request.unless_match = Tag{"known"};
  const struct {
    const char* why;
    std::vector<HttpHeader> headers;
    const char* expected;
  } cases[] = {{"its tag", {{"etag", "\"known\""}}, "unchanged"},
               {"no tag", {}, "unchanged"},
               {"another tag", {{"etag", "\"other\""}}, "unavailable"}};
  for (const auto& c : cases) {
    std::vector<HttpHeader> headers = c.headers;
    headers.push_back({"date", "Wed, 25 Nov 2026 10:00:00 GMT"});
    transport_.expect("GET", "/bucket/k", scripted_answer(304, "", std::move(headers)));
    const Result<Blob> blob = read_one(*store_, request, kNever);
    EXPECT_EQ(blob.ok() && blob->unchanged ? "unchanged" : outcome_of(blob), c.expected) << c.why;
    if (blob.ok()) {
      EXPECT_EQ(blob->info.tag, Tag{"known"}) << c.why;
      EXPECT_EQ(to_rfc3339(blob->store_time), "2026-11-25T10:00:00Z") << c.why;
    }
    EXPECT_EQ(transport_.seen().back().header("if-none-match"), "\"known\"") << c.why;
  }
  // Nobody asked.
  request.unless_match.reset();
  transport_.expect("GET", "/bucket/k", scripted_answer(304, "", {{"date", kDate}}));
  EXPECT_EQ(read_one(*store_, request, kNever).code(), Code::kUnavailable);
  EXPECT_EQ(transport_.seen().back().header("if-none-match"), "");
  EXPECT_EQ(transport_.unexpected(), "");
}

// What was sent twice is told, for the bill.
TEST_F(S3StoreTest, TellsWhatWasHedged) {
  for (const bool hedged : {false, true}) {
    HttpResponse answer = object(200, "x");
    answer.hedged = hedged;
    transport_.expect("GET", "/bucket/k", answer);
    transport_.expect("HEAD", "/bucket/k", answer);
    EXPECT_EQ(read_one(*store_, part(0, {}), kNever).value().hedged, hedged);
    EXPECT_EQ(stat_one(*store_, "k", kNever).value().hedged, hedged);
  }
}

TEST_F(S3StoreTest, TellsOfBodiesThatHaveCome) {
  transport_.expect("GET", "/bucket/k", object(200, "whole"));
  transport_.expect("GET", "/bucket/k", refusal(404, "NoSuchKey"));
  std::vector<std::string> told;
  ReadRequest request = part(0, {});
  request.arrived = [&](ByteView body) { told.emplace_back(as_text(body)); };
  const std::vector<ReadRequest> both(2, request);
  const auto blobs = store_->read(both, kNever);
  EXPECT_EQ(outcome_of(blobs[0]), "ok:whole");
  EXPECT_EQ(blobs[1].code(), Code::kNotFound);
  EXPECT_EQ(told, (std::vector<std::string>{"whole"}));
}

// An empty object satisfies no range at all; the one from 0 is its empty body.
TEST_F(S3StoreTest, ReadsNothingOfAnEmptyObject) {
  transport_.expect("GET", "/bucket/k", refusal(416, "InvalidRange"));
  transport_.expect("GET", "/bucket/k", object(200, ""));
  EXPECT_EQ(outcome_of(read_one(*store_, part(0, 5), kNever)), "ok:");
  transport_.expect("GET", "/bucket/k", refusal(416, "InvalidRange"));
  EXPECT_EQ(outcome_of(read_one(*store_, part(5, 5), kNever)), "invalid");
  // It grew between the two requests: what came is not what was asked for.
  transport_.expect("GET", "/bucket/k", refusal(416, "InvalidRange"));
  transport_.expect("GET", "/bucket/k", object(200, "grown up"));
  EXPECT_EQ(outcome_of(read_one(*store_, part(0, 5), kNever)), "unavailable");
  // No bytes are asked of the object, not of its body.
  transport_.expect("HEAD", "/bucket/k", object(200, "", {{"content-length", "10"}}));
  const Result<Blob> blob = read_one(*store_, part(3, 0), kNever);
  ASSERT_TRUE(blob.ok());
  EXPECT_EQ(blob->info.size, 10U);
  EXPECT_EQ(transport_.unexpected(), "");
}

// The retry table, row by row as a caller meets it (R33).
TEST_F(S3StoreTest, EachRefusalHasItsMeaning) {
  const struct {
    int status;
    const char* code;
    Code meaning;
  } cases[] = {{400, "RequestTimeout", Code::kUnavailable},
               {400, "BadDigest", Code::kUnavailable},
               {400, "InvalidArgument", Code::kInvalid},
               {403, "AccessDenied", Code::kDenied},
               {403, "SignatureDoesNotMatch", Code::kDenied},
               {403, "InvalidObjectState", Code::kArchived},
               {404, "NoSuchKey", Code::kNotFound},
               {404, "NoSuchVersion", Code::kNotFound},
               {404, "NoSuchBucket", Code::kInvalid},
               {405, "MethodNotAllowed", Code::kNotFound},
               {409, "OperationAborted", Code::kUnavailable},
               {409, "ConditionalRequestConflict", Code::kUnavailable},
               {409, "Other", Code::kInvalid},
               {412, "PreconditionFailed", Code::kConflict},
               {429, "TooManyRequests", Code::kUnavailable},
               {500, "InternalError", Code::kUnavailable},
               {501, "NotImplemented", Code::kUnsupported},
               {502, "", Code::kUnavailable},
               {503, "SlowDown", Code::kUnavailable},
               {504, "", Code::kUnavailable},
               {507, "InsufficientStorage", Code::kExhausted},
               {418, "Teapot", Code::kInvalid}};
  for (const auto& c : cases) {
    clock_.advance(std::chrono::minutes(2));  // a limit of the case before is forgotten
    transport_.forget();
    transport_.expect("GET", "/bucket/k", refusal(c.status, c.code, {{"x-amz-request-id", "ID1"}}));
    const Result<Blob> blob = read_one(*store_, part(0, {}), kNever);
    ASSERT_FALSE(blob.ok());
    EXPECT_EQ(blob.code(), c.meaning) << c.status << " " << c.code;
    EXPECT_NE(blob.error().message.find("s3://bucket/k"), std::string::npos);
    EXPECT_NE(blob.error().message.find("ID1"), std::string::npos);
    EXPECT_EQ(transport_.count(), 1U) << "nothing is repeated here";
  }
}

TEST_F(S3StoreTest, ConditionalWritesGoOutOnce) {
  transport_.expect("PUT", "/bucket/head",
                    scripted_answer(200, "", {{"date", kDate}, {"etag", "\"one\""}}));
  ASSERT_TRUE(store_->create("head", as_bytes("x"), kNever).ok());
  transport_.expect("PUT", "/bucket/head", refusal(412, "PreconditionFailed"));
  EXPECT_EQ(store_->create("head", as_bytes("x"), kNever).code(), Code::kConflict);
  transport_.expect("PUT", "/bucket/head", refusal(404, "NoSuchKey"));
  EXPECT_EQ(store_->swap("head", Tag{"one"}, as_bytes("y"), kNever).code(), Code::kConflict);
  for (const int status : {500, 503, 409}) {
    clock_.advance(std::chrono::minutes(2));
    transport_.expect("PUT", "/bucket/head", refusal(status, "ConditionalRequestConflict"));
    EXPECT_EQ(store_->swap("head", Tag{"one"}, as_bytes("y"), kNever).code(), Code::kUnavailable);
  }
  transport_.expect("PUT", "/bucket/head", Error{Code::kUnavailable, "reset"});
  EXPECT_EQ(store_->create("head", as_bytes("x"), kNever).code(), Code::kUnavailable);
  for (const SeenRequest& seen : transport_.seen()) {
    EXPECT_TRUE(seen.at_most_once);
    EXPECT_FALSE(seen.may_hedge);
    EXPECT_NE(seen.header("if-none-match").empty(), seen.header("if-match").empty());
  }
  EXPECT_EQ(transport_.seen().front().header("if-none-match"), "*");
  EXPECT_EQ(transport_.unexpected(), "");
}

// A definite refusal for a cause that can be mended is mended once.
TEST_F(S3StoreTest, MendsRegionClockAndCredentialsOnce) {
  transport_.expect("GET", "/bucket/k", refusal(400, "ExpiredToken"));
  transport_.expect("GET", "/bucket/k", object(200, "x"));
  EXPECT_EQ(outcome_of(read_one(*store_, part(0, {}), kNever)), "ok:x");
  EXPECT_EQ(credentials_.refusals, 1);
  EXPECT_NE(transport_.seen()[1].header("authorization").find("AK1/"), std::string_view::npos);

  transport_.expect("PUT", "/bucket/k", refusal(403, "ExpiredToken"));
  transport_.expect("PUT", "/bucket/k", refusal(403, "ExpiredToken"));
  EXPECT_EQ(store_->create("k", as_bytes("x"), kNever).code(), Code::kDenied);
  EXPECT_EQ(credentials_.refusals, 2) << "not a third time";

  clock_.set_skew(std::chrono::hours(2));
  transport_.forget();
  transport_.expect("GET", "/bucket/k", refusal(403, "RequestTimeTooSkewed"));
  transport_.expect("GET", "/bucket/k", object(200, "x"));
  EXPECT_EQ(outcome_of(read_one(*store_, part(0, {}), kNever)), "ok:x");
  EXPECT_EQ(transport_.seen()[0].header("x-amz-date"), "19941106T104937Z");
  EXPECT_EQ(transport_.seen()[1].header("x-amz-date"), "19941106T084937Z");

  transport_.forget();
  transport_.expect("GET", "/bucket/k",
                    scripted_answer(301, "", {{"x-amz-bucket-region", "ap-south-1"}}));
  transport_.expect("GET", "/bucket/k", object(200, "x"));
  EXPECT_EQ(outcome_of(read_one(*store_, part(0, {}), kNever)), "ok:x");
  EXPECT_NE(transport_.seen()[1].header("authorization").find("/ap-south-1/s3/"),
            std::string_view::npos);
  // What is no region is not believed.
  transport_.expect("GET", "/bucket/k",
                    scripted_answer(301, "", {{"x-amz-bucket-region", "evil.example/"}}));
  EXPECT_EQ(outcome_of(read_one(*store_, part(0, {}), kNever)), "invalid");
  EXPECT_EQ(transport_.unexpected(), "");
}

// Answers that are not the page that was asked for end a listing with an error: an end that is not
// one would delete from the index what it did not show.
TEST_F(S3StoreTest, AListingEndsOnlyWhereTheStoreSaysSo) {
  const std::string two =
      entry("p/a%2Fb+c%2B") + entry("p/b", "<StorageClass>GLACIER</StorageClass>");
  transport_.expect("GET", "list-type=2",
                    page(str_cat("<IsTruncated>true</IsTruncated><NextContinuationToken>T1</"
                                 "NextContinuationToken>",
                                 two)));
  transport_.expect("GET", "continuation-token=T1",
                    page("<IsTruncated>true</IsTruncated><NextContinuationToken>T2</"
                         "NextContinuationToken>"));
  transport_.expect("GET", "continuation-token=T2",
                    page(str_cat("<IsTruncated>false</IsTruncated>", entry("p/c"))));
  const auto listing = store_->list("p/", "");
  const auto first = listing->next(kNever);
  ASSERT_TRUE(first.ok()) << first.error().message;
  ASSERT_EQ(first->size(), 2U);
  EXPECT_EQ((*first)[0].key, "p/a/b c+");
  EXPECT_EQ((*first)[0].tag.value, "t");
  EXPECT_EQ(to_rfc3339((*first)[0].last_modified), "2026-01-02T03:04:05Z")
      << "headers have no more";
  EXPECT_FALSE((*first)[0].archived);
  EXPECT_TRUE((*first)[1].archived);
  ASSERT_EQ(listing->next(kNever)->size(), 1U) << "an empty page is not the end";
  EXPECT_TRUE(listing->next(kNever)->empty());
  EXPECT_TRUE(listing->next(kNever)->empty());
  EXPECT_TRUE(listing->ordered());

  const struct {
    const char* why;
    HttpResponse answer;
    Code code;
  } cases[] = {
      {"more, but not where", page("<IsTruncated>true</IsTruncated>"), Code::kUnavailable},
      {"no word on more", page(""), Code::kUnavailable},
      {"another prefix", page("<IsTruncated>false</IsTruncated>" + entry("q/a")),
       Code::kUnavailable},
      {"no size", page("<IsTruncated>false</IsTruncated><Contents><Key>p/a</Key></Contents>"),
       Code::kUnavailable},
      {"not XML", scripted_answer(200, "<html>sign in to the network</html>", {}),
       Code::kUnavailable},
      {"empty", scripted_answer(200, "", {}), Code::kUnavailable},
      {"broken encoding", page("<IsTruncated>false</IsTruncated>" + entry("p/%zz")),
       Code::kUnavailable},
      {"an error", refusal(404, "NoSuchBucket"), Code::kInvalid},
      {"not found", refusal(404, "NoSuchKey"), Code::kInvalid},
      {"denied", refusal(403, "AccessDenied"), Code::kDenied},
  };
  for (const auto& c : cases) {
    transport_.expect("GET", "list-type=2", c.answer);
    const auto broken = store_->list("p/", "");
    const auto next = broken->next(kNever);
    ASSERT_FALSE(next.ok()) << c.why;
    EXPECT_EQ(next.code(), c.code) << c.why << ": " << next.error().message;
    EXPECT_FALSE(broken->next(kNever).ok()) << c.why << ": after an error it is over";
  }
  EXPECT_EQ(transport_.unexpected(), "");
}

TEST_F(S3StoreTest, AnUnsortedListingSaysSo) {
  transport_.expect("GET", "list-type=2",
                    page("<IsTruncated>false</IsTruncated>" + entry("b") + entry("a")));
  const auto listing = store_->list("", "");
  ASSERT_EQ(listing->next(kNever)->size(), 2U);
  EXPECT_FALSE(listing->ordered());
}

// Secrets are in no log and no message.
TEST_F(S3StoreTest, SecretsAreNeverShown) {
  transport_.expect("GET", "/bucket/k", object(200, "x"));
  transport_.expect("GET", "/bucket/k", refusal(403, "AccessDenied"));
  ASSERT_TRUE(read_one(*store_, part(0, {}), kNever).ok());
  const Result<Blob> denied = read_one(*store_, part(0, {}), kNever);
  EXPECT_NE(log_.text.find("GET"), std::string::npos);
  for (const char* secret : {"NEVER-SHOWN", "Signature"}) {
    EXPECT_EQ(log_.text.find(secret), std::string::npos);
    EXPECT_EQ(denied.error().message.find(secret), std::string::npos);
  }
}

TEST_F(S3StoreTest, OptionsBecomeHeaders) {
  const auto store = open({.endpoint = "http://127.0.0.1:9",
                           .region = "eu-west-1",
                           .addressing = S3Addressing::kAuto,
                           .profile = "",
                           .no_sign = false,
                           .ca_file = "",
                           .requester_pays = true,
                           .expected_bucket_owner = "123456789012",
                           .storage_class = "STANDARD_IA",
                           .server_side_encryption = "aws:kms",
                           .kms_key_id = "key/1"});
  transport_.expect("PUT", "/bucket/k", scripted_answer(200, "", {{"etag", "\"x\""}}));
  ASSERT_TRUE(put_one(*store, "k", as_bytes("x"), kNever).ok());
  const SeenRequest seen = transport_.seen().front();
  EXPECT_EQ(seen.header("x-amz-request-payer"), "requester");
  EXPECT_EQ(seen.header("x-amz-expected-bucket-owner"), "123456789012");
  EXPECT_EQ(seen.header("x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(seen.header("x-amz-server-side-encryption"), "aws:kms");
  EXPECT_EQ(seen.header("x-amz-server-side-encryption-aws-kms-key-id"), "key/1");
  for (const char* name : {"x-amz-storage-class", "x-amz-request-payer"})
    EXPECT_NE(seen.header("authorization").find(name), std::string_view::npos) << name;
  S3Options archived;
  archived.storage_class = "DEEP_ARCHIVE";
  EXPECT_EQ(make_s3_store("bucket", archived, {transport_, credentials_, clock_, log_}).code(),
            Code::kInvalid);
}

// The store's time of a write is never after what the store will show as its Last-Modified: that
// is when the request came, cut to seconds, and the answer's Date may be later.
TEST_F(S3StoreTest, WritesAreDatedNoLaterThanTheyBegan) {
  HttpResponse answer = scripted_answer(200, "", {{"date", kDate}, {"etag", "\"x\""}});
  answer.total = std::chrono::milliseconds(2500);
  transport_.expect("PUT", "/bucket/k", answer);
  const Result<Written> written = put_one(*store_, "k", as_bytes("x"), kNever);
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(to_rfc3339(written->store_time), "1994-11-06T08:49:34Z");
  const Result<Timestamp> now = store_->now(kNever);
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(to_rfc3339(*now), "1994-11-06T08:49:37Z");
  EXPECT_EQ(transport_.count(), 1U) << "the last answer told";
}

}  // namespace
}  // namespace kedge
