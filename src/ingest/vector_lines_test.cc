#include "ingest/vector_lines.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"

namespace kedge {
namespace {

class VectorLinesTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() /
             ("kedge-lines-" + Id128::random(system_random()).hex() + ".jsonl"))
                .string();
  }
  void TearDown() override { std::filesystem::remove(path_); }

  Result<std::vector<VectorRecord>> read(std::string_view text) const {
    std::ofstream(path_, std::ios::binary) << text;
    const auto input = KEDGE_TRY(VectorInput::open(path_));
    EXPECT_FALSE(input->count());
    std::vector<VectorRecord> records;
    VectorRecord record;
    while (KEDGE_TRY(input->next(record))) records.push_back(record);
    return records;
  }
  // The message without the path and the ": " behind it.
  std::string refusal(std::string_view text) const {
    const auto records = read(text);
    if (records.ok()) return "read";
    EXPECT_EQ(records.error().code, Code::kInvalid);
    EXPECT_TRUE(records.error().message.starts_with(path_)) << records.error().message;
    return records.error().message.substr(
        std::min(records.error().message.size(), path_.size() + 2));
  }

  std::string path_;
};

TEST_F(VectorLinesTest, ReadsIdsVectorsAndMetadata) {
  const auto records = read(
      "\xEF\xBB\xBF{\"id\": \"a/\\u00e9\", \"vector\": [1, -0.5, 1e-3]}\r\n"
      "\n"
      "  \t\r\n"
      "{\"embedding\": [0, 0, 3], \"metadata\": {\"b\": {\"c\": [1, null]}, \"a\": \"x\", \"d\": "
      "2.5, \"e\": [], \"f\": [\"y\", -0.0, true], \"g\": [1, null], \"h\": null, \"i\": false}}\n"
      "{\"id\": 18446744073709551615, \"values\": [4, 5, 6]}\n"
      "{\"id\": -7, \"values\": [4, 5, 6], \"metadata\": {}}\n"
      "{\"key\": \"k\", \"data\": {\"float32\": [7, 8, 9]}}");
  ASSERT_TRUE(records.ok()) << records.error().message;
  ASSERT_EQ(records->size(), 5U);
  EXPECT_EQ((*records)[0].id, "a/\xC3\xA9");
  EXPECT_EQ((*records)[0].values, (std::vector<float>{1, -0.5F, 1e-3F}));
  EXPECT_TRUE((*records)[0].metadata.empty());
  // Its number among the records, not among the lines.
  EXPECT_EQ((*records)[1].id, "000000000001");
  EXPECT_EQ((*records)[1].metadata, (Metadata{{"a", "x"},
                                              {"b", "{\"c\":[1,null]}"},
                                              {"d", 2.5},
                                              {"e", MetadataList{}},
                                              {"f", MetadataList{"y", 0.0, true}},
                                              {"g", "[1,null]"},
                                              {"i", false}}));
  EXPECT_FALSE(
      std::signbit(std::get<double>(std::get<MetadataList>((*records)[1].metadata[4].second)[1])));
  EXPECT_EQ((*records)[2].id, "18446744073709551615");
  EXPECT_TRUE((*records)[2].metadata.empty());
  EXPECT_EQ((*records)[3].id, "-7");
  EXPECT_EQ((*records)[4].id, "k");
  EXPECT_EQ((*records)[4].values, (std::vector<float>{7, 8, 9}));
}

TEST_F(VectorLinesTest, RefusesEachBrokenLineNamingItAndItsByte) {
  const std::string_view first = "{\"vector\": [1, 2]}\n";  // 19 bytes
  const struct {
    std::string_view line;
    std::string_view message;
  } cases[] = {{"7", "line 2 at byte 19: not an object"},
               {"[1, 2]", "line 2 at byte 19: not an object"},
               {"{}", "line 2 at byte 19: no vector"},
               {R"({"id": "a"})", "line 2 at byte 19: no vector"},
               {R"({"vector": [1]})", "line 2 at byte 19: dimension 1, expected 2"},
               {R"({"vector": [1, 2, 3]})", "line 2 at byte 19: dimension 3, expected 2"},
               {R"({"vector": []})", "line 2 at byte 19: a vector of 0 values, expected 1 to 8192"},
               {R"({"vector": "12"})", "line 2 at byte 19: the vector is not an array"},
               {R"({"vector": [1, "2"]})", "line 2 at byte 19: value 1 is not a number"},
               {R"({"vector": [null, 2]})", "line 2 at byte 19: value 0 is not a number"},
               {R"({"vector": [1, 1e39]})", "line 2 at byte 19: value 1 is not finite"},
               {R"({"vector": [-1e300, 1]})", "line 2 at byte 19: value 0 is not finite"},
               {R"({"vector": [1, 2], "values": [1, 2]})", "line 2 at byte 19: two vectors"},
               {R"({"vector": [1, 2], "id": 1, "key": 1})", "line 2 at byte 19: two ids"},
               {R"({"vector": [1, 2], "id": 1.5})",
                "line 2 at byte 19: the id is neither text nor a whole number"},
               {R"({"vector": [1, 2], "id": null})",
                "line 2 at byte 19: the id is neither text nor a whole number"},
               {R"({"vector": [1, 2], "id": ""})",
                "line 2 at byte 19: an id of 0 bytes, expected 1 to 1024"},
               {R"({"vector": [1, 2], "metadata": [1]})",
                "line 2 at byte 19: the metadata is not an object"},
               {R"({"vector": [1, 2], "text": "x"})",
                "line 2 at byte 19: unknown field 'text': put it into the metadata"},
               {R"({"data": {"float32": [1, 2], "more": 1}})",
                "line 2 at byte 19: data is not an object of only float32"},
               {R"({"data": [1, 2]})", "line 2 at byte 19: data is not an object of only float32"}};
  for (const auto& c : cases) {
    EXPECT_EQ(refusal(str_cat(first, c.line, "\n")), c.message) << c.line;
  }
}

// Where JSON breaks is said to the byte, of the file.
TEST_F(VectorLinesTest, RefusesWhatIsNotJson) {
  const std::string_view first = "{\"vector\": [1, 2]}\n";
  for (const std::string_view line :
       {R"({"vector": [1, 2])", R"({"vector": [1, 2]} x)", R"({"vector": [1, NaN]})", "\xFF",
        R"({'vector': [1, 2]})", "{\"vector\": [1, 2], \"id\": \"\xC3\x28\"}",
        "{\"vector\": [1, 2], \"id\": \"\x01\"}", R"({"vector": [1, 1e999999999999]})"}) {
    const std::string message = refusal(str_cat(first, line, "\n"));
    EXPECT_TRUE(message.starts_with("line 2 at byte ")) << line << ": " << message;
    EXPECT_NE(message.find(": not JSON: "), std::string::npos) << line << ": " << message;
  }
  EXPECT_TRUE(
      refusal(str_cat(first, R"({"vector": [1, 2]} x)")).starts_with("line 2 at byte 38: "));
}

TEST_F(VectorLinesTest, RefusesWhatWouldTakeTooMuch) {
  const std::string nested(1'000, '[');
  EXPECT_NE(
      refusal(str_cat("{\"vector\": [1], \"metadata\": {\"a\": ", nested, "\n")).find("not JSON"),
      std::string::npos);
  EXPECT_EQ(refusal(str_cat("{\"vector\": [1], \"id\": \"", std::string(1'025, 'x'), "\"}")),
            "line 1 at byte 0: an id of 1025 bytes, expected 1 to 1024");
  EXPECT_EQ(refusal(std::string(VectorInput::kMaxLineBytes + 1, ' ')),
            str_cat("line 1 at byte 0: over ", VectorInput::kMaxLineBytes, " bytes"));
  EXPECT_EQ(refusal(std::string(VectorInput::kMaxLineBytes, ' ')), "line 1 at byte 0: no vectors");
  std::string values = "[0";
  for (int i = 0; i < 8'192; ++i) values += ",0";
  EXPECT_EQ(refusal(str_cat("{\"vector\": ", values, "]}")),
            "line 1 at byte 0: a vector of 8193 values, expected 1 to 8192");
  std::string fields = "\"0\": 0";
  for (int i = 1; i <= 256; ++i) fields += str_cat(", \"", i, "\": 0");
  EXPECT_EQ(refusal(str_cat("{\"vector\": [1], \"metadata\": {", fields, "}}")),
            "line 1 at byte 0: metadata of 257 fields, over 256");
}

TEST_F(VectorLinesTest, RefusesAFileWithoutVectors) {
  EXPECT_EQ(refusal(""), "line 1 at byte 0: no vectors");
  EXPECT_EQ(refusal("\n\n"), "line 1 at byte 0: no vectors");
}

// Lines of every length across the edges of the buffer, and one without an end.
TEST_F(VectorLinesTest, ReadsLinesAcrossBuffers) {
  SeededRandom random(3);
  std::string text;
  std::vector<std::string> fillings;
  for (int i = 0; i < 300; ++i) {
    fillings.emplace_back(random.below(5'000), static_cast<char>('a' + i % 26));
    text += str_cat("{\"vector\": [", i, "], \"metadata\": {\"f\": \"", fillings.back(), "\"}}\n");
  }
  text.pop_back();
  const auto records = read(text);
  ASSERT_TRUE(records.ok()) << records.error().message;
  ASSERT_EQ(records->size(), fillings.size());
  for (std::size_t i = 0; i < fillings.size(); ++i) {
    ASSERT_EQ((*records)[i].values[0], static_cast<float>(i));
    ASSERT_EQ((*records)[i].metadata[0].second, MetadataValue(fillings[i]));
  }
}

}  // namespace
}  // namespace kedge
