// The rules of the file of a tree, each broken on its own.
#include "format/tree_file.h"

#include <gtest/gtest.h>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

TreeBody random_body(Random& random, std::uint32_t leaves, std::uint32_t nodes) {
  TreeBody tree;
  tree.id = test::number_id(0x77);
  tree.space = test::number_id(0x55);
  tree.padded = static_cast<std::uint32_t>(64 * (1 + random.below(4)));
  for (std::uint32_t n = 0; n < nodes; ++n) tree.first_leaf.push_back(n * (leaves / nodes));
  for (std::uint32_t i = 0; i < leaves * tree.padded; ++i)
    tree.centroids.push_back(test::random_half(random));
  for (std::uint32_t leaf = 0; leaf < leaves; ++leaf)
    tree.penalties.push_back(0.5F * static_cast<float>(leaf));
  return tree;
}

Status parse(ByteView bytes) {
  const auto tree = parse_tree(bytes, test::number_id(0x77));
  return tree.ok() ? Status() : Status(tree.error());
}

void reseal(Bytes& bytes) {
  const std::uint32_t crc = crc32c(ByteView(bytes).first(bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &crc, sizeof crc);
}

TEST(TreeFile, ReadsBackWhatWasWritten) {
  const std::pair<std::uint32_t, std::uint32_t> cases[] = {{1, 1},   {2, 1},    {2, 2},
                                                           {40, 15}, {100, 16}, {100, 17}};
  std::uint64_t seed = 1;
  for (const auto& [leaves, nodes] : cases) {
    SCOPED_TRACE(str_cat(leaves, " leaves, ", nodes, " nodes, seed ", seed));
    SeededRandom random(seed++);
    const TreeBody tree = random_body(random, leaves, nodes);
    const Bytes bytes = encode_tree(tree);
    EXPECT_EQ(bytes.size(),
              64 + (4 * (nodes + leaves) + 63) / 64 * 64 + 2 * tree.padded * leaves + 4);
    const auto read = parse_tree(bytes, tree.id);
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*read, tree);
    EXPECT_EQ(read->leaves(), leaves);
  }
}

TEST(TreeFile, RefusesEachBrokenRule) {
  SeededRandom random(9);
  const TreeBody tree = random_body(random, 6, 3);
  const Bytes good = encode_tree(tree);
  test::expect_each_refused(good,
                            {{0, 'X', 1, "wrong magic"},
                             {4, 1, 2, "version 1 is not known"},
                             {6, 1, 2, "reserved bytes are not zero at offset 6"},
                             {8, 1, 1, "is the file of another tree at offset 8"},
                             {40, 0, 4, "dimension out of range at offset 40"},
                             {40, 65, 4, "dimension out of range"},
                             {40, kMaxDimension + 64, 4, "dimension out of range"},
                             {40, tree.padded + 64, 4, "bad size"},
                             {44, 0, 4, "leaves out of range at offset 44"},
                             {44, kMaxLists + 1, 4, "leaves out of range"},
                             {44, kMaxLists, 4, "bad size"},
                             {44, 5, 4, "bad size"},
                             {48, 0, 4, "upper nodes out of range at offset 48"},
                             {48, 7, 4, "upper nodes out of range at offset 48"},
                             {48, 2, 4, "padding is not zero at offset 96"},
                             {52, 1, 1, "reserved bytes are not zero at offset 52"},
                             {63, 1, 1, "reserved bytes are not zero at offset 52"},
                             {64, 1, 4, "first leaves are not increasing from zero at offset 64"},
                             {68, 0, 4, "first leaves are not increasing from zero at offset 68"},
                             {72, 2, 4, "first leaves are not increasing from zero at offset 72"},
                             {72, 6, 4, "first leaves are not increasing from zero at offset 72"},
                             {76, 0x7F800000, 4, "penalty out of range at offset 76"},
                             {96, 0x80000000, 4, "penalty out of range at offset 96"},
                             {101, 1, 1, "padding is not zero at offset 100"},
                             {128, 0x7C00, 2, "a value is NaN or infinite at offset 128"},
                             {good.size() - 6, 0xFE00, 2, "a value is NaN or infinite"}},
                            parse, reseal);
  TreeBody of_no_space = tree;
  of_no_space.space = {};
  test::expect_corrupt(parse(encode_tree(of_no_space)), "space is zero at offset 24");
  test::expect_corrupt(parse_tree(good, test::number_id(1)).error(), "is the file of another tree");
}

TEST(TreeFile, SeesEveryFlippedBit) {
  SeededRandom random(10);
  const Bytes good = encode_tree(random_body(random, 2, 1));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(parse(bad).ok()) << "bit " << bit;
  }
  test::expect_hostile_safe(good, 48, parse);
}

// Sealed again, so that the checksum does not stand before the rules.
TEST(TreeFile, StandsHostileBytes) {
  SeededRandom random(11);
  const Bytes good = encode_tree(random_body(random, 5, 2));
  test::expect_hostile_safe(ByteView(good).first(good.size() - 4), 49, [](ByteView bytes) {
    Bytes sealed(bytes.begin(), bytes.end());
    sealed.resize(sealed.size() + 4);
    reseal(sealed);
    return parse(sealed);
  });
}

}  // namespace
}  // namespace kedge
