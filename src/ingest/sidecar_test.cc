#include "ingest/sidecar.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace kedge {
namespace {

Result<Metadata> parse(std::string_view text) { return parse_sidecar(as_bytes(text)); }

TEST(Sidecar, DescribesWhatItIsNamedAfter) {
  EXPECT_EQ(described_by("a/b.pdf.metadata.json"), "a/b.pdf");
  EXPECT_EQ(described_by("a/b.pdf"), std::nullopt);
  EXPECT_EQ(described_by(".metadata.json"), std::nullopt);
  EXPECT_EQ(described_by("a/.metadata.json"), std::nullopt);
}

TEST(Sidecar, ReadsBothForms) {
  const Metadata expected = {
      {"at", MetadataList{"a", "b"}}, {"ok", true}, {"team", "core"}, {"year", 2024.0}};
  EXPECT_EQ(
      parse(R"({"team": "core", "year": 2024, "ok": true, "at": ["a", "b"], "no": null})").value(),
      expected);
  EXPECT_EQ(parse(R"({"metadataAttributes": {
      "team": {"value": {"type": "STRING", "stringValue": "core"}, "includeForEmbedding": true},
      "year": {"value": {"type": "NUMBER", "numberValue": 2024}},
      "ok": {"value": {"type": "BOOLEAN", "booleanValue": true}},
      "at": {"value": {"type": "STRING_LIST", "stringListValue": ["a", "b"]}}}})")
                .value(),
            expected);
}

TEST(Sidecar, RefusesWhatItCannotKeep) {
  for (const std::string& text :
       {std::string(), std::string("[1]"), std::string("{\"a\": "), std::string("{} {}"),
        std::string(R"({"metadataAttributes": 1})"), std::string(R"({"kedge.sidecar": "x"})"),
        str_cat(R"({"a": ")", std::string(kMaxMetadataText + 1, 'x'), "\"}"),
        std::string(kMaxSidecarBytes + 1, ' '), std::string(100'000, '[')}) {
    EXPECT_EQ(parse(text).code(), Code::kInvalid) << text.substr(0, 60);
  }
}

// The store's own stay where the sidecar says nothing of that name, as far as there is room.
TEST(Sidecar, TakesThePlaceOfTheStores) {
  EXPECT_EQ(merge_metadata({{"a", "1"}, {"b", "2"}}, {{"b", 3.0}, {"c", true}}),
            (Metadata{{"a", "1"}, {"b", 3.0}, {"c", true}}));
  Metadata many;
  for (std::size_t i = 0; i < kMaxMetadata; ++i) many.emplace_back(str_cat("n", 100 + i), "v");
  const Metadata merged = merge_metadata(many, {{"own", "v"}});
  EXPECT_EQ(merged.size(), kMaxMetadata);
  EXPECT_TRUE(check_metadata(merged).ok());
}

}  // namespace
}  // namespace kedge
