// What a sink sees of a writer, and what a writer refuses.
#include "format/segment_writer.h"

#include <gtest/gtest.h>

#include <limits>

#include "format/format_test_data.h"

namespace kedge {
namespace {

// Takes `good` writes, then none. Sees that no byte is written twice.
class FailingSink final : public SegmentSink {
 public:
  explicit FailingSink(std::size_t good) : good_(good) {}
  Status write(std::uint64_t offset, ByteView bytes) override {
    ++writes;
    if (writes > good_) return {Code::kExhausted, "no space left"};
    if (written_.size() < offset + bytes.size()) written_.resize(offset + bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_FALSE(written_[offset + i]) << "byte " << offset + i << " is written again";
      written_[offset + i] = true;
    }
    return {};
  }
  [[nodiscard]] bool whole() const {
    return std::find(written_.begin(), written_.end(), false) == written_.end();
  }
  [[nodiscard]] std::size_t bytes() const { return written_.size(); }
  std::size_t writes = 0;

 private:
  std::size_t good_;
  std::vector<bool> written_;
};

// Every write may fail: the header, a page of each plane, a run, a block, the directory, the tail.
TEST(SegmentWriter, EndsWithTheFirstErrorOfItsSink) {
  SeededRandom random(3);
  const auto objects = test::in_key_order(test::random_objects(random, 150, 4, 5));
  const auto list_of = test::random_lists(random, objects, 9);
  FailingSink all(std::numeric_limits<std::size_t>::max());
  const auto entry = test::write_lists(objects, 5, 9, list_of, all);
  ASSERT_TRUE(entry.ok()) << entry.error().message;
  EXPECT_TRUE(all.whole());
  EXPECT_EQ(all.bytes(), entry->bytes);
  ASSERT_GT(all.writes, 30U);
  for (std::size_t good = 0; good < all.writes; ++good) {
    FailingSink sink(good);
    const auto cut = test::write_lists(objects, 5, 9, list_of, sink);
    ASSERT_FALSE(cut.ok()) << good;
    EXPECT_EQ(cut.error().code, Code::kExhausted);
    EXPECT_EQ(sink.writes, good + 1);
  }
}

// What it keeps of attributes is bounded: a segment with too many has none, and is otherwise whole.
TEST(SegmentWriter, LeavesOutAttributesThatPassTheirBound) {
  SeededRandom random(5);
  const auto objects = test::in_key_order(test::random_objects(random, 150, 2, 5));
  const auto list_of = test::random_lists(random, objects, 3);
  MemorySink with_sink;
  const auto with = test::write_lists(objects, 5, 3, list_of, with_sink).value();
  MemorySink without_sink;
  const auto without = test::write_lists(objects, 5, 3, list_of, without_sink, 2000).value();
  const Extent plane = with.planes[static_cast<std::size_t>(Plane::kAttributes)];
  ASSERT_GT(plane.size, 0U);
  EXPECT_EQ(without.planes[static_cast<std::size_t>(Plane::kAttributes)], Extent{});
  const Bytes file = std::move(without_sink).take();
  EXPECT_EQ(parse_segment_tail(ByteView(file).last(kSegmentTailBytes), file.size()).value(),
            without);
  const Extent extent = without.planes[static_cast<std::size_t>(Plane::kDirectory)];
  const auto directory =
      SegmentDirectory::parse(ByteView(file).subspan(extent.offset, extent.size)).value();
  EXPECT_TRUE(directory.matches(without).ok());
  EXPECT_EQ(directory.lists[0].offset + plane.size,
            with.planes[static_cast<std::size_t>(Plane::kCodes)].offset);
}

// A page is fetched with a size of 32 bits, and so is a run of codes.
TEST(SegmentWriter, RefusesAListThatNoPageCanBe) {
  MemorySink sink;
  SegmentWriter writer(test::number_id(1), kMaxDimension, sink);
  ObjectRow row;
  row.source = 1;
  row.key = "k";
  ASSERT_TRUE(writer.add_object(row, kMaxSegmentRows).ok());
  const std::uint32_t rows = kMaxSegmentRows;
  const Status status = writer.begin_rows({&rows, 1});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_EQ(status.error().message, "a list of 16777216 rows is too large");
}

TEST(SegmentWriter, RefusesMoreRowsThanASegmentHas) {
  MemorySink sink;
  SegmentWriter writer(test::number_id(1), 1, sink);
  ObjectRow row;
  row.source = 1;
  row.key = "k";
  ASSERT_TRUE(writer.add_object(row, kMaxSegmentRows).ok());
  row.key = "l";
  const Status status = writer.add_object(row, 1);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), Code::kInvalid);
  row.key = "m";
  EXPECT_TRUE(writer.add_object(row, 0).ok());
}

// A caller's bug must end here, not in a file that no reader takes.
TEST(SegmentWriterDeathTest, StopsAtCallsOutOfOrder) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::vector<std::uint16_t> values(64);
  const std::vector<std::byte> bits(32);
  const CodedRow row{.values = values.data(), .bits = bits.data(), .extra = bits.data()};
  const auto with_rows = [&](std::uint32_t rows, std::uint32_t promised) {
    MemorySink sink;
    SegmentWriter writer(test::number_id(1), 1, sink);
    (void)writer.add_object(test::small_objects()[0].row, promised);
    (void)writer.begin_rows({&promised, 1});
    (void)writer.begin_list(values.data());
    for (std::uint32_t i = 0; i < rows; ++i) (void)writer.add_row(row);
    for (std::uint32_t i = 0; i < promised; ++i) (void)writer.add_chunk({}, i);
    (void)std::move(writer).finish(test::number_id(2), {}, 0);
  };
  with_rows(2, 2);
  EXPECT_DEATH(with_rows(1, 2), "check failed");
  EXPECT_DEATH(with_rows(3, 2), "check failed");
}

}  // namespace
}  // namespace kedge
