// The rules of a directory, of a segment's header and of its tail, each broken on its own.
#include <gtest/gtest.h>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

Status parse_directory(ByteView bytes) {
  const auto parsed = SegmentDirectory::parse(bytes);
  return parsed.ok() ? Status() : Status(parsed.error());
}

Bytes small_directory() {
  const auto built = test::build(test::small_objects(), test::kSmallDimension);
  const ByteView bytes = test::plane_bytes(built, Plane::kDirectory);
  return {bytes.begin(), bytes.end()};
}

TEST(SegmentDirectory, RefusesEachBrokenRule) {
  const Bytes good = small_directory();
  constexpr std::size_t kPages = 64;  // docs, keys, attributes, text: one each
  constexpr std::size_t kList = kPages + 4 * 8;
  constexpr std::size_t kFirstChunk = kList + 8 + 2 * 4;  // behind the CRCs of refine and vectors
  constexpr std::size_t kFirstKey = kFirstChunk + 4;
  test::expect_each_refused(
      good,
      {{0, 'X', 1, "wrong magic"},
       {4, 1, 2, "version 1 is not known"},
       {6, 1, 2, "reserved bytes are not zero at offset 6"},
       {8, 0, 4, "objects out of range"},
       {8, kMaxSegmentObjects + 1, 4, "objects out of range"},
       {8, 129, 4, "number of docs pages"},
       {12, kMaxSegmentRows + 1, 4, "rows out of range"},
       {12, 257, 4, "number of text pages"},
       {12, 2, 4, "lists have more rows than there are at offset 96"},
       {12, 4, 4, "lists have fewer rows than there are at offset 104"},
       {16, 0, 4, "dimension out of range"},
       {16, kMaxDimension + 1, 4, "dimension out of range"},
       {16, 65, 4, "bad offset of plane text"},
       {20, 2, 4, "number of docs pages"},
       {24, 0, 4, "number of keys pages"},
       {24, 3, 4, "number of keys pages"},
       {24, 1U << 20, 4, "cut short"},
       {24, 1U << 21, 4, "number of keys pages"},
       {28, 0, 4, "number of text pages"},
       {28, 2, 4, "number of text pages"},
       {32, 0, 4, "number of lists does not fit the rows"},
       {32, kMaxLists + 1, 4, "number of lists does not fit the rows"},
       {32, kMaxLists, 4, "cut short"},
       {36, 2, 4, "bad size of a page"},
       {36, 1U << 20, 4, "cut short"},
       {40, 128, 8, "bad offset of plane docs at offset 40"},
       {48, 64, 8, "bad offset of plane codes at offset 48"},
       {48, 0, 8, "bad offset of plane codes at offset 48"},
       {56, 0, 8, "bad offset of plane text at offset 56"},
       {kPages, 0, 4, "bad size of a page"},
       {kPages, 65, 4, "bad size of a page"},
       {kPages + 8, 2048, 4, "bad size of a page"},
       {kPages + 16, 65, 4, "bad size of a page"},
       {kPages + 16, 64, 4, "bad offset of plane codes"},
       {kPages + 24, 64 * 3 + 1, 4, "bad size of a page"},
       {kList, 2, 4, "lists have fewer rows than there are at offset 104"},
       {kList, 4, 4, "lists have more rows than there are at offset 96"},
       {kFirstChunk, 1, 4, "bad first chunk of a docs page"},
       {kFirstKey, 4, 1, "docs page is cut short or of bad length at offset 116"},
       {kFirstKey, 65, 1, "of bad length at offset 116"},
       {kFirstKey + 15, 3, 1, "attributes page is cut short or of bad length"},
       {kFirstKey + 15, 65, 1, "attributes page is cut short or of bad length"},
       {good.size() - 1, 1, 1, "padding is not zero"}},
      parse_directory);
  Bytes longer = good;
  longer.resize(good.size() + 64);
  test::expect_corrupt(parse_directory(longer), "does not end at the next multiple of 64");
}

TEST(SegmentDirectory, RefusesPagesOutOfOrder) {
  SeededRandom random(4);
  const auto built = test::build(test::random_objects(random, 300, 2, 4), 4);
  const auto good = SegmentDirectory::parse(test::plane_bytes(built, Plane::kDirectory)).value();
  ASSERT_EQ(good.docs.size(), 3U);
  auto chunks = good;
  std::swap(chunks.first_chunk_of_page[1], chunks.first_chunk_of_page[2]);
  test::expect_corrupt(parse_directory(chunks.encode()), "bad first chunk of a docs page");
  chunks.first_chunk_of_page[2] = good.rows + 1;
  test::expect_corrupt(parse_directory(chunks.encode()), "bad first chunk of a docs page");
  auto keys = good;
  std::swap(keys.first_key_of_page[1], keys.first_key_of_page[2]);
  test::expect_corrupt(parse_directory(keys.encode()), "not increasing");
  keys = good;
  keys.first_key_of_page[2] = keys.first_key_of_page[1] = std::string("\0\0\0\3key", 7);
  test::expect_corrupt(parse_directory(keys.encode()), "not increasing");
  keys.first_key_of_page[2] = keys.first_key_of_page[1] =
      std::string("\0\0\0\3", 4) + std::string(60, 'z');
  EXPECT_TRUE(parse_directory(keys.encode()).ok());
  auto attributes = good;
  attributes.attributes.push_back(good.attributes[0]);
  attributes.lists[0].offset += good.attributes[0].size;
  attributes.text[0].offset += good.attributes[0].size;
  attributes.first_key_of_attributes_page.push_back(good.first_key_of_attributes_page[0]);
  test::expect_corrupt(parse_directory(attributes.encode()),
                       "first keys of attributes pages are not increasing");
  attributes.first_key_of_attributes_page[1] += 'x';
  EXPECT_TRUE(parse_directory(attributes.encode()).ok());
}

// Two lists of two and one rows, and two without: of the first test's segment.
SegmentBuilder::Built small_lists() {
  const std::uint32_t list_of[] = {1, 3, 1};
  return test::build_lists(test::small_objects(), test::kSmallDimension, 4, list_of);
}

TEST(SegmentDirectory, RefusesEachBrokenRuleOfLists) {
  const auto built = small_lists();
  const ByteView good = test::plane_bytes(built, Plane::kDirectory);
  constexpr std::size_t kLists = 64 + 4 * 8;
  test::expect_each_refused(
      good,
      {{kLists, 1, 4, "lists have more rows than there are at offset 120"},
       {kLists + 4, 1, 4, "checksum of an empty list at offset 96"},
       {kLists + 8, 1, 4, "lists have fewer rows than there are at offset 128"},
       {kLists + 8, 0xFFFF'FFFF, 4, "lists have more rows than there are at offset 104"},
       {kLists + 16, 2, 4, "lists have more rows than there are at offset 112"},
       {kLists + 24, 0xFFFF'FFFF, 4, "lists have more rows than there are at offset 120"}},
      parse_directory);
  // Row by row moved to a list of its own, a block is added to the plane of codes.
  test::expect_corrupt(parse_directory(test::patched(test::patched(good, {kLists, 1, 4, ""}),
                                                     {kLists + 8, 1, 4, ""})),
                       "bad offset of plane text");
  test::expect_hostile_safe(good, 18, parse_directory);
}

TEST(SegmentDirectory, RefusesAListThatNoPageCanBe) {
  SegmentDirectory directory;
  directory.objects = 1;
  directory.rows = kMaxSegmentRows;
  directory.dimension = kMaxDimension;
  directory.docs.resize(1, {.offset = 64, .size = 64, .crc = 0});
  directory.keys.resize(1, {.offset = 128, .size = 4096, .crc = 0});
  directory.text.resize(kMaxSegmentRows / kTextPageChunks, {.offset = 0, .size = 64, .crc = 0});
  directory.lists = {{.first_row = 0, .rows = kMaxSegmentRows, .offset = 4224, .crc = 0}};
  directory.refine.resize(kMaxSegmentRows / kCodeBlockRows);
  directory.vectors.resize(kMaxSegmentRows / kVectorBlockRows);
  directory.first_chunk_of_page = {0};
  directory.first_key_of_page = {test::small_objects()[0].row.key};
  test::expect_corrupt(parse_directory(directory.encode()), "list is too large");
}

TEST(SegmentDirectory, SeesAListOfATreeThatIsNotNamed) {
  const auto built = small_lists();
  const auto directory =
      SegmentDirectory::parse(test::plane_bytes(built, Plane::kDirectory)).value();
  ASSERT_TRUE(directory.matches(built.entry).ok());
  SegmentEntry entry = built.entry;
  entry.tree = {};
  test::expect_corrupt(directory.matches(entry), "has lists of a tree that is not named");
}

TEST(SegmentDirectory, StandsHostileBytes) {
  test::expect_hostile_safe(small_directory(), 15, parse_directory);
}

TEST(SegmentDirectory, SeesAnotherSegmentsEntry) {
  const auto built = test::build(test::small_objects(), test::kSmallDimension);
  const auto directory =
      SegmentDirectory::parse(test::plane_bytes(built, Plane::kDirectory)).value();
  ASSERT_TRUE(directory.matches(built.entry).ok());
  for (int i = 0; i < 2; ++i) {
    SegmentEntry entry = built.entry;
    ++(i == 0 ? entry.objects : entry.rows);
    test::expect_corrupt(directory.matches(entry), entry.file_key());
  }
  for (const Plane plane : kSegmentPlanes) {
    SegmentEntry entry = built.entry;
    entry.planes[static_cast<std::size_t>(plane)].size += 64;
    test::expect_corrupt(directory.matches(entry), "is not where the head says");
  }
}

TEST(CheckPage, SeesEveryFlippedBitAndEveryCut) {
  const Bytes page = small_directory();
  const PageRef ref{
      .offset = 64, .size = static_cast<std::uint32_t>(page.size()), .crc = crc32c(page)};
  ASSERT_TRUE(check_page(ref, page, "directory").ok());
  for (std::size_t bit = 0; bit < page.size() * 8; ++bit) {
    Bytes bad = page;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    test::expect_corrupt(check_page(ref, bad, "directory"), "directory: checksum does not match");
  }
  for (std::size_t size = 0; size < page.size(); ++size)
    test::expect_corrupt(check_page(ref, ByteView(page).first(size), "directory"), "bytes instead");
}

void reseal(Bytes& bytes) {
  const std::uint32_t crc = crc32c(ByteView(bytes).first(bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &crc, sizeof crc);
}

TEST(SegmentTail, RefusesEachBrokenRule) {
  const auto built = test::build(test::small_objects(), test::kSmallDimension);
  const ByteView good = ByteView(built.file).last(kSegmentTailBytes);
  const std::uint64_t file_bytes = built.file.size();
  const auto parse = [&](ByteView bytes) {
    const auto parsed = parse_segment_tail(bytes, file_bytes);
    return parsed.ok() ? Status() : Status(parsed.error());
  };
  const auto plane = [](Plane p) { return 80 + 16 * static_cast<std::size_t>(p); };
  test::expect_each_refused(good,
                            {{0, 'X', 1, "wrong magic"},
                             {4, 1, 2, "version 1 is not known"},
                             {6, 1, 2, "reserved bytes are not zero at offset 6"},
                             {24, file_bytes + 64, 8, "the file has"},
                             {32, 0, 4, "objects out of range"},
                             {36, kMaxSegmentRows + 1, 4, "rows out of range"},
                             {36, 0, 4, "there without rows"},
                             {40, 64, 1, "level out of range"},
                             {41, 65, 1, "bad length of a bound"},
                             {41, 4, 1, "bad length of a bound"},
                             {42, 6, 1, "bad length of a bound"},
                             {43, 1, 1, "reserved bytes are not zero at offset 43"},
                             {plane(Plane::kDocs), 0, 8, "planes do not follow"},
                             {plane(Plane::kText), 64, 8, "planes do not follow"},
                             {plane(Plane::kText) + 8, 0, 8, "missing"},
                             {plane(Plane::kKeys) + 8, 4095, 8, "bad size of a plane"},
                             {plane(Plane::kCodes), 64, 8, "planes do not follow"},
                             {plane(Plane::kCodes) + 8, 0, 8, "missing"},
                             {plane(Plane::kRefine) + 8, 100, 8, "bad size of a plane"},
                             {plane(Plane::kVectors) + 8, 1ULL << 63, 8, "bad size of a plane"},
                             {plane(Plane::kDirectory) + 8, 64, 8, "planes do not fill the file"},
                             {plane(Plane::kTerms), 64, 8, "a plane that this version has not"},
                             {plane(Plane::kAttributes), 64, 8, "planes do not follow"},
                             {plane(Plane::kAttributes) + 8, 0, 8, "planes do not follow"},
                             {plane(Plane::kAttributes) + 8, 65, 8, "bad size of a plane"},
                             {224 + 3, 9, 1, "lower bound above the upper"},
                             {352, 1, 1, "reserved bytes are not zero at offset 352"}},
                            parse, reseal);
  Bytes flipped(good.begin(), good.end());
  flipped[100] ^= std::byte{1};
  test::expect_corrupt(parse(flipped), "checksum does not match");
  const auto longer = parse_segment_tail(good, file_bytes + 1);
  EXPECT_FALSE(longer.ok());
  test::expect_hostile_safe(good, 16, parse);
}

TEST(SegmentHeader, RefusesEachBrokenRule) {
  const auto parse = [](ByteView bytes) {
    const auto parsed = parse_segment_header(bytes);
    return parsed.ok() ? Status() : Status(parsed.error());
  };
  Id128 one;
  one.bytes[0] = std::byte{1};
  const Bytes good = encode_segment_header(one);
  test::expect_each_refused(good,
                            {{0, 'X', 1, "wrong magic"},
                             {4, 1, 2, "version 1 is not known"},
                             {6, 1, 2, "reserved bytes are not zero"},
                             {8, 0, 1, "id is zero"},
                             {24, 1, 1, "reserved bytes are not zero"},
                             {59, 1, 1, "reserved bytes are not zero"}},
                            parse, reseal);
  Bytes flipped = good;
  flipped[9] ^= std::byte{1};
  test::expect_corrupt(parse(flipped), "checksum does not match");
  test::expect_hostile_safe(good, 17, parse);
}

}  // namespace
}  // namespace kedge
