#include "s3/credential_answer.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace kedge {
namespace {

// Tools write the end of credentials in several ways; one read wrongly is credentials that end too
// soon or too late.
TEST(CredentialAnswer, TimesOfExpiryAreRead) {
  const struct {
    const char* text;
    const char* time;  // nullptr: refused
  } cases[] = {
      {"2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"},
      {"2026-03-01T12:00:00.5Z", "2026-03-01T12:00:00.500000Z"},
      {"2026-03-01T12:00:00UTC", "2026-03-01T12:00:00Z"},
      {"2026-03-01T12:00:00+00:00", "2026-03-01T12:00:00Z"},
      {"2026-03-01T12:00:00.123456+01:30", "2026-03-01T10:30:00.123456Z"},
      {"2026-03-01T12:00:00-0800", "2026-03-01T20:00:00Z"},
      {"2026-03-01T12:00:00", nullptr},
      {"2026-03-01T12:00:00+1:00", nullptr},
      {"2026-03-01T12:00:00+ab:cd", nullptr},
      {"2026-03-01", nullptr},
      {"2026-13-01T12:00:00Z", nullptr},
      {"now", nullptr},
      {"", nullptr},
      {"2026-03-01T12:00:00Z2026-03-01T12:00:00Z2026-03-01T12:00:00Z2026-03-01T12:00:00Z", nullptr},
  };
  for (const auto& c : cases) {
    const auto out = parse_expiry(c.text, "x");
    EXPECT_EQ(out.ok() ? to_rfc3339(*out) : "", c.time == nullptr ? "" : c.time) << c.text;
  }
}

// Nested fields by their path; everything that is no text or whole number is as if it were not
// there.
TEST(CredentialAnswer, FieldsAreFlattened) {
  const auto fields = JsonFields::parse(
      R"({"a":"1","b":{"c":"2","d":{"e":3}},"f":null,"g":[1],"h":true,"i":1.5,"a":"4"})", "x");
  ASSERT_TRUE(fields.ok());
  EXPECT_EQ(fields->text("a"), "4");
  EXPECT_EQ(fields->text("b.c"), "2");
  EXPECT_EQ(fields->text("b.d.e"), "3");
  for (const char* name : {"b", "f", "g", "h", "i", "none"})
    EXPECT_EQ(fields->text(name), "") << name;
  EXPECT_EQ(fields->required("none").error().message, "x: no field none");
}

// Size, depth and number of fields have an end, whatever is sent.
TEST(CredentialAnswer, HostileJsonIsRefused) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += R"({"a":)";
  std::string wide = "{";
  for (std::size_t i = 0; i < 4 * kMaxCredentialFields; ++i) wide += str_cat("\"", i, "\":1,");
  wide += "\"end\":1}";
  for (const std::string& text :
       {deep, std::string(kMaxCredentialAnswerBytes + 1, ' '), std::string("{\"a\":\"\xff\"}"),
        std::string("{}{}"), std::string("\0", 1), std::string("{\"a\":\"b\"")})
    EXPECT_EQ(JsonFields::parse(text, "x").code(), Code::kCorrupt) << text.substr(0, 20);
  const auto fields = JsonFields::parse(wide, "x");
  ASSERT_TRUE(fields.ok());
  EXPECT_EQ(fields->text("end"), "") << "what is over the limit is left out";
}

TEST(CredentialAnswer, OtherFieldsStayWhenSomeAreSet) {
  EXPECT_EQ(*with_json_fields(R"({"a":1,"b":[2],"c":"x"})", {{"c", "y\""}, {"d", "z"}}, "x"),
            R"({"a":1,"b":[2],"c":"y\"","d":"z"})");
  EXPECT_FALSE(with_json_fields("[]", {{"c", "y"}}, "x").ok());
}

}  // namespace
}  // namespace kedge
