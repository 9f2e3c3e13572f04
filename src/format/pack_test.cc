// Packs: what is put is found bit by bit, and each broken rule is refused with its checksum sealed
// again, or only the checksum would be tested.
#include "format/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kEntryBytes = 20;

const Id128 kSpace = test::number_id(0x55);

struct Sample {
  std::vector<Id128> hashes;
  std::vector<std::uint16_t> vectors;
  PackShape shape;
  Bytes file;

  [[nodiscard]] ByteView head() const { return ByteView(file).first(shape.head_bytes()); }
  [[nodiscard]] ByteView block(std::uint32_t number) const {
    return ByteView(file).subspan(shape.block_offset(number), shape.block_bytes(number));
  }
  [[nodiscard]] ByteView row(std::uint32_t number) const {
    return ByteView(file).subspan(shape.row_offset(number), shape.row_bytes());
  }
  [[nodiscard]] std::vector<std::uint16_t> vector(std::uint32_t number) const {
    const auto from = vectors.begin() + static_cast<std::ptrdiff_t>(number * shape.dimension);
    return {from, from + static_cast<std::ptrdiff_t>(shape.dimension)};
  }
};

Sample sample(std::uint64_t seed, std::uint32_t rows, std::uint32_t dimension) {
  SeededRandom random(seed);
  Sample made;
  std::set<Id128> distinct;
  while (made.hashes.size() < rows) {
    const Id128 hash = Id128::random(random);
    if (distinct.insert(hash).second) made.hashes.push_back(hash);
  }
  made.vectors.resize(std::size_t{rows} * dimension);
  for (std::uint16_t& half : made.vectors) half = test::random_half(random);
  made.shape = {rows, dimension};
  made.file = encode_pack(kSpace, dimension, made.hashes, made.vectors);
  return made;
}

void reseal(Bytes& bytes) {
  const std::uint32_t crc = crc32c(ByteView(bytes).first(bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &crc, sizeof crc);
}

Status as_status(const auto& result) { return result.ok() ? Status() : Status(result.error()); }

test::Parse head_parser(const PackShape& shape) {
  return [shape](ByteView bytes) { return as_status(PackHead::parse(bytes, kSpace, shape)); };
}

// One row, a full block, one row more, several blocks; one dimension and many.
TEST(Pack, FindsEveryRowBitByBitAndNothingElse) {
  std::uint64_t seed = 1;
  for (const std::uint32_t rows : {1U, 2U, 255U, 256U, 257U, 512U, 1000U}) {
    for (const std::uint32_t dimension : {1U, 3U, 384U}) {
      SCOPED_TRACE(str_cat("seed ", seed, ", ", rows, " rows of ", dimension));
      const Sample made = sample(seed, rows, dimension);
      ASSERT_EQ(made.file.size(), made.shape.total_bytes());
      const auto head = PackHead::parse(made.head(), kSpace, made.shape);
      ASSERT_TRUE(head.ok()) << head.error().message;
      std::vector<std::vector<PackEntry>> blocks;
      for (std::uint32_t b = 0; b < made.shape.blocks(); ++b) {
        const auto entries = parse_pack_block(made.block(b), made.shape, b);
        ASSERT_TRUE(entries.ok()) << entries.error().message;
        blocks.push_back(*entries);
      }
      const auto row_of = [&](const Id128& hash) -> std::optional<std::uint32_t> {
        const auto block = head->block_of(hash);
        if (!block) return {};
        for (const PackEntry& entry : blocks[*block]) {
          if (entry.hash == hash) return entry.row;
        }
        return {};
      };
      for (std::uint32_t i = 0; i < rows; ++i) {
        ASSERT_TRUE(head->may_contain(made.hashes[i])) << "row " << i;
        ASSERT_EQ(row_of(made.hashes[i]), i);
        const auto vector = parse_pack_row(made.row(i), made.shape, made.hashes[i]);
        ASSERT_TRUE(vector.ok()) << vector.error().message;
        ASSERT_EQ(*vector, made.vector(i)) << "row " << i;
      }
      SeededRandom random(seed + 1000);
      std::size_t taken_in = 0;
      for (int i = 0; i < 2000; ++i) {
        const Id128 hash = Id128::random(random);
        ASSERT_FALSE(row_of(hash).has_value());
        taken_in += head->may_contain(hash) ? 1 : 0;
      }
      // 12 bits a row and 8 probes let 0.3 % through; small filters are rounded up, and let less.
      EXPECT_LT(taken_in, 40U);
      ++seed;
    }
  }
}

TEST(Pack, PiecesFollowEachOtherAndFillTheFile) {
  for (const std::uint32_t rows : {1U, 300U, 65'537U, kMaxPackRows}) {
    const PackShape shape{rows, 7};
    std::uint64_t end = shape.head_bytes();
    for (std::uint32_t b = 0; b < shape.blocks(); ++b) {
      ASSERT_EQ(shape.block_offset(b), end) << rows;
      end += shape.block_bytes(b);
    }
    EXPECT_GE(shape.row_offset(0), end) << rows;
    EXPECT_LT(shape.row_offset(0), end + 64) << rows;
    EXPECT_EQ(shape.row_offset(rows - 1) + shape.row_bytes(), shape.total_bytes()) << rows;
  }
}

TEST(Pack, TheLargestPackFitsItsLimitAndNoMore) {
  for (const std::uint32_t dimension : {1U, 384U, 1536U, kMaxDimension}) {
    const std::uint32_t most = PackShape::max_rows(dimension);
    EXPECT_LE((PackShape{most, dimension}.total_bytes()), kMaxPackBytes) << dimension;
    if (most < kMaxPackRows) {
      EXPECT_GT((PackShape{most + 1, dimension}.total_bytes()), kMaxPackBytes) << dimension;
    }
  }
}

TEST(Pack, RefusesEachBrokenRuleOfTheHead) {
  const Sample made = sample(7, 300, 5);  // two blocks
  const std::size_t firsts = kHeaderBytes + made.shape.bloom_bytes();
  const std::size_t padding = firsts + 2 * 16;
  ASSERT_LT(padding + 4, made.shape.head_bytes()) << "there is padding to break";
  test::expect_each_refused(made.head(),
                            {{0, 'X', 1, "bad magic at offset 0"},
                             {4, 2, 2, "format version 2; this build knows 1"},
                             {6, 1, 2, "reserved bytes at offset 6"},
                             {8, 299, 4, "other rows at offset 8"},
                             {12, 6, 4, "other dimension at offset 12"},
                             {16, 0x54, 1, "another space at offset 16"},
                             {31, 0x54, 1, "another space at offset 16"},
                             {32, 1, 1, "bad length at offset 32"},
                             {39, 1, 1, "bad length at offset 32"},
                             {40, 1, 1, "reserved bytes after offset 40"},
                             {63, 1, 1, "reserved bytes after offset 40"},
                             {firsts, ~0ULL, 8, "first hash of block 1 does not rise"},
                             {firsts + 16, 0, 8, "first hash of block 1 does not rise"},
                             {padding, 1, 1, "padding at offset"},
                             {made.shape.head_bytes() - 5, 1, 1, "padding at offset"}},
                            head_parser(made.shape), reseal);
  // Equal first hashes do not rise either.
  Bytes equal(made.head().begin(), made.head().end());
  std::memcpy(equal.data() + firsts + 16, equal.data() + firsts, 16);
  reseal(equal);
  test::expect_corrupt(head_parser(made.shape)(equal), "does not rise");
  Bytes flipped(made.head().begin(), made.head().end());
  flipped[kHeaderBytes + 3] ^= std::byte{16};  // a bit of the filter
  test::expect_corrupt(head_parser(made.shape)(flipped), "bad checksum of the head");
  test::expect_hostile_safe(made.head(), 11, head_parser(made.shape));
}

// The caller's idea of the pack comes from the cache's state; it and the file must agree.
TEST(Pack, RefusesAHeadThatIsNotOfTheShapeOrTheSpaceThatWasAskedFor) {
  const Sample made = sample(8, 300, 5);
  const auto refusal = [&](const Id128& space, PackShape shape) {
    const auto parsed = PackHead::parse(made.head(), space, shape);
    return parsed.ok() ? std::string("accepted") : parsed.error().message;
  };
  EXPECT_EQ(refusal(kSpace, made.shape), "accepted");
  EXPECT_EQ(refusal(test::number_id(0x56), made.shape), "pack: another space at offset 16");
  EXPECT_EQ(refusal(kSpace, {0, 5}), "pack: rows out of range");
  EXPECT_EQ(refusal(kSpace, {kMaxPackRows + 1, 5}), "pack: rows out of range");
  EXPECT_EQ(refusal(kSpace, {300, 0}), "pack: dimension out of range");
  EXPECT_EQ(refusal(kSpace, {300, kMaxDimension + 1}), "pack: dimension out of range");
  EXPECT_EQ(refusal(kSpace, {299, 5}), "pack: other rows at offset 8");
  EXPECT_EQ(refusal(kSpace, {300, 6}), "pack: other dimension at offset 12");
  EXPECT_EQ(refusal(kSpace, {3000, 5}), "pack: head of 640 bytes, expected 4864");
}

TEST(Pack, RefusesEachBrokenRuleOfABlock) {
  const Sample made = sample(9, 300, 5);
  const auto parse = [&](ByteView bytes) {
    return as_status(parse_pack_block(bytes, made.shape, 1));
  };
  test::expect_each_refused(made.block(1),
                            {{16, 300, 4, "block 1: row 0 out of range"},
                             {16, ~0U, 4, "block 1: row 0 out of range"},
                             {kEntryBytes * 43 + 16, 300, 4, "block 1: row 43 out of range"},
                             {0, ~0ULL, 8, "block 1: hash 1 does not rise"},
                             {kEntryBytes * 2, 0, 8, "block 1: hash 2 does not rise"}},
                            parse, reseal);
  Bytes equal(made.block(1).begin(), made.block(1).end());
  std::memcpy(equal.data() + kEntryBytes, equal.data(), 16);
  reseal(equal);
  test::expect_corrupt(parse(equal), "block 1: hash 1 does not rise");
  Bytes flipped(made.block(1).begin(), made.block(1).end());
  flipped[5] ^= std::byte{1};
  test::expect_corrupt(parse(flipped), "bad checksum of block 1");
  test::expect_corrupt(parse(made.block(0)), "block 1 has 5124 bytes");
  test::expect_hostile_safe(made.block(1), 12, parse);
}

// A row's checksum covers its hash: a row of another input, at the place where this one should be,
// is refused however whole it is.
TEST(Pack, RefusesEachBrokenRuleOfARow) {
  const Sample made = sample(10, 20, 5);
  const auto parse = [&](ByteView bytes) {
    return as_status(parse_pack_row(bytes, made.shape, made.hashes[3]));
  };
  const auto reseal_row = [&](Bytes& bytes) {
    const std::uint32_t crc =
        crc32c(ByteView(bytes).first(bytes.size() - 4), crc32c(made.hashes[3].bytes));
    std::memcpy(bytes.data() + bytes.size() - 4, &crc, sizeof crc);
  };
  test::expect_each_refused(made.row(3),
                            {{0, 0x7C00, 2, "is not finite"},
                             {8, 0xFC00, 2, "is not finite"},
                             {4, 0x7E01, 2, "is not finite"},
                             {2, 0xFFFF, 2, "is not finite"}},
                            parse, reseal_row);
  for (std::uint32_t other = 0; other < 20; ++other) {
    if (other != 3) test::expect_corrupt(parse(made.row(other)), "bad checksum of the row of");
  }
  test::expect_hostile_safe(made.row(3), 13, parse);
  for (std::size_t bit = 0; bit < made.row(3).size() * 8; ++bit) {
    Bytes flipped(made.row(3).begin(), made.row(3).end());
    flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    test::expect_corrupt(parse(flipped), "bad checksum of the row of");
  }
}

TEST(Pack, KnowsWhichHalvesAreFinite) {
  std::size_t finite = 0;
  for (std::uint32_t half = 0; half <= 0xFFFF; ++half)
    finite += is_finite_half(static_cast<std::uint16_t>(half)) ? 1 : 0;
  EXPECT_EQ(finite, 65'536U - 2 * 1024);
  EXPECT_TRUE(is_finite_half(0x7BFF));
  EXPECT_TRUE(is_finite_half(0xFBFF));
  EXPECT_FALSE(is_finite_half(0x7C00));
  EXPECT_FALSE(is_finite_half(0xFC01));
}

CacheState sample_state(std::size_t packs) {
  SeededRandom random(14);
  CacheState state{.space = kSpace, .dimension = 384, .packs = {}};
  for (std::size_t i = 0; i < packs; ++i)
    state.packs.push_back(
        {.id = Id128::random(random), .rows = 1 + static_cast<std::uint32_t>(random.below(99))});
  return state;
}

Status parse_state(ByteView bytes) {
  const auto state = CacheState::parse(bytes);
  if (!state.ok()) return state.error();
  EXPECT_EQ(to_hex(state->encode()), to_hex(Bytes(bytes.begin(), bytes.end())));
  return {};
}

TEST(CacheState, ReadsBackAndRefusesEachBrokenRule) {
  for (const std::size_t packs : {std::size_t{0}, std::size_t{1}, std::size_t{9}, kMaxPacks}) {
    const CacheState state = sample_state(packs);
    const auto read = CacheState::parse(state.encode());
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*read, state);
  }
  const Bytes good = sample_state(3).encode();
  test::expect_each_refused(good,
                            {{0, 'X', 1, "bad magic at offset 0"},
                             {4, 2, 2, "format version 2; this build knows 1"},
                             {6, 1, 1, "reserved bytes at offset 6"},
                             {24, 0, 4, "dimension at offset 24 out of range"},
                             {24, kMaxDimension + 1, 4, "dimension at offset 24 out of range"},
                             {28, kMaxPacks + 1, 4, "too many packs at offset 28"},
                             {28, ~0U, 4, "too many packs at offset 28"},
                             {28, 2, 4, "length does not fit"},
                             {28, 4, 4, "length does not fit"},
                             {48, 0, 4, "pack 0: rows out of range"},
                             {88, kMaxPackRows + 1, 4, "pack 2: rows out of range"}},
                            parse_state);
  CacheState twice = sample_state(3);
  twice.packs[2].id = twice.packs[0].id;
  test::expect_corrupt(parse_state(twice.encode()), "pack 2 is named twice");
  Bytes longer = good;
  longer.push_back(std::byte{0});
  test::expect_corrupt(parse_state(longer), "length does not fit");
  test::expect_hostile_safe(good, 15, parse_state);
}

}  // namespace
}  // namespace kedge
