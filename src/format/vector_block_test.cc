// The rules of a vector block, each broken on its own.
#include <gtest/gtest.h>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

class VectorBlockTest : public testing::Test {
 protected:
  // Five dimensions: a row of 18 bytes in a stride of 24.
  VectorBlockTest() {
    auto objects = test::small_objects();
    for (IndexedObject& object : objects) object.vectors.resize(object.chunks.size() * 5);
    const auto built = test::build(objects, 5);
    directory_ = SegmentDirectory::parse(test::plane_bytes(built, Plane::kDirectory)).value();
    const ByteView bytes = test::page_bytes(built, directory_.vectors[0]);
    block_.assign(bytes.begin(), bytes.end());
  }
  Status parse(ByteView bytes, std::uint32_t first = 0) const {
    const auto parsed = VectorBlock::parse(bytes, first, directory_);
    return parsed.ok() ? Status() : Status(parsed.error());
  }

  SegmentDirectory directory_;
  Bytes block_;
};

TEST_F(VectorBlockTest, RefusesEachBrokenRule) {
  constexpr std::size_t kStride = 24;
  constexpr std::size_t kRows = 64;
  test::expect_each_refused(
      block_,
      {{0, 'X', 1, "wrong magic"},
       {4, 9, 2, "version 9 is not known"},
       {6, 1, 2, "reserved bytes are not zero at offset 6"},
       {8, 2, 4, "bad number of rows"},
       {12, 64, 4, "another block than was asked for"},
       {16, 4, 4, "dimension differs from the directory's"},
       {20, 32, 4, "bad stride"},
       {24, 1, 1, "reserved bytes are not zero at offset 24"},
       {63, 1, 1, "reserved bytes are not zero at offset 24"},
       {kRows, 3, 4, "object or chunk number out of range at offset 64"},
       {kRows + 4, kMaxChunksPerObject, 4, "object or chunk number out of range"},
       {kRows + 4, 1, 4, "rows are not in order of object and chunk at offset 88"},
       {kRows + kStride + 4, 2, 4, "rows are not in order of object and chunk"},
       {kRows + 2 * kStride, 0, 4, "rows are not in order of object and chunk"},
       {kRows + 2 * kStride + 4, 1, 4, "rows are not in order of object and chunk"},
       {kRows + 8, 0x7C00, 2, "a value is NaN or infinite at offset 72"},
       {kRows + 16, 0x7E01, 2, "a value is NaN or infinite"},
       {kRows + kStride + 10, 0xFC00, 2, "a value is NaN or infinite"},
       {kRows + 18, 1, 1, "padding of a row is not zero at offset 82"},
       {block_.size() - 1, 1, 1, "padding is not zero at offset 136"}},
      [&](ByteView bytes) { return parse(bytes); });
  test::expect_corrupt(parse(block_, 64), "another block than was asked for");
  block_.resize(block_.size() + 64);
  test::expect_corrupt(parse(block_), "bad size");
}

// Of the lists of a tree, any row may follow any other.
TEST_F(VectorBlockTest, TakesRowsOfListsInAnyOrder) {
  directory_.lists.resize(2);
  test::expect_each_refused(block_,
                            {{64, 3, 4, "object or chunk number out of range at offset 64"},
                             {68, kMaxChunksPerObject, 4, "object or chunk number out of range"}},
                            [&](ByteView bytes) { return parse(bytes); });
  EXPECT_TRUE(parse(test::patched(block_, {64, 2, 4, ""})).ok());
  EXPECT_TRUE(parse(test::patched(block_, {68, 9, 4, ""})).ok());
}

TEST_F(VectorBlockTest, StandsHostileBytes) {
  test::expect_hostile_safe(block_, 14, [&](ByteView bytes) { return parse(bytes); });
}

// Each of the four lanes of a word, and of the words that are not full.
TEST(AllFinite, SeesEveryPlace) {
  for (std::size_t count = 1; count <= 13; ++count) {
    for (std::size_t at = 0; at < count; ++at) {
      std::vector<std::uint16_t> halves(count, 0xFBFF);
      const auto finite = [&] { return all_finite(std::as_bytes(std::span(halves))); };
      EXPECT_TRUE(finite());
      for (const int bad : {0x7C00, 0xFC00, 0x7C01, 0xFFFF}) {
        halves[at] = static_cast<std::uint16_t>(bad);
        EXPECT_FALSE(finite()) << count << ", " << at << ", " << bad;
      }
    }
  }
}

}  // namespace
}  // namespace kedge
