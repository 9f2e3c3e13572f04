// What filters mean, that both forms say the same, and what is said of those that are wrong.
#include "engine/filter.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/filter_testing.h"

namespace kedge {
namespace {

Filter must_parse(std::string_view text) {
  Result<Filter> filter = parse_filter(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << (filter.ok() ? "" : filter.error().message);
  KEDGE_CHECK(filter.ok());
  return *std::move(filter);
}

TEST(Filter, BothFormsSayTheSame) {
  const struct {
    std::string_view text;
    std::string_view json;
    std::string_view printed;
  } cases[] = {
      {"year >= 2020 AND team == 'core'", R"({"year":{"$gte":2020},"team":"core"})",
       "year >= 2020 and team = \"core\""},
      {"price>=10 and price<=50", R"({"price":{"$gte":10,"$lte":50}})",
       "price >= 10 and price <= 50"},
      {"a = 1 or (b = true or c != 'x')",
       R"({"$or":[{"a":1},{"$or":[{"b":{"$eq":true}},{"c":{"$ne":"x"}}]}]})",
       "a = 1 or b = true or c != \"x\""},
      {"lang in ('de') and lang not in (\"fr\", 'it')",
       R"({"$and":[{"lang":{"$in":["de"]}},{"lang":{"$nin":["fr","it"]}}]})",
       "lang = \"de\" and lang not in (\"fr\", \"it\")"},
      {"exists(author) and not exists('key')",
       R"({"author":{"$exists":true},"key":{"$exists":false}})",
       "exists(author) and not exists(key)"},
      {"not not (key ^= \"docs/\" and size < 1e3)",
       R"({"key":{"$startsWith":"docs/"},"size":{"$lt":1000}})",
       "key ^= \"docs/\" and size < 1000"},
      {"modified >= \"2024-03-01\" and modified < '2024-03-01T12:00:00.5Z'",
       R"({"modified":{"$gte":1709251200,"$lt":"2024-03-01T12:00:00.500000Z"}})",
       "modified >= \"2024-03-01T00:00:00Z\" and modified < \"2024-03-01T12:00:00.500000Z\""},
      {"modified > '1970-01-01'", R"({"modified":{"$gt":0}})",
       "modified > \"1970-01-01T00:00:00Z\""},
      {"meta.key = 'x' and meta.meta.key = 'y' and meta.team = 'z'",
       R"({"meta.key":"x","meta.meta.key":"y","team":"z"})",
       "meta.key = \"x\" and meta.meta.key = \"y\" and team = \"z\""},
      {"\"in\" = -0 and \"two words\" = '\\u00e9\\ud83d\\ude00\\n\"'",
       R"({"in":0,"two words":"\u00e9\ud83d\ude00\n\""})",
       "\"in\" = 0 and \"two words\" = \"\xC3\xA9\xF0\x9F\x98\x80\\u000a\\\"\""}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const Filter filter = must_parse(c.text);
    EXPECT_EQ(filter, must_parse(c.json));
    EXPECT_EQ(to_text(filter), c.printed);
    EXPECT_EQ(filter, must_parse(c.printed));
  }
}

TEST(Filter, WhatIsPrintedIsReadBack) {
  SeededRandom random(7);
  const FilterPool pool{.keys = {"a/b", "\xFF\"\\", "", "c'"},
                        .sources = {"s3://bucket/", "file:///x/"},
                        .sizes = {0, 1e15, 0.125},
                        .times = {0, -1, 1.7e15, 253'402'300'799e6, -62'135'596'800e6}};
  for (int i = 0; i < 2000; ++i) {
    const Filter filter = random_filter(random, pool, 4);
    const std::string text = to_text(filter);
    const Result<Filter> again = parse_filter(text);
    ASSERT_TRUE(again.ok()) << text << ": " << again.error().message;
    ASSERT_EQ(*again, filter) << text;
  }
}

TEST(Filter, ErrorsSayWhereAndWhatWasExpected) {
  const std::string deep(40, '(');
  const struct {
    std::string text;
    std::string_view message;
  } cases[] = {
      {"", "filter: expected a name, found the end at position 1"},
      {"year >= ",
       "expected a value (a number, a text in quotes, true or false), found the end at position 9"},
      {"year >= core",
       "expected a value (a number, a text in quotes, true or false), found 'core' at position 9"},
      {"year >= 'core'", "expected a number, found the text 'core' at position 9"},
      {"year 2020", "expected a comparison (= != < <= > >= ^= in), found '2020' at position 6"},
      {"a = 1 b = 2", "expected 'and', 'or' or the end, found 'b' at position 7"},
      {"(a = 1", "expected ')', found the end at position 7"},
      {"a in ()",
       "expected a value (a number, a text in quotes, true or false), found ')' at position 7"},
      {"a in (1 2)", "expected ',' or ')', found '2' at position 9"},
      {"a not = 1", "expected 'in', found '=' at position 7"},
      {"in = 1", "expected a name, found 'in' at position 1"},
      {"a = 1x", "expected a number, found one with more behind it at position 5"},
      {"a = 1e999", "expected a number at position 5"},
      {"a = 'x", "expected the quote to be closed at position 5"},
      {"a = '\\q'", "expected an escape of JSON at position 7"},
      {"a = '\\ud800'", "expected a character, found half of one"},
      {"a & 1", "unexpected '&' at position 3"},
      {"key > 'a'",
       "expected another comparison: this one is of numbers, found the text 'a' at position 7"},
      {"size = 'a'", "expected a number, found"},
      {"size ^= 'a'", "expected another comparison: this one is of texts"},
      {"media_type = 1", "expected a text, found '1' at position 14"},
      {"a ^= 1", "expected a text, found '1' at position 6"},
      {"modified > 'today'", "expected a date such as \"2024-03-01\""},
      {"modified > '2024-02-31'", "expected a date such as"},
      {"modified > true", "expected a date, or seconds since 1970"},
      {"modified > 1e300", "expected a date, or seconds since 1970"},
      {deep + "a = 1" + std::string(40, ')'), "nested more than 30 deep at position 32"},
      {std::string(kMaxFilterBytes + 1, ' '), "filter: more than 65536 bytes"},
      {"{", "not JSON at position 2"},
      {"{\"a\":nul}", "not JSON at position"},
      {"{\"a\":1} x", "expected the end at position 9"},
      {"{}", "expected an object with at least one condition at $"},
      {"{\"$and\":[]}", "expected an array with at least one filter at $.$and"},
      {"{\"$or\":[{\"a\":1},2]}", "expected an object with at least one condition at $.$or[1]"},
      {"{\"$not\":{\"a\":1}}", "expected the name of a field, $and or $or at $.$not"},
      {"{\"a\":{\"$near\":1}}",
       "expected $eq $ne $gt $gte $lt $lte $in $nin $exists or $startsWith at $.a.$near"},
      {"{\"a\":{\"$gt\":\"x\"}}", "expected a number at $.a.$gt"},
      {"{\"a\":null}", "expected a text, a number or a boolean at $.a"},
      {"{\"a\":[1]}", "expected a text, a number or a boolean at $.a"},
      {"{\"a\":{}}", "expected a value or an operator at $.a"},
      {"{\"a\":{\"$in\":[]}}", "expected an array of 1 to 4096 values at $.a.$in"},
      {"{\"a\":{\"$in\":[1,[2]]}}", "expected a text, a number or a boolean at $.a.$in[1]"},
      {"{\"a\":{\"$exists\":1}}", "expected true or false at $.a.$exists"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text.substr(0, 60));
    const Result<Filter> filter = parse_filter(c.text);
    ASSERT_FALSE(filter.ok());
    EXPECT_EQ(filter.code(), Code::kInvalid);
    EXPECT_NE(filter.error().message.find(c.message), std::string::npos) << filter.error().message;
  }
}

TEST(Filter, HasAMostOfEverything) {
  std::string many = "a = 0";
  for (std::size_t i = 1; i < kMaxFilterTerms; ++i) many += str_cat(" or a = ", i);
  EXPECT_TRUE(parse_filter(many).ok());
  EXPECT_FALSE(parse_filter(many + " or a = 1").ok());
  std::string list = "a in (0";
  for (std::size_t i = 1; i < kMaxFilterValues; ++i) list += ",1";
  EXPECT_TRUE(parse_filter(list + ")").ok());
  EXPECT_FALSE(parse_filter(list + ",1)").ok());
  const auto nested = [](std::size_t depth) {
    std::string json = R"({"a":1})";
    for (std::size_t i = 0; i < depth; ++i) json = str_cat(R"({"$and":[)", json, "]}");
    return json;
  };
  EXPECT_TRUE(parse_filter(nested(kMaxFilterDepth)).ok());
  EXPECT_FALSE(parse_filter(nested(kMaxFilterDepth + 1)).ok());
  EXPECT_FALSE(parse_filter(nested(1000)).ok());
}

// Each with the rows it holds of: the numbers of the objects below.
TEST(Filter, MeansWhatTheDocumentSays) {
  std::vector<ObjectRow> rows(4);
  rows[0].key = "docs/a.md";
  rows[0].media_type = "text/markdown";
  rows[0].size = 100;
  rows[0].last_modified = {1'709'294'400'000'000};  // 2024-03-01T12:00:00Z
  rows[0].metadata = {{"lang", "de"}, {"pages", 7.0}, {"year", "2020"}};
  rows[1].key = "docs/b.md";
  rows[1].size = 0;
  rows[1].last_modified = {1};
  rows[1].metadata = {{"draft", true}, {"lang", MetadataList{"fr", "it"}}, {"year", 2021.0}};
  rows[2].key = "doc.txt";
  rows[2].metadata = {
      {"draft", "true"}, {"lang", MetadataList{}}, {"year", MetadataList{"x", 1.5}}};
  rows[3].key = "z";
  const struct {
    std::string_view filter;
    std::string_view holds_of;
  } cases[] = {{"lang = 'de'", "0"},
               {"lang = 'it'", "1"},
               {"lang != 'it'", "023"},
               {"lang in ('it', 'de')", "01"},
               {"lang not in ('it', 'de')", "23"},
               {"exists(lang)", "012"},
               {"not exists(lang)", "3"},
               {"lang ^= 'd'", "0"},
               {"lang ^= ''", "01"},
               {"year = 2020", "0"},
               {"year = '2020'", "0"},
               {"year = '2021'", ""},
               {"year >= 2020", "01"},
               {"year > 2020", "1"},
               {"year < 2000", "2"},
               {"year <= 1.5", "2"},
               {"not (year > 0)", "3"},
               {"draft = true", "12"},
               {"draft = 'true'", "2"},
               {"draft = false", ""},
               {"key ^= 'docs/'", "01"},
               {"key = 'z'", "3"},
               {"meta.key = 'z'", ""},
               {"source ^= 's3://'", "0123"},
               {"source = 's3://b/x/' and size >= 100", "0"},
               {"size = 0", "123"},
               {"exists(media_type)", "0"},
               {"media_type in ('text/markdown')", "0"},
               {"exists(modified)", "01"},
               {"modified >= '2024-03-01' and modified < '2024-03-02'", "0"},
               {"modified < '2024-03-01'", "1"},
               {"pages = 7 or lang = 'fr'", "01"},
               {"pages = 7 and lang = 'fr'", ""}};
  for (const auto& c : cases) {
    std::string holds_of;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (matches(must_parse(c.filter), rows[i], "s3://b/x/")) holds_of += str_cat(i);
    }
    EXPECT_EQ(holds_of, c.holds_of) << c.filter;
  }
}

TEST(Filter, SpelledNumbersAreWholeAndFinite) {
  for (const char* text : {"", " 1", "1 ", "+1", "0x10", "inf", "nan", "1e999", "1,5", "--1"})
    EXPECT_FALSE(number_spelled(text).has_value()) << text;
  EXPECT_EQ(number_spelled("-1.5"), -1.5);
  EXPECT_EQ(number_spelled("2e3"), 2000);
  EXPECT_FALSE(std::signbit(*number_spelled("-0")));
}

}  // namespace
}  // namespace kedge
