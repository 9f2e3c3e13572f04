#include "cli/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>

#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

boost::json::value parsed(const std::string& document) {
  EXPECT_TRUE(document.ends_with("\n")) << document;
  EXPECT_EQ(std::count(document.begin(), document.end(), '\n'), 1) << "one document, one line";
  EXPECT_TRUE(is_utf8(document));
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(document, error);
  EXPECT_FALSE(error) << document;
  return value;
}

// A program that reads the output must get back what was said, whatever bytes a key has.
TEST(Json, TextsComeBack) {
  const struct {
    std::string text;
    const char* expected;
  } cases[] = {{"plain", "plain"},
               {"a \"quoted\" \\ name", "a \"quoted\" \\ name"},
               {"line\nbreak\ttab", "line\nbreak\ttab"},
               {"\x1b[31m", "\x1b[31m"},
               {"日本 🚢", "日本 🚢"},
               {"\u2028</script>", "\u2028</script>"},
               {"\xff\xfe", "\uFFFD\uFFFD"},
               {"cut\xe2\x82", "cut\uFFFD\uFFFD"}};
  for (const auto& c : cases) {
    const auto error = parsed(json_of(Error{Code::kInvalid, c.text}, c.text));
    EXPECT_EQ(error.at("error").at("message").as_string(), c.expected);
    EXPECT_EQ(error.at("error").at("hint").as_string(), c.expected);
    EXPECT_EQ(error.at("error").at("code").as_string(), "invalid");
  }
  const std::string nul("a\0b", 3);
  EXPECT_EQ(parsed(json_of(Error{Code::kInvalid, nul}, "")).at("error").at("message").as_string(),
            std::string_view("a\0b", 3));
}

TEST(Json, AnyBytesGiveADocument) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 500; ++round) {
    std::string bytes;
    for (std::uint64_t i = random() % 20; i > 0; --i) bytes += static_cast<char>(random());
    SearchResponse response;
    response.hits.emplace_back();
    SearchHit& hit = response.hits.back();
    hit.reference.key = bytes;
    hit.reference.uri = "file:///" + bytes;
    hit.snippet = bytes;
    hit.raw = bytes;
    response.unreadable = {bytes};
    const auto document = parsed(json_of(response));
    EXPECT_EQ(document.at("results").as_array().size(), 1U);
    VerifyResult verify;
    verify.sources.emplace_back();
    verify.sources[0].items.push_back({.kind = "gone", .key = bytes, .detail = bytes});
    verify.damaged_files = verify.mended_files = {bytes};
    verify.not_rebuilt.push_back({.file = bytes, .reason = bytes, .keys = {bytes}});
    EXPECT_EQ(parsed(json_of(verify)).at("sources").as_array().size(), 1U);
    StatusReport status;
    status.sources.emplace_back();
    status.sources[0].problems.push_back({bytes, bytes});
    status.sources[0].include = {bytes};
    status.sources[0].exclude = {bytes};
    EXPECT_EQ(parsed(json_of(status)).at("sources").as_array().size(), 1U);
  }
}

// What a caller counts with: numbers stay whole, and each list is there even if it is empty.
TEST(Json, NumbersAndEmptyListsStay) {
  SyncResult result;
  result.sources.emplace_back();
  result.sources[0].bytes_read = UINT64_MAX;
  const auto document = parsed(json_of(result));
  EXPECT_EQ(document.at("sources").at(0).at("bytes_read").as_uint64(), UINT64_MAX);
  EXPECT_TRUE(document.at("sources").at(0).at("problems").as_array().empty());
  EXPECT_TRUE(parsed(json_of(SearchResponse{})).at("results").as_array().empty());
  EXPECT_TRUE(parsed(json_of(std::vector<PinInfo>{})).at("pins").as_array().empty());
  EXPECT_TRUE(parsed(json_of(std::vector<Generation>{})).at("generations").as_array().empty());
  GcReport gc;
  gc.removed = 5;
  EXPECT_EQ(parsed(json_of(gc)).at("removed").to_number<int>(), 5);
  EXPECT_TRUE(parsed(json_of(std::vector<GetRequest>{}, {})).at("outcomes").as_array().empty());
}

}  // namespace
}  // namespace kedge::cli
