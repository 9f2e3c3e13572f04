#include "engine/json_text.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <string>

#include "base/random.h"
#include "base/strings.h"

namespace kedge {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kSeed = 17;

struct Parsed {
  json::value value;
  boost::system::error_code error;
  std::size_t at = 0;
};

Parsed parse(std::string_view text) {
  Parsed out;
  json::parse_options options;
  options.max_depth = 4;
  out.value = parse_json(text, options, {}, out.error, out.at);
  return out;
}

TEST(JsonText, IsWhatTheOtherParserMakesOfIt) {
  for (const std::string_view text :
       {"{}", "[]", "null", " [1, -2, 18446744073709551615, true, false, null] ", "\"a\\u00e9\\n\"",
        "{\"a\": {\"b\": [\"c\", 1.5, -0.25e2]}, \"a\": 2}", "1e400", "-1e-400"}) {
    const Parsed found = parse(text);
    ASSERT_FALSE(found.error) << text;
    EXPECT_EQ(found.at, text.size());
    EXPECT_EQ(json::serialize(found.value), json::serialize(json::parse(text))) << text;
  }
  for (const std::string_view text : {"", "{", "[1,]", "01", "1 2", "\"a", "nul", "[[[[[1]]]]]"}) {
    const Parsed found = parse(text);
    EXPECT_TRUE(found.error) << text;
    EXPECT_LE(found.at, text.size());
  }
}

// Every double comes back from as many digits as tell it from others, and from far more.
TEST(JsonText, NumbersAreTheNearest) {
  SeededRandom random(kSeed);
  for (int i = 0; i < 20'000; ++i) {
    const auto expected = std::bit_cast<double>(random.next());
    if (!std::isfinite(expected)) continue;
    char shortest[64];
    std::snprintf(shortest, sizeof shortest, "%.17g", expected);
    char longest[1200];
    std::snprintf(longest, sizeof longest, "%.800e", expected);
    for (const char* text : {shortest, longest}) {
      const Parsed found = parse(str_cat("[", text, "]"));
      ASSERT_FALSE(found.error) << text;
      const json::value& number = found.value.get_array().at(0);
      ASSERT_EQ(number.to_number<double>(), expected) << "seed " << kSeed << ": " << text;
    }
  }
}

}  // namespace
}  // namespace kedge
