// What a builder refuses: each limit of format/rows.h and each rule of a vector, naming the key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/format_test_data.h"

namespace kedge {
namespace {

using testing::HasSubstr;

TEST(SegmentBuilder, RefusesWhatAReaderWouldRefuse) {
  const struct {
    std::string_view message;
    std::function<void(IndexedObject&)> change;
  } cases[] = {
      {"key is empty or too long", [](IndexedObject& o) { o.row.key.clear(); }},
      {"key is empty or too long",
       [](IndexedObject& o) { o.row.key.assign(kMaxObjectKey + 1, 'k'); }},
      {"tag has 4097 bytes", [](IndexedObject& o) { o.row.tag.assign(kMaxField + 1, 't'); }},
      {"version id has", [](IndexedObject& o) { o.row.version_id.assign(kMaxField + 1, 't'); }},
      {"media type has", [](IndexedObject& o) { o.row.media_type.assign(kMaxField + 1, 't'); }},
      {"charset has", [](IndexedObject& o) { o.row.charset.assign(kMaxField + 1, 't'); }},
      {"title has", [](IndexedObject& o) { o.row.title.assign(kMaxField + 1, 't'); }},
      {"reason has", [](IndexedObject& o) { o.row.reason.assign(kMaxField + 1, 't'); }},
      {"unknown status", [](IndexedObject& o) { o.row.status = static_cast<ObjectStatus>(9); }},
      {"not increasing",
       [](IndexedObject& o) {
         o.row.metadata = {{"b", ""}, {"a", ""}};
       }},
      {"metadata is too long",
       [](IndexedObject& o) {
         o.row.metadata = {{std::string(kMaxField + 1, 'n'), ""}};
       }},
      {"metadata has over 64",
       [](IndexedObject& o) {
         for (char c = 0; c <= 64; ++c) o.row.metadata.emplace_back(std::string(1, c), "");
       }},
      {"chunk 1: begins behind its end", [](IndexedObject& o) { o.chunks[1].end = 0; }},
      {"chunk 0: first line behind the last", [](IndexedObject& o) { o.chunks[0].line_last = 0; }},
      {"chunk 0: first record behind the last",
       [](IndexedObject& o) { o.chunks[0].row_first = 1; }},
      {"chunk 0: context is too long",
       [](IndexedObject& o) { o.chunks[0].context.assign(kMaxField + 1, 'c'); }},
      {"has 9 values for 2 chunks of 4 dimensions",
       [](IndexedObject& o) { o.vectors.push_back(0); }},
      {"has 8 values for 1 chunks", [](IndexedObject& o) { o.chunks.pop_back(); }},
      {"NaN or infinite", [](IndexedObject& o) { o.vectors[7] = 0x7C00; }},
      {"NaN or infinite", [](IndexedObject& o) { o.vectors[0] = 0xFE00; }}};
  SegmentBuilder builder(test::kSmallDimension, test::number_id(1));
  for (const auto& [message, change] : cases) {
    SCOPED_TRACE(message);
    IndexedObject object = test::small_objects()[0];
    change(object);
    const std::string key = printable(object.row.key);
    const Status status = builder.add(std::move(object));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_THAT(status.error().message, HasSubstr(std::string(message)));
    EXPECT_THAT(status.error().message, HasSubstr(str_cat("object '", key)));
  }
  EXPECT_EQ(builder.objects(), 0U);
  EXPECT_EQ(builder.rows(), 0U);
  EXPECT_EQ(builder.memory_bytes(), 0U);
}

TEST(SegmentBuilder, CountsWhatItHolds) {
  SegmentBuilder builder(test::kSmallDimension, test::number_id(1));
  std::uint64_t before = 0;
  for (IndexedObject& object : test::small_objects()) {
    const std::size_t least =
        object.row.key.size() + object.chunks.size() * sizeof(ChunkRow) + object.vectors.size() * 2;
    ASSERT_TRUE(builder.add(std::move(object)).ok());
    EXPECT_GT(builder.memory_bytes(), before + least);
    before = builder.memory_bytes();
  }
  EXPECT_EQ(builder.objects(), 3U);
  EXPECT_EQ(builder.rows(), 3U);
}

// A caller's bug must end here, not in a file that no reader takes.
TEST(SegmentBuilderDeathTest, StopsAtTwoObjectsOfOneKey) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        SegmentBuilder builder(test::kSmallDimension, test::number_id(1));
        (void)builder.add(test::small_objects()[0]);
        (void)builder.add(test::small_objects()[0]);
        test::TestCoder coder(test::kSmallDimension);
        (void)std::move(builder).finish(test::number_id(2), 0, coder);
      },
      "check failed");
}

}  // namespace
}  // namespace kedge
