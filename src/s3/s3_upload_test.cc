// Uploads, deletes and sweeps against scripted answers.
#include "s3/s3_upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "s3/s3_testing.h"

namespace kedge {
namespace {

using namespace s3_testing;

TEST_F(S3StoreTest, DeletesInBatchesAndNamesWhatFailed) {
  transport_.expect("POST", "?delete",
                    scripted_answer(200,
                                    "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code>"
                                    "<Message>no</Message></Error><Error><Key>c</Key><Code>"
                                    "InternalError</Code></Error></DeleteResult>",
                                    {}));
  transport_.expect("DELETE", "/bucket/odd%01", scripted_answer(204, "", {}));
  const std::vector<std::string> keys = {"a&<>\"", "b", "odd\x01", "", "c"};
  const auto removed = store_->remove(keys, kNever);
  ASSERT_EQ(removed.size(), keys.size());
  EXPECT_TRUE(removed[0].ok());
  EXPECT_EQ(removed[1].code(), Code::kDenied);
  EXPECT_TRUE(removed[2].ok());
  EXPECT_EQ(removed[3].code(), Code::kInvalid);
  EXPECT_EQ(removed[4].code(), Code::kUnavailable);
  const SeenRequest seen = transport_.seen().front();
  EXPECT_NE(seen.body.find("<Key>a&amp;&lt;&gt;&quot;</Key>"), std::string::npos);
  EXPECT_FALSE(seen.header("content-md5").empty());
  EXPECT_EQ(transport_.unexpected(), "");
}

// Parts are equal but the last, and few enough.
TEST(S3Upload, PartsAreEqualAndFewEnough) {
  constexpr std::uint64_t kMebibyte = 1ULL << 20;
  const struct {
    std::uint64_t body;
    std::uint64_t part;
  } cases[] = {{kSinglePutBytes + 1, kMinPartBytes},
               {kMinPartBytes * kMaxParts, kMinPartBytes},
               {kMinPartBytes * kMaxParts + 1, kMinPartBytes + kMebibyte},
               {5ULL << 40, 525 * kMebibyte}};
  for (const auto& c : cases) {
    EXPECT_EQ(part_bytes(c.body), c.part) << c.body;
    EXPECT_LE((c.body + c.part - 1) / c.part, kMaxParts) << c.body;
  }
}

class S3UploadTest : public S3StoreTest {
 protected:
  S3UploadTest() : body_(kSinglePutBytes + 5) {
    transport_.answer_otherwise([this](const SeenRequest& request) -> Result<HttpResponse> {
      if (request.method == "POST" && request.url.ends_with("?uploads="))
        return scripted_answer(200,
                               "<InitiateMultipartUploadResult><UploadId>U</UploadId>"
                               "</InitiateMultipartUploadResult>",
                               {{"date", kDate}});
      if (request.method == "PUT")
        return scripted_answer(part_status_, "", {{"date", kDate}, {"etag", "\"part\""}});
      if (request.method == "POST") return completed_;
      if (request.method == "HEAD") return head_;
      return scripted_answer(204, "", {{"date", kDate}});
    });
  }
  Result<Written> put() { return put_one(*store_, "big", body_, kNever); }
  [[nodiscard]] std::size_t aborts() const {
    const auto seen = transport_.seen();
    return static_cast<std::size_t>(std::count_if(
        seen.begin(), seen.end(), [](const SeenRequest& one) { return one.method == "DELETE"; }));
  }

  Bytes body_;
  int part_status_ = 200;
  Result<HttpResponse> completed_ =
      scripted_answer(200,
                      "<CompleteMultipartUploadResult><ETag>&quot;whole-9&quot;</ETag></"
                      "CompleteMultipartUploadResult>",
                      {{"date", kDate}});
  Result<HttpResponse> head_ = refusal(404, "");
};

// A body that is larger than memory is let go of as its parts are taken.
TEST_F(S3UploadTest, LargeBodiesGoInParts) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> taken;
  std::vector<std::size_t> sent;
  PutRequest request{.key = "big", .body = body_};
  request.taken = [&](std::uint64_t offset, std::uint64_t size) {
    taken.emplace_back(offset, size);
    sent.push_back(transport_.seen().size());
  };
  const Result<Written> written = std::move(store_->put({&request, 1}, kNever).front());
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(written->tag.value, "whole-9");
  const auto seen = transport_.seen();
  ASSERT_EQ(seen.size(), 11U);
  for (std::size_t i = 1; i < 9; ++i) EXPECT_EQ(seen[i].body.size(), kMinPartBytes);
  EXPECT_EQ(seen[9].body.size(), 5U);
  for (std::size_t i = 1; i < 10; ++i)
    EXPECT_NE(seen[i].url.find(str_cat("partNumber=", i, "&")), std::string::npos) << seen[i].url;
  EXPECT_EQ(aborts(), 0U);
  EXPECT_THAT(taken, testing::ElementsAre(testing::Pair(0, 8 * kMinPartBytes),
                                          testing::Pair(8 * kMinPartBytes, 5)));
  EXPECT_THAT(sent, testing::ElementsAre(9U, 10U)) << "the rest is sent after it";
}

TEST_F(S3UploadTest, AFailedPartAbortsTheUpload) {
  part_status_ = 403;
  EXPECT_EQ(put().code(), Code::kDenied);
  EXPECT_EQ(aborts(), 1U);
}

// S3 sends 200 first and the error later; and an answer may be lost after the effect.
TEST_F(S3UploadTest, ALostOrFalseCompletionIsLookedAfter) {
  completed_ = refusal(200, "InternalError");
  EXPECT_EQ(put().code(), Code::kUnavailable);
  EXPECT_EQ(aborts(), 1U);
  for (const Result<HttpResponse>& lost : {Result<HttpResponse>(Code::kUnavailable, "reset"),
                                           Result<HttpResponse>(refusal(404, "NoSuchUpload"))}) {
    completed_ = lost;
    head_ = object(200, "",
                   {{"content-length", std::to_string(body_.size())},
                    {"etag", "\"whole-9\""},
                    {"last-modified", kDate}});
    const Result<Written> written = put();
    ASSERT_TRUE(written.ok()) << written.error().message;
    EXPECT_EQ(written->tag.value, "whole-9");
    // Another object under the key is not ours.
    head_ = object(200, "", {{"content-length", "5"}, {"etag", "\"whole-9\""}});
    EXPECT_EQ(put().code(), Code::kUnavailable);
  }
}

// gc on a versioned bucket: what is current stays, what is younger than the floor stays.
TEST_F(S3StoreTest, SweepsWhatIsLeftOver) {
  const auto version = [](const char* kind, const char* key, const char* id, bool latest,
                          const char* time) {
    return str_cat("<", kind, "><Key>", key, "</Key><VersionId>", id, "</VersionId><IsLatest>",
                   latest ? "true" : "false", "</IsLatest><LastModified>", time,
                   "</LastModified><Size>10</Size></", kind, ">");
  };
  const char* old = "2026-01-01T00:00:00Z";
  const char* young = "2026-01-03T00:00:00Z";
  const std::string versions =
      str_cat("<ListVersionsResult><IsTruncated>false</IsTruncated>",
              version("Version", "i/head", "3", true, young),
              version("Version", "i/head", "2", false, young),
              version("Version", "i/head", "1", false, old),
              version("DeleteMarker", "i/seg1", "5", true, old),
              version("Version", "i/seg1", "4", false, old),
              version("DeleteMarker", "i/seg2", "7", true, old),
              version("Version", "i/seg2", "6", false, young),
              version("Version", "i/seg3", "8", true, old), "</ListVersionsResult>");
  const std::string uploads = str_cat(
      "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>i/a</Key>"
      "<UploadId>U1</UploadId><Initiated>",
      old,
      "</Initiated></Upload><Upload><Key>i/b</Key>"
      "<UploadId>U2</UploadId><Initiated>",
      young, "</Initiated></Upload></ListMultipartUploadsResult>");
  const Timestamp before = *parse_rfc3339("2026-01-02T00:00:00Z");
  for (const bool dry_run : {true, false}) {
    transport_.forget();
    transport_.expect("GET", "versions", scripted_answer(200, versions, {}));
    if (!dry_run) transport_.expect("POST", "?delete", scripted_answer(200, "<DeleteResult/>", {}));
    transport_.expect("GET", "uploads", scripted_answer(200, uploads, {}));
    if (!dry_run) transport_.expect("DELETE", "uploadId=U1", scripted_answer(204, "", {}));
    const Result<Leftovers> swept =
        store_->sweep({.prefix = "i/", .before = before, .dry_run = dry_run}, kNever);
    ASSERT_TRUE(swept.ok()) << swept.error().message;
    EXPECT_EQ(swept->versions, 2U);
    EXPECT_EQ(swept->markers, 1U);
    EXPECT_EQ(swept->uploads, 1U);
    EXPECT_EQ(swept->bytes, 20U);
    if (dry_run) continue;
    const std::string body = transport_.seen()[1].body;
    for (const char* id : {"1", "4", "5"})
      EXPECT_NE(body.find(str_cat("<VersionId>", id, "</VersionId>")), std::string::npos) << id;
    for (const char* id : {"2", "3", "6", "7", "8"})
      EXPECT_EQ(body.find(str_cat("<VersionId>", id, "</VersionId>")), std::string::npos) << id;
  }
  EXPECT_EQ(transport_.unexpected(), "");
  // What is another's key stays, whatever it is.
  transport_.forget();
  transport_.expect("GET", "versions", scripted_answer(200, versions, {}));
  transport_.expect("GET", "uploads", scripted_answer(200, uploads, {}));
  const SweepRequest not_ours{
      .prefix = "i/", .before = before, .dry_run = false, .ours = [](std::string_view) {
        return false;
      }};
  const Result<Leftovers> left = store_->sweep(not_ours, kNever);
  ASSERT_TRUE(left.ok()) << left.error().message;
  EXPECT_EQ(left->versions + left->markers + left->uploads, 0U);
  EXPECT_EQ(transport_.unexpected(), "");
}

}  // namespace
}  // namespace kedge
