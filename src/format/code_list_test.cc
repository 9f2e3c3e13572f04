// Codes and refine rows: what is put is got, where docs/format.md says, and each rule on its own.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

constexpr std::uint64_t kFloatInfinity = 0x7F80'0000;
constexpr std::uint64_t kFloatNaN = 0xFFC0'0001;
constexpr std::uint64_t kHalfInfinity = 0x7C00;
constexpr std::uint64_t kHalfNaN = 0x7E01;

struct OwnedRow {
  Bytes bits;
  CodedRow row;
};

OwnedRow random_code(Random& random, std::uint32_t padded) {
  OwnedRow out;
  out.bits.resize(padded / 8);
  for (std::byte& b : out.bits) b = static_cast<std::byte>(random.below(256));
  out.row.bits = out.bits.data();
  out.row.add = static_cast<float>(random.below(1000)) - 500;
  out.row.rescale = test::random_half(random);
  out.row.error = test::random_half(random);
  out.row.object = static_cast<std::uint32_t>(random.next());
  return out;
}

TEST(Codes, AreGotAsTheyWerePut) {
  SeededRandom random(41);
  for (const std::uint32_t padded : {64U, 128U, 384U, 1024U}) {
    Bytes block(code_block_bytes(padded));
    std::vector<OwnedRow> rows;
    for (std::uint32_t slot = 0; slot < kCodeBlockRows; ++slot)
      rows.push_back(random_code(random, padded));
    // In an order that is not theirs: a slot changes no other.
    for (std::uint32_t i = 0; i < kCodeBlockRows; ++i)
      put_code(block.data(), padded, i * 7 % kCodeBlockRows, rows[i * 7 % kCodeBlockRows].row);
    for (std::uint32_t slot = 0; slot < kCodeBlockRows; ++slot) {
      Bytes bits(padded / 8);
      CodedRow row;
      get_code(block.data(), padded, slot, bits.data(), row);
      EXPECT_EQ(bits, rows[slot].bits) << padded << ", slot " << slot;
      EXPECT_EQ(row.bits, bits.data());
      EXPECT_EQ(row.add, rows[slot].row.add);
      EXPECT_EQ(row.rescale, rows[slot].row.rescale);
      EXPECT_EQ(row.error, rows[slot].row.error);
      EXPECT_EQ(row.object, rows[slot].row.object);
    }
  }
}

// Each bit has the place that the kernels read: the layout is part of the format.
TEST(Codes, EachBitHasItsPlace) {
  constexpr std::uint32_t kPadded = 64;
  for (std::uint32_t slot = 0; slot < kCodeBlockRows; ++slot) {
    for (std::uint32_t dimension = 0; dimension < kPadded; ++dimension) {
      Bytes bits(kPadded / 8);
      bits[dimension / 8] = static_cast<std::byte>(1U << (dimension % 8));
      Bytes block(code_block_bytes(kPadded));
      put_code(block.data(), kPadded, slot, {.bits = bits.data()});
      Bytes expected(block.size());
      expected[dimension / 4 * 16 + slot % 16] =
          static_cast<std::byte>(1U << (dimension % 4 + (slot < 16 ? 0 : 4)));
      ASSERT_EQ(block, expected) << "slot " << slot << ", dimension " << dimension;
    }
  }
}

TEST(Refine, RowsAreGotAsTheyWerePut) {
  SeededRandom random(42);
  constexpr std::uint64_t kFar = std::uint64_t{1} << 40;
  const struct {
    std::uint64_t begin, length;
    bool known;
  } cases[] = {{0, 0, true},
               {kFar - 2, (1U << 24) - 2, true},
               {0x12'3456'789A, 0x00AB'CDEF, true},
               {kFar - 1, 5, false},
               {kFar + 5, 5, false},
               {5, (1U << 24) - 1, false},
               {5, std::uint64_t{1} << 32, false},
               {~std::uint64_t{0}, 0, false}};
  for (const std::uint32_t padded : {64U, 192U, 384U}) {
    for (const auto& [begin, length, known] : cases) {
      Bytes extra(padded / 2);
      for (std::byte& b : extra) b = static_cast<std::byte>(random.below(256));
      const CodedRow row{.chunk = static_cast<std::uint32_t>(random.next()),
                         .begin = begin,
                         .length = length,
                         .extra = extra.data(),
                         .refine_add = 1.5F,
                         .refine_rescale = -3.25F};
      Bytes stored(refine_row_bytes(padded) + 1, std::byte{0xEE});
      put_refine(stored.data(), padded, row);
      EXPECT_EQ(stored.back(), std::byte{0xEE});
      const RefineRow read = refine_row(stored.data());
      EXPECT_EQ(read.add, 1.5F);
      EXPECT_EQ(read.rescale, -3.25F);
      EXPECT_EQ(read.chunk, row.chunk);
      EXPECT_EQ(read.begin, known ? begin : kUnknownBegin);
      EXPECT_EQ(read.length, known ? length : kUnknownLength);
      EXPECT_EQ(std::memcmp(read.extra, extra.data(), extra.size()), 0);
    }
  }
}

// Three lists of 64 rotated dimensions: of 2, of no and of 33 rows; 35 rows in two refine blocks.
class CodeListTest : public testing::Test {
 protected:
  CodeListTest() {
    SeededRandom random(43);
    const std::vector<IndexedObject> objects = {test::random_object(random, 1, "a", 20, 7),
                                                test::random_object(random, 1, "b", 15, 7)};
    std::vector<std::uint32_t> list_of(35, 2);
    list_of[4] = list_of[30] = 0;
    built_ = test::build_lists(objects, 7, 3, list_of);
    directory_ = SegmentDirectory::parse(test::plane_bytes(built_, Plane::kDirectory)).value();
  }
  ByteView run(std::uint32_t list) const {
    return test::page_bytes(built_, directory_.list_page(list));
  }
  test::Parse parser(std::uint32_t list) const {
    return [this, list](ByteView bytes) {
      const auto parsed = CodeList::parse(bytes, list, directory_);
      return parsed.ok() ? Status() : Status(parsed.error());
    };
  }
  test::Parse refine_parser(std::uint32_t first_row) const {
    return [this, first_row](ByteView bytes) {
      return parse_refine_block(bytes, first_row, directory_);
    };
  }

  SegmentBuilder::Built built_;
  SegmentDirectory directory_;
};

constexpr std::size_t kCentroid = 2 * 64;
constexpr std::size_t kBlock = 4 * 64 + 384;
constexpr std::size_t kAdd = kCentroid + 4 * 64;
constexpr std::size_t kRescale = kAdd + 128;
constexpr std::size_t kError = kRescale + 64;
constexpr std::size_t kObject = kError + 64;

TEST_F(CodeListTest, RefusesEachBrokenRule) {
  test::expect_each_refused(
      run(0),
      {{0, kHalfInfinity, 2, "a value of the centroid is NaN or infinite"},
       {kCentroid - 2, kHalfNaN, 2, "a value of the centroid is NaN or infinite"},
       {kAdd, kFloatInfinity, 4, "bad factor of row 0 at offset 128"},
       {kAdd + 4, kFloatNaN, 4, "bad factor of row 1 at offset 128"},
       {kRescale, kHalfNaN, 2, "bad factor of row 0"},
       {kRescale + 2, kHalfInfinity | 0x8000, 2, "bad factor of row 1"},
       {kError, kHalfInfinity, 2, "bad factor of row 0"},
       {kError + 2, 0x8000, 2, "bad factor of row 1"},
       {kError + 2, 0xB800, 2, "bad factor of row 1"},
       {kObject, 2, 4, "object of row 0 is out of range"},
       {kObject + 4, 0xFFFF'FFFF, 4, "object of row 1 is out of range"},
       // Slot 2 and slot 15 are low, slots 16 and 31 high halves.
       {kCentroid + 2, 1, 1, "a slot past the last row is not zero at offset 128"},
       {kCentroid + 15 * 16 + 15, 8, 1, "a slot past the last row is not zero"},
       {kCentroid + 3 * 16, 0x1F, 1, "a slot past the last row is not zero"},
       {kCentroid + 15, 0x80, 1, "a slot past the last row is not zero"},
       {kAdd + 8, 1, 1, "a slot past the last row is not zero"},
       {kRescale - 1, 1, 1, "a slot past the last row is not zero"},
       {kRescale + 4, 1, 1, "a slot past the last row is not zero"},
       {kError - 1, 1, 1, "a slot past the last row is not zero"},
       {kError + 4, 1, 1, "a slot past the last row is not zero"},
       {kObject - 1, 1, 1, "a slot past the last row is not zero"},
       {kObject + 8, 1, 1, "a slot past the last row is not zero"},
       {kCentroid + kBlock - 1, 1, 1, "a slot past the last row is not zero"}},
      parser(0));
  // Of the second block, which has one row.
  test::expect_each_refused(
      run(2),
      {{kAdd + kBlock, kFloatNaN, 4, "bad factor of row 32 at offset 768"},
       {kObject + kBlock, 2, 4, "object of row 32 is out of range at offset 768"},
       {kCentroid + kBlock + 1, 1, 1, "a slot past the last row is not zero at offset 768"},
       {kAdd + kBlock + 4, 1, 1, "a slot past the last row is not zero"}},
      parser(2));
}

TEST_F(CodeListTest, RefusesAnotherListsRun) {
  test::expect_corrupt(parser(2)(run(0)), "bad size");
  test::expect_corrupt(parser(1)({}), "no list with rows of this number");
  test::expect_corrupt(parser(3)(run(0)), "no list with rows of this number");
  Bytes longer(run(0).begin(), run(0).end());
  longer.resize(longer.size() + kBlock);
  test::expect_corrupt(parser(0)(longer), "bad size");
}

TEST_F(CodeListTest, StandsHostileBytes) {
  test::expect_hostile_safe(run(0), 44, parser(0));
  test::expect_hostile_safe(run(2), 45, parser(2));
}

TEST_F(CodeListTest, RefusesEachBrokenRuleOfARefineBlock) {
  ASSERT_EQ(directory_.refine.size(), 2U);
  constexpr std::size_t kRow = 20 + 32;
  const ByteView first = test::page_bytes(built_, directory_.refine[0]);
  test::expect_each_refused(
      first,
      {{0, kFloatNaN, 4, "a factor is NaN or infinite at offset 0"},
       {31 * kRow + 4, kFloatInfinity, 4, "a factor is NaN or infinite at offset 1612"},
       {kRow + 8, kMaxChunksPerObject, 4, "chunk number out of range at offset 60"}},
      refine_parser(0));
  const ByteView last = test::page_bytes(built_, directory_.refine[1]);
  Bytes known(last.begin(), last.end());
  const std::uint64_t place = 5 | std::uint64_t{7} << 40;
  std::memcpy(known.data() + 12, &place, 8);
  test::expect_each_refused(known,
                            {{12, kUnknownBegin, 5, "half of a place is unknown at offset 12"},
                             {17, kUnknownLength, 3, "half of a place is unknown at offset 12"},
                             {3 * kRow, 1, 1, "padding is not zero at offset 156"},
                             {last.size() - 1, 1, 1, "padding is not zero at offset 156"}},
                            refine_parser(32));
  EXPECT_TRUE(refine_parser(32)(test::patched(known, {12, ~std::uint64_t{0}, 8, ""})).ok());
  test::expect_corrupt(refine_parser(32)(first), "bad size");
  test::expect_corrupt(refine_parser(0)(last), "bad size");
  test::expect_corrupt(refine_parser(64)(last), "bad number of the first row");
  test::expect_corrupt(refine_parser(3)(last), "bad number of the first row");
  test::expect_hostile_safe(first, 46, refine_parser(0));
  test::expect_hostile_safe(last, 47, refine_parser(32));
}

}  // namespace
}  // namespace kedge
