// Which settings an s3:// URL is reached with.
#include "api/store_options.h"

#include <gtest/gtest.h>

#include <vector>

namespace kedge {
namespace {

StoreSettings of(const std::string& url, const std::string& endpoint, const std::string& profile) {
  StoreSettings out;
  out.url = url;
  out.endpoint = endpoint;
  out.profile = profile;
  return out;
}

// The credentials of one bucket must never be sent to another whose name only begins like it.
TEST(StoreOptions, TheLongestUrlCountsAtWholeNames) {
  const std::vector<StoreSettings> settings = {
      of("s3://a", "https://a", ""), of("", "https://all", "everyone"),
      of("s3://a/deep/", "", "deep"), of("s3://a/deep/er", "https://deeper", "deeper")};
  const struct {
    const char* url;
    const char* endpoint;
    const char* profile;
  } cases[] = {
      {"s3://a", "https://a", "everyone"},        {"s3://a/x", "https://a", "everyone"},
      {"s3://ab/x", "https://all", "everyone"},   {"s3://b", "https://all", "everyone"},
      {"s3://a/deep/x", "https://all", "deep"},   {"s3://a/deep", "https://a", "everyone"},
      {"s3://a/deeper", "https://a", "everyone"}, {"s3://a/deep/er/x", "https://deeper", "deeper"},
      {"s3://a/deep/erst", "https://all", "deep"}};
  for (const auto& c : cases) {
    const StoreSettings got = settings_for(settings, c.url);
    EXPECT_EQ(got.endpoint, c.endpoint) << c.url;
    EXPECT_EQ(got.profile, c.profile) << c.url;
  }
}

TEST(StoreOptions, SwitchesThatAreOffAreNotFilledUp) {
  StoreSettings all;
  all.no_sign = true;
  all.requester_pays = true;
  StoreSettings own;
  own.url = "s3://b";
  own.no_sign = false;
  const std::vector<StoreSettings> settings = {all, own};
  const auto options = to_s3_options(settings_for(settings, "s3://b/x"));
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->no_sign);
  EXPECT_TRUE(options->requester_pays);
}

TEST(StoreOptions, AddressingIsNamed) {
  StoreSettings settings;
  const struct {
    const char* name;
    S3Addressing meant;
  } cases[] = {{"", S3Addressing::kAuto},
               {"auto", S3Addressing::kAuto},
               {"path", S3Addressing::kPath},
               {"virtual", S3Addressing::kVirtual}};
  for (const auto& c : cases) {
    settings.addressing = c.name;
    EXPECT_EQ(to_s3_options(settings)->addressing, c.meant) << c.name;
  }
  settings.addressing = "dns";
  EXPECT_EQ(to_s3_options(settings).code(), Code::kInvalid);
}

}  // namespace
}  // namespace kedge
