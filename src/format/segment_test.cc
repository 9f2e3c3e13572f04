// What a builder wrote is what the readers return, over random segments of sizes around the pages'.
#include "format/segment.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/strings.h"
#include "format/format_test_data.h"

namespace kedge {
namespace {

struct Case {
  std::size_t objects;
  std::uint64_t max_chunks;
  std::uint32_t dimension;
};

void expect_docs(const SegmentBuilder::Built& built, const SegmentDirectory& directory,
                 const std::vector<const IndexedObject*>& by_number) {
  std::uint32_t number = 0;
  std::uint32_t chunk = 0;
  for (const PageRef& page : directory.docs) {
    const ByteView bytes = test::page_bytes(built, page);
    ASSERT_TRUE(check_page(page, bytes, "docs page").ok());
    const auto entries = parse_docs_page(bytes, number, directory);
    ASSERT_TRUE(entries.ok()) << entries.error().message;
    EXPECT_EQ(encode_docs_page(number, *entries), Bytes(bytes.begin(), bytes.end()));
    for (std::uint32_t i = 0; i < entries->size(); ++i, ++number) {
      const DocsEntry& entry = (*entries)[i];
      const IndexedObject& object = *by_number[number];
      EXPECT_EQ(entry.row, object.row) << "object " << number;
      EXPECT_EQ(entry.first_chunk, chunk);
      EXPECT_EQ(entry.chunk_count, object.chunks.size());
      chunk += entry.chunk_count;
      const auto one = parse_docs_entry(bytes, i, directory);
      ASSERT_TRUE(one.ok()) << one.error().message;
      EXPECT_EQ(one->row, entry.row);
      EXPECT_EQ(one->first_chunk, entry.first_chunk);
      EXPECT_EQ(one->chunk_count, entry.chunk_count);
    }
    EXPECT_FALSE(
        parse_docs_entry(bytes, static_cast<std::uint32_t>(entries->size()), directory).ok());
  }
  EXPECT_EQ(number, by_number.size());
}

void expect_text_and_vectors(const SegmentBuilder::Built& built, const SegmentDirectory& directory,
                             const std::vector<const IndexedObject*>& by_number) {
  std::vector<TextEntry> text;
  for (const PageRef& page : directory.text) {
    const ByteView bytes = test::page_bytes(built, page);
    ASSERT_TRUE(check_page(page, bytes, "text page").ok());
    const auto first = static_cast<std::uint32_t>(text.size());
    const auto entries = parse_text_page(bytes, first, directory);
    ASSERT_TRUE(entries.ok()) << entries.error().message;
    EXPECT_EQ(encode_text_page(first, *entries), Bytes(bytes.begin(), bytes.end()));
    text.insert(text.end(), entries->begin(), entries->end());
  }
  std::uint32_t row_number = 0;
  std::vector<VectorRow> rows;
  for (const PageRef& page : directory.vectors) {
    const ByteView bytes = test::page_bytes(built, page);
    ASSERT_TRUE(check_page(page, bytes, "vector block").ok());
    const auto block = VectorBlock::parse(bytes, row_number, directory);
    ASSERT_TRUE(block.ok()) << block.error().message;
    EXPECT_EQ(block->values(), reinterpret_cast<const std::byte*>(block->row(0).values));
    for (std::uint32_t i = 0; i < block->row_count(); ++i, ++row_number)
      rows.push_back(block->row(i));
    EXPECT_EQ(block->stride() * (block->row_count() - 1),
              static_cast<std::size_t>(
                  reinterpret_cast<const std::byte*>(block->row(block->row_count() - 1).values) -
                  block->values()));
  }
  ASSERT_EQ(text.size(), directory.rows);
  ASSERT_EQ(rows.size(), directory.rows);
  std::size_t next = 0;
  for (std::uint32_t number = 0; number < by_number.size(); ++number) {
    const IndexedObject& object = *by_number[number];
    for (std::uint32_t c = 0; c < object.chunks.size(); ++c, ++next) {
      EXPECT_EQ(text[next].chunk, object.chunks[c]) << "chunk " << next;
      const VectorRow& row = rows[text[next].row];
      EXPECT_EQ(row.object, number);
      EXPECT_EQ(row.chunk, c);
      EXPECT_EQ(std::memcmp(row.values, object.vectors.data() + c * directory.dimension,
                            std::size_t{2} * directory.dimension),
                0)
          << "row " << next;
    }
  }
}

void expect_keys(const SegmentBuilder::Built& built, const SegmentDirectory& directory,
                 const std::vector<const IndexedObject*>& by_number) {
  for (std::uint32_t number = 0; number < by_number.size(); ++number) {
    const ObjectRow& row = by_number[number]->row;
    const Id128 hash = object_key_hash(row.source, row.key);
    const PageRef& page = directory.keys[keys_page_of(hash, directory.keys.size())];
    const ByteView bytes = test::page_bytes(built, page);
    const auto found = find_in_keys_page(bytes, hash, directory);
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_EQ(*found, std::vector<std::uint32_t>{number});
    Id128 absent = hash;
    absent.bytes[11] ^= std::byte{1};
    const auto none = find_in_keys_page(bytes, absent, directory);
    ASSERT_TRUE(none.ok()) << none.error().message;
    EXPECT_TRUE(none->empty());
  }
  for (const PageRef& page : directory.keys)
    EXPECT_TRUE(check_page(page, test::page_bytes(built, page), "keys page").ok());
}

// What the coder makes of the rows is in their lists and refine blocks.
void expect_codes(const SegmentBuilder::Built& built, const SegmentDirectory& directory,
                  const std::vector<const IndexedObject*>& by_number) {
  const std::uint32_t padded = directory.padded();
  std::vector<ByteView> refine;
  for (std::uint32_t b = 0; b < directory.refine.size(); ++b) {
    refine.push_back(test::page_bytes(built, directory.refine[b]));
    ASSERT_TRUE(check_page(directory.refine[b], refine[b], "refine block").ok());
    const Status status = parse_refine_block(refine[b], b * kCodeBlockRows, directory);
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
  test::TestCoder coder(directory.dimension);
  std::vector<std::byte> bits(padded / 8);
  std::uint32_t number = 0;
  for (std::uint32_t l = 0; l < directory.lists.size(); ++l) {
    ASSERT_EQ(directory.lists[l].first_row, number);
    if (directory.lists[l].rows == 0) continue;
    const ByteView bytes = test::page_bytes(built, directory.list_page(l));
    ASSERT_TRUE(check_page(directory.list_page(l), bytes, "run of codes").ok());
    const auto list = CodeList::parse(bytes, l, directory);
    ASSERT_TRUE(list.ok()) << list.error().message;
    ASSERT_EQ(list->rows(), directory.lists[l].rows);
    for (std::uint32_t i = 0; i < list->rows(); ++i, ++number) {
      const RefineRow fine = refine_row(refine[number / kCodeBlockRows].data() +
                                        number % kCodeBlockRows * refine_row_bytes(padded));
      const IndexedObject& object = *by_number[list->object(i)];
      const std::uint16_t* values =
          object.vectors.data() + std::size_t{fine.chunk} * directory.dimension;
      if (i == 0) {
        EXPECT_EQ(std::memcmp(list->centroid(), values, std::size_t{2} * directory.dimension), 0);
      }
      CodedRow expected{.values = values};
      coder.encode(nullptr, {&expected, 1});
      CodedRow row;
      get_code(list->block(i), padded, i % kCodeBlockRows, bits.data(), row);
      EXPECT_EQ(std::memcmp(row.bits, expected.bits, padded / 8), 0) << "row " << number;
      EXPECT_EQ(row.add, expected.add);
      EXPECT_EQ(row.rescale, expected.rescale);
      EXPECT_EQ(row.error, expected.error);
      EXPECT_EQ(row.object, list->object(i));
      EXPECT_EQ(std::memcmp(fine.extra, expected.extra, padded / 2), 0) << "row " << number;
      EXPECT_EQ(fine.add, expected.refine_add);
      EXPECT_EQ(fine.rescale, expected.refine_rescale);
      const ChunkRow& chunk = object.chunks[fine.chunk];
      const std::uint64_t length = chunk.end - chunk.begin;
      const bool known = chunk.begin < kUnknownBegin && length < kUnknownLength;
      EXPECT_EQ(fine.begin, known ? chunk.begin : kUnknownBegin);
      EXPECT_EQ(fine.length, known ? length : kUnknownLength);
    }
  }
  EXPECT_EQ(number, directory.rows);
}

void expect_segment(const SegmentBuilder::Built& built, const std::vector<IndexedObject>& objects,
                    std::uint32_t dimension) {
  ASSERT_EQ(built.entry.bytes, built.file.size());
  ASSERT_EQ(built.number_of.size(), objects.size());
  std::vector<const IndexedObject*> by_number(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) by_number[built.number_of[i]] = &objects[i];

  const ByteView directory_bytes = test::plane_bytes(built, Plane::kDirectory);
  EXPECT_EQ(crc32c(directory_bytes), built.entry.directory_crc);
  const auto directory = SegmentDirectory::parse(directory_bytes);
  ASSERT_TRUE(directory.ok()) << directory.error().message;
  EXPECT_TRUE(directory->matches(built.entry).ok());
  EXPECT_EQ(directory->encode(), Bytes(directory_bytes.begin(), directory_bytes.end()));
  EXPECT_EQ(directory->dimension, dimension);
  expect_docs(built, *directory, by_number);
  expect_text_and_vectors(built, *directory, by_number);
  expect_codes(built, *directory, by_number);
  expect_keys(built, *directory, by_number);

  const ByteView file(built.file);
  EXPECT_EQ(parse_segment_header(file.first(kSegmentHeaderBytes)).value(), built.entry.id);
  const auto tail = parse_segment_tail(file.last(kSegmentTailBytes), file.size());
  ASSERT_TRUE(tail.ok()) << tail.error().message;
  EXPECT_EQ(*tail, built.entry);
  EXPECT_EQ(built.entry.lower,
            key_bound(by_number.front()->row.source, by_number.front()->row.key));
  EXPECT_EQ(built.entry.upper, key_bound(by_number.back()->row.source, by_number.back()->row.key));
}

TEST(Segment, ReadsBackWhatWasBuilt) {
  const Case cases[] = {{1, 0, 1},   {1, 1, 1},     {2, 3, 7},    {127, 2, 16},  {128, 1, 3},
                        {129, 5, 8}, {300, 4, 384}, {1200, 2, 4}, {40, 60, 33},  {31, 1, 64},
                        {70, 1, 65}, {90, 2, 100},  {64, 1, 128}, {257, 1, 1000}};
  std::uint64_t seed = 1;
  for (const Case& c : cases) {
    SCOPED_TRACE(str_cat("seed ", seed, ", ", c.objects, " objects"));
    SeededRandom random(seed++);
    const auto objects = test::random_objects(random, c.objects, c.max_chunks, c.dimension);
    expect_segment(test::build(objects, c.dimension), objects, c.dimension);
  }
}

// Of every number of rows around a block of codes, of refine and of vectors: of one list and of
// several, some of them empty.
TEST(Segment, ReadsBackEveryNumberOfRows) {
  for (std::uint32_t rows = 1; rows <= 100; ++rows) {
    for (const std::uint32_t dimension : {4U, 64U, 100U, 384U}) {
      SCOPED_TRACE(str_cat(rows, " rows of ", dimension));
      SeededRandom random(rows * 1000 + dimension);
      const std::vector<IndexedObject> objects = {
          test::random_object(random, 1, "a", rows / 3, dimension),
          test::random_object(random, 1, "b", 0, dimension),
          test::random_object(random, 2, "a", rows - rows / 3, dimension)};
      expect_segment(test::build(objects, dimension), objects, dimension);
      const auto lists = static_cast<std::uint32_t>(2 + random.below(6));
      const auto built =
          test::build_lists(objects, dimension, lists, test::random_lists(random, objects, lists));
      expect_segment(built, objects, dimension);
      EXPECT_EQ(built.entry.tree, test::number_id(0x77));
    }
  }
}

TEST(Segment, ReadsBackTheListsOfATree) {
  const struct {
    Case size;
    std::uint32_t lists;
  } cases[] = {{{300, 4, 4}, 2},   {{129, 3, 64}, 7},  {{200, 9, 100}, 20},
               {{400, 2, 384}, 9}, {{50, 3, 8}, 2000}, {{20, 0, 8}, 5}};
  std::uint64_t seed = 50;
  for (const auto& [c, lists] : cases) {
    SCOPED_TRACE(str_cat("seed ", seed, ", ", lists, " lists"));
    SeededRandom random(seed++);
    const auto objects =
        test::in_key_order(test::random_objects(random, c.objects, c.max_chunks, c.dimension));
    const auto list_of = test::random_lists(random, objects, lists);
    const auto built = test::build_lists(objects, c.dimension, lists, list_of);
    expect_segment(built, objects, c.dimension);
    EXPECT_EQ(built.entry.tree, built.entry.rows == 0 ? Id128{} : test::number_id(0x77));
  }
}

// The order of add() decides nothing but number_of.
TEST(Segment, IsTheSameFileInWhateverOrderObjectsCome) {
  SeededRandom random(99);
  auto objects = test::random_objects(random, 200, 3, 8);
  const Bytes one = test::build(objects, 8).file;
  std::reverse(objects.begin(), objects.end());
  EXPECT_EQ(test::build(objects, 8).file, one);
}

}  // namespace
}  // namespace kedge
