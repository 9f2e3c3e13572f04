#include "format/index_state.h"

#include <gtest/gtest.h>

#include "format/format_test_data.h"

namespace kedge {
namespace {

TEST(IndexState, ReadsBackWhatWasWritten) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(str_cat("seed ", seed));
    SeededRandom random(seed);
    const IndexState state = test::random_state(random, seed % 5, seed % 7);
    ASSERT_TRUE(state.check().ok()) << state.check().error().message;
    const auto read = IndexState::parse(state.encode());
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*read, state);
  }
  EXPECT_EQ(IndexState::parse(IndexState{}.encode()).value(), IndexState{});
}

TEST(IndexState, NamesEveryFileOnceInOrder) {
  IndexState state;
  SegmentEntry entry;
  entry.id = test::number_id(0xF0);
  entry.bytes = 4096;
  entry.del_file = test::number_id(0x07);
  entry.del_bytes = 90;
  state.segments.push_back(entry);
  const std::string id = test::number_id(0xF0).hex();
  EXPECT_EQ(entry.file_key(), str_cat("seg/f0/", id));
  EXPECT_EQ(entry.del_key(), str_cat("del/", id, "-", test::number_id(0x07).hex()));
  const std::vector<FileRef> expected = {{.key = entry.del_key(), .size = 90},
                                         {.key = entry.file_key(), .size = 4096}};
  EXPECT_EQ(state.files(), expected);
}

// The sum must not depend on the order, must carry between its halves, and must come back to zero.
TEST(SetHash, IsAGroup) {
  SeededRandom random(5);
  std::vector<SetHash> hashes;
  for (int i = 0; i < 100; ++i)
    hashes.push_back(SetHash::of(str_cat("key", i), "tag", random.next(), {i}));
  SetHash forward;
  SetHash backward;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    forward.add(hashes[i]);
    backward.add(hashes[hashes.size() - 1 - i]);
  }
  EXPECT_EQ(forward, backward);
  for (const SetHash& hash : hashes) forward.subtract(hash);
  EXPECT_EQ(forward, SetHash{});
  SetHash carry{.low = ~std::uint64_t{0}, .high = 1};
  carry.add({.low = 1, .high = 0});
  EXPECT_EQ(carry, (SetHash{.low = 0, .high = 2}));
  EXPECT_EQ(carry.hex(), "00000000000000020000000000000000");
  carry.subtract({.low = 1, .high = 0});
  EXPECT_EQ(carry, (SetHash{.low = ~std::uint64_t{0}, .high = 1}));
}

// Each of the four fields counts, and none can be moved into its neighbour.
TEST(SetHash, TellsFieldsApart) {
  const SetHash one = SetHash::of("ab", "c", 5, {7});
  EXPECT_EQ(one, SetHash::of("ab", "c", 5, {7}));
  EXPECT_FALSE(one == SetHash::of("a", "bc", 5, {7}));
  EXPECT_FALSE(one == SetHash::of("ab", "d", 5, {7}));
  EXPECT_FALSE(one == SetHash::of("ab", "c", 6, {7}));
  EXPECT_FALSE(one == SetHash::of("ab", "c", 5, {8}));
}

TEST(Recipe, EveryFieldChangesItsId) {
  std::array<Recipe, 6> others;
  others[0].extractor_version = 1;
  others[1].chunker_version = 1;
  others[2].max_tokens = 1;
  others[3].target_tokens = 1;
  others[4].max_object_bytes = 1;
  others[5].space = test::number_id(1);
  for (const Recipe& other : others) EXPECT_NE(other.id(), Recipe{}.id());
}

}  // namespace
}  // namespace kedge
