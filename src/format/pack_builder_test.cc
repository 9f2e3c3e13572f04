// A pack that is built row by row is the one that is encoded at once, whatever room was made for it
// and whichever rows came twice.
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "base/strings.h"
#include "format/pack.h"

namespace kedge {
namespace {

constexpr std::uint32_t kDimension = 5;

struct Rows {
  std::vector<Id128> hashes;
  std::vector<std::uint16_t> vectors;

  void add(const Id128& hash, Random& random) {
    hashes.push_back(hash);
    for (std::uint32_t d = 0; d < kDimension; ++d)
      vectors.push_back(static_cast<std::uint16_t>(random.below(0x7C00)));
  }
  [[nodiscard]] std::span<const std::uint16_t> row(std::size_t i) const {
    return std::span(vectors).subspan(i * kDimension, kDimension);
  }
};

TEST(PackBuilder, MakesThePackOfTheRowsThatCameFirst) {
  const struct {
    const char* what;
    std::uint32_t rows;
    std::uint32_t twice;  // of them
    std::uint32_t room;   // beyond them
  } cases[] = {{"one row", 1, 0, 0},
               {"one row twice", 2, 1, 0},
               {"a whole block", 256, 0, 0},
               {"room for more", 300, 0, 700},
               {"some rows twice", 1000, 300, 0},
               {"twice, and room", 600, 500, 3000}};
  std::uint64_t seed = 20261124;
  for (const auto& c : cases) {
    SCOPED_TRACE(str_cat(c.what, ", seed ", seed));
    SeededRandom random(seed++);
    Rows all;
    while (all.hashes.size() < c.rows - c.twice) all.add(Id128::random(random), random);
    while (all.hashes.size() < c.rows) all.add(all.hashes[random.below(c.rows - c.twice)], random);
    const Id128 space = Id128::random(random);
    PackBuilder builder(space, kDimension, c.rows + c.room);
    Rows first;
    std::set<Id128> seen;
    for (std::size_t i = 0; i < c.rows; ++i) {
      builder.add(all.hashes[i], all.row(i));
      if (!seen.insert(all.hashes[i]).second) continue;
      first.hashes.push_back(all.hashes[i]);
      first.vectors.insert(first.vectors.end(), all.row(i).begin(), all.row(i).end());
    }
    const PackBuilder::Built built = std::move(builder).finish();
    EXPECT_EQ(built.rows, c.rows - c.twice);
    EXPECT_EQ(built.bytes, encode_pack(space, kDimension, first.hashes, first.vectors));
    // And not only equal to each other: a reader finds every row.
    const PackShape shape{built.rows, kDimension};
    ASSERT_EQ(built.bytes.size(), shape.total_bytes());
    ASSERT_TRUE(
        PackHead::parse(ByteView(built.bytes).first(shape.head_bytes()), space, shape).ok());
    for (std::uint32_t row = 0; row < built.rows; ++row) {
      const ByteView bytes =
          ByteView(built.bytes).subspan(shape.row_offset(row), shape.row_bytes());
      const auto vector = parse_pack_row(bytes, shape, first.hashes[row]);
      ASSERT_TRUE(vector.ok()) << "row " << row;
      EXPECT_TRUE(std::equal(vector->begin(), vector->end(), first.row(row).begin()));
    }
  }
}

}  // namespace
}  // namespace kedge
