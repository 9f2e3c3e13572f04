#include "format/index_state.h"

#include <gtest/gtest.h>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

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

Status parse(ByteView bytes) {
  const auto state = IndexState::parse(bytes);
  return state.ok() ? Status() : Status(state.error());
}

IndexState small_state() {
  SeededRandom random(77);
  IndexState state = test::random_state(random, 2, 5);
  state.next_source = 9;
  return state;
}

// Every rule is one for writers too: check() refuses what parse() refuses.
TEST(IndexState, RefusesEachBrokenRule) {
  const auto plane = [](SegmentEntry& entry, Plane p) -> Extent& {
    return entry.planes[static_cast<std::size_t>(p)];
  };
  const struct {
    std::string_view message;
    std::function<void(IndexState&)> change;
  } cases[] = {
      {"space twice", [](IndexState& s) { s.spaces.push_back(s.spaces[0]); }},
      {"number is zero", [](IndexState& s) { s.sources[0].number = 0; }},
      {"numbers are not increasing", [](IndexState& s) { std::swap(s.sources[0], s.sources[1]); }},
      {"number is not below the next", [](IndexState& s) { s.next_source = s.sources[1].number; }},
      {"uri twice", [](IndexState& s) { s.sources[1].uri = s.sources[0].uri; }},
      {"bad length of the uri", [](IndexState& s) { s.sources[0].uri.clear(); }},
      {"include patterns", [](IndexState& s) { s.sources[0].include = {""}; }},
      {"exclude patterns", [](IndexState& s) { s.sources[0].exclude = {""}; }},
      {"more racy objects", [](IndexState& s) { s.sources[0].racy_objects = 5000; }},
      {"more objects by status", [](IndexState& s) { s.sources[0].failed_objects = UINT64_MAX; }},
      {"more objects by status", [](IndexState& s) { s.sources[0].pending_objects = 4000; }},
      {"source 1: names a space that is not there",
       [](IndexState& s) { s.sources[0].recipe.space = test::number_id(3); }},
      {"id is zero", [](IndexState& s) { s.segments[0].id = {}; }},
      {"id twice", [](IndexState& s) { s.segments[0].id = s.segments[1].id; }},
      {"names a space that is not there",
       [](IndexState& s) { s.segments[0].space = test::number_id(3); }},
      {"space is zero", [](IndexState& s) { s.segments[0].space = {}; }},
      {"names a tree that is not there",
       [](IndexState& s) { s.segments[0].tree = test::number_id(3); }},
      {"names a tree that is not there",
       [](IndexState& s) {
         s.spaces.push_back(test::test_space(5));
         s.trees[0].space = s.spaces[1].id();
       }},
      {"a tree is named without rows",
       [](IndexState& s) {
         s.segments[0].rows = 0;
         s.segments[0].tree = s.trees[0].id;
       }},
      {"id is zero", [](IndexState& s) { s.trees[0].id = {}; }},
      {"space is zero", [](IndexState& s) { s.trees[0].space = {}; }},
      {"id twice", [](IndexState& s) { s.trees[1].id = s.trees[0].id; }},
      {"names a space that is not there",
       [](IndexState& s) { s.trees[0].space = test::number_id(3); }},
      {"the space has two already",
       [](IndexState& s) {
         s.trees.push_back(s.trees[0]);
         s.trees[2].id = test::number_id(9);
       }},
      {"leaves out of range", [](IndexState& s) { s.trees[0].leaves = 0; }},
      {"leaves out of range", [](IndexState& s) { s.trees[1].leaves = kMaxLists + 1; }},
      {"bytes out of range", [](IndexState& s) { s.trees[0].bytes = 0; }},
      {"bytes out of range", [](IndexState& s) { s.trees[0].bytes = kMaxSegmentBytes + 1; }},
      {"too many probe points", [](IndexState& s) { s.trees[0].points.resize(17); }},
      {"recalls are not increasing",
       [](IndexState& s) {
         s.trees[0].points = {{900, 1, 0}, {900, 2, 0}};
       }},
      {"recalls are not increasing",
       [](IndexState& s) {
         s.trees[0].points = {{0, 1, 0}};
       }},
      {"recalls are not increasing",
       [](IndexState& s) {
         s.trees[0].points = {{1001, 1, 0}};
       }},
      {"probes out of order or range",
       [](IndexState& s) {
         s.trees[0].points = {{900, 2, 0}, {950, 1, 0}};
       }},
      {"probes out of order or range",
       [](IndexState& s) {
         s.trees[0].points = {{900, 0, 0}};
       }},
      {"probes out of order or range",
       [](IndexState& s) {
         s.trees[0].points = {{900, s.trees[0].leaves + 1, 0}};
       }},
      {"objects out of range", [](IndexState& s) { s.segments[0].objects = 0; }},
      {"rows out of range", [](IndexState& s) { s.segments[0].rows = kMaxSegmentRows + 1; }},
      {"level out of range", [](IndexState& s) { s.segments[0].level = kMaxLevel + 1; }},
      {"bad length of a bound", [](IndexState& s) { s.segments[0].lower = "abcd"; }},
      {"lower bound above", [](IndexState& s) { s.segments[0].lower = "\xFF\xFF\xFF\xFF\xFF"; }},
      {"file is too small", [](IndexState& s) { s.segments[0].bytes = 64; }},
      {"file is too large", [](IndexState& s) { s.segments[0].bytes = kMaxSegmentBytes + 1; }},
      {"planes do not fill the file", [](IndexState& s) { s.segments[0].bytes += 64; }},
      {"planes do not follow",
       [&](IndexState& s) { plane(s.segments[0], Plane::kKeys).offset += 64; }},
      {"bad size of a plane", [&](IndexState& s) { plane(s.segments[0], Plane::kDocs).size = 1; }},
      {"a plane that this version",
       [&](IndexState& s) { plane(s.segments[0], Plane::kTerms).size = 64; }},
      {"bad size of a plane",
       [&](IndexState& s) { plane(s.segments[0], Plane::kCodes).size = 32; }},
      {"planes do not follow",
       [&](IndexState& s) { plane(s.segments[0], Plane::kRefine).offset -= 64; }},
      {"there without rows, or missing",
       [&](IndexState& s) { plane(s.segments[0], Plane::kText) = {}; }},
      {"inlined directory of another size",
       [](IndexState& s) { s.segments[0].directory.resize(9); }},
      {"inlined directory does not match",
       [](IndexState& s) { s.segments[0].directory[9] ^= std::byte{1}; }},
      {"del file without size",
       [](IndexState& s) {
         s.segments[0].del_bytes ^= 1;
         s.segments[0].del_file = {};
       }},
      {"del file without size",
       [](IndexState& s) {
         s.segments[0].del_file = test::number_id(4);
         s.segments[0].del_bytes = 9;
         s.segments[0].del_count = 0;
       }},
      {"dead object out of range",
       [](IndexState& s) { s.segments[0].dead = {s.segments[0].objects}; }},
      {"dead objects are not increasing",
       [](IndexState& s) {
         s.segments[0].dead = {0, 0};
       }},
      {"more dead objects than objects",
       [](IndexState& s) {
         s.segments[0].del_file = test::number_id(4);
         s.segments[0].del_bytes = 9;
         s.segments[0].del_count = s.segments[0].objects;
         s.segments[0].dead = {0};
       }},
      {"too many inlined dead",
       [](IndexState& s) { s.segments[0].dead.resize(kMaxInlineDead + 1); }}};
  const IndexState good = small_state();
  ASSERT_EQ(good.trees.size(), 2U);
  ASSERT_TRUE(good.check().ok()) << good.check().error().message;
  for (const auto& [message, change] : cases) {
    SCOPED_TRACE(message);
    IndexState bad = good;
    change(bad);
    const Status check = bad.check();
    ASSERT_FALSE(check.ok());
    EXPECT_EQ(check.code(), Code::kInvalid);
    EXPECT_THAT(check.error().message, testing::HasSubstr(std::string(message)));
    test::expect_corrupt(parse(bad.encode()), message);
  }
}

TEST(IndexState, RefusesEachBrokenRuleOfItsFrame) {
  const Bytes good = small_state().encode();
  test::expect_each_refused(good,
                            {{0, 'X', 1, "wrong magic"},
                             {4, 1, 2, "version 1 is not known"},
                             {6, 1, 2, "reserved bytes are not zero at offset 6"},
                             {12, kMaxSpaces + 1, 4, "too many spaces at offset 12"},
                             {16, kMaxSources + 1, 4, "too many sources at offset 16"},
                             {20, kMaxTrees + 1, 4, "too many trees at offset 20"},
                             {24, kMaxSegments + 1, 4, "too many segments at offset 24"},
                             {24, 2, 4, "bytes behind the last segment"}},
                            parse);
  test::expect_hostile_safe(good, 22, parse);
}

// What lies inline in the head is bounded over all segments.
TEST(IndexState, BoundsWhatIsInlinedTogether) {
  IndexState state;
  state.spaces = {test::test_space(4)};
  SegmentBuilder builder(4, state.spaces[0].id());
  SeededRandom random(6);
  for (IndexedObject& object : test::random_objects(random, 1100, 0, 4))
    ASSERT_TRUE(builder.add(std::move(object)).ok());
  test::TestCoder coder(4);
  const auto built = std::move(builder).finish(test::number_id(1), 0, coder);
  const ByteView directory = test::plane_bytes(built, Plane::kDirectory);
  for (std::uint8_t i = 1; i <= 9; ++i) {
    SegmentEntry entry = built.entry;
    entry.id = test::number_id(i);
    for (std::uint32_t n = 0; n < kMaxInlineDead; ++n) entry.dead.push_back(n);
    state.segments.push_back(entry);
    EXPECT_EQ(state.check().ok(), i <= 8) << i;
    EXPECT_EQ(parse(state.encode()).ok(), i <= 8) << i;
  }
  for (SegmentEntry& entry : state.segments) entry.dead.clear();
  const std::size_t fit = kMaxInlineDirectories / directory.size();
  for (std::size_t i = 0; state.segments.size() <= fit; ++i) {
    state.segments.push_back(built.entry);
    state.segments.back().id = test::number_id(static_cast<std::uint8_t>(100 + i));
  }
  for (std::size_t i = 0; i <= fit; ++i) {
    state.segments[i].directory.assign(directory.begin(), directory.end());
    EXPECT_EQ(state.check().ok(), i < fit) << i;
  }
}

TEST(IndexState, NamesEveryFileOnceInOrder) {
  IndexState state;
  SegmentEntry entry;
  entry.id = test::number_id(0xF0);
  entry.bytes = 4096;
  entry.del_file = test::number_id(0x07);
  entry.del_bytes = 90;
  state.segments.push_back(entry);
  TreeEntry tree;
  tree.id = test::number_id(0x02);
  tree.bytes = 700;
  state.trees.push_back(tree);
  const std::string id = test::number_id(0xF0).hex();
  EXPECT_EQ(entry.file_key(), str_cat("seg/f0/", id));
  EXPECT_EQ(entry.del_key(), str_cat("del/", id, "-", test::number_id(0x07).hex()));
  const std::vector<FileRef> expected = {{.key = entry.del_key(), .size = 90},
                                         {.key = entry.file_key(), .size = 4096},
                                         {.key = "tree/" + tree.id.hex(), .size = 700}};
  EXPECT_EQ(state.files(), expected);
}

// A switch to a new tree is one commit: the newest of a space comes first, the old one stays while
// a segment names it.
TEST(IndexState, FindsTreesByIdAndSpace) {
  IndexState state;
  state.spaces = {test::test_space(4), test::test_space(5)};
  SeededRandom random(8);
  for (const int space : {0, 1, 0})
    state.trees.push_back(
        test::random_tree(random, state.spaces[static_cast<std::size_t>(space)].id()));
  EXPECT_TRUE(state.check().ok()) << state.check().error().message;
  for (const TreeEntry& tree : state.trees) EXPECT_EQ(state.tree(tree.id), &tree);
  EXPECT_EQ(state.tree(test::number_id(1)), nullptr);
  EXPECT_EQ(state.newest_tree(state.spaces[0].id()), &state.trees[0]);
  EXPECT_EQ(state.newest_tree(state.spaces[1].id()), &state.trees[1]);
  EXPECT_EQ(state.newest_tree(test::number_id(1)), nullptr);
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
