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

TEST(Segment, ReadsBackWhatWasBuilt) {
  const Case cases[] = {{1, 0, 1},   {1, 1, 1},     {2, 3, 7},    {127, 2, 16}, {128, 1, 3},
                        {129, 5, 8}, {300, 4, 384}, {1200, 2, 4}, {40, 60, 33}};
  std::uint64_t seed = 1;
  for (const Case& c : cases) {
    SCOPED_TRACE(str_cat("seed ", seed, ", ", c.objects, " objects"));
    SeededRandom random(seed++);
    const auto objects = test::random_objects(random, c.objects, c.max_chunks, c.dimension);
    const SegmentBuilder::Built built = test::build(objects, c.dimension);
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
    EXPECT_EQ(directory->dimension, c.dimension);
    expect_docs(built, *directory, by_number);
    expect_text_and_vectors(built, *directory, by_number);
    expect_keys(built, *directory, by_number);

    const ByteView file(built.file);
    EXPECT_EQ(parse_segment_header(file.first(kSegmentHeaderBytes)).value(), built.entry.id);
    const auto tail = parse_segment_tail(file.last(kSegmentTailBytes), file.size());
    ASSERT_TRUE(tail.ok()) << tail.error().message;
    EXPECT_EQ(*tail, built.entry);
    EXPECT_EQ(built.entry.lower,
              key_bound(by_number.front()->row.source, by_number.front()->row.key));
    EXPECT_EQ(built.entry.upper,
              key_bound(by_number.back()->row.source, by_number.back()->row.key));
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
