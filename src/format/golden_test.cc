// The kept bytes of each structure stay readable, and mean what they meant. docs/format.md shows
// them.
#include "format/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "format/attributes.h"
#include "format/format_test_data.h"
#include "format/opening.h"
#include "format/pack.h"
#include "format/tree_file.h"

namespace kedge {
namespace {

Space golden_space() {
  Space space = test::test_space(test::kSmallDimension);
  space.query_prefix = "query: ";
  space.rotation_seed = 42;
  return space;
}

SegmentBuilder::Built golden_segment() {
  SegmentBuilder builder(test::kSmallDimension, golden_space().id());
  for (IndexedObject& object : test::small_objects())
    KEDGE_CHECK(builder.add(std::move(object)).ok());
  test::TestCoder coder(test::kSmallDimension);
  return std::move(builder).finish(test::number_id(0xAB), 1, coder);
}

// Three leaves below two upper nodes; a value in the first and the last dimension of each.
TreeBody golden_tree() {
  TreeBody tree;
  tree.id = test::number_id(0x77);
  tree.space = golden_space().id();
  tree.padded = 64;
  tree.first_leaf = {0, 2};
  tree.penalties = {0.0F, 0.5F, 0.25F};
  tree.centroids.resize(std::size_t{3} * 64);
  const std::uint16_t first[] = {0x3C00, 0xBC00, 0x3800};
  for (std::size_t leaf = 0; leaf < 3; ++leaf) {
    tree.centroids[leaf * 64] = first[leaf];
    tree.centroids[leaf * 64 + 63] = 0x0001;
  }
  return tree;
}

Bytes golden_tree_bytes() { return encode_tree(golden_tree()); }

IndexState golden_state() {
  IndexState state;
  state.spaces = {golden_space()};
  SourceEntry source;
  source.number = 1;
  source.uri = "file:///data/";
  source.recipe.extractor_version = 1;
  source.recipe.chunker_version = 2;
  source.recipe.max_tokens = 256;
  source.recipe.target_tokens = 200;
  source.recipe.max_object_bytes = 1 << 20;
  source.recipe.space = golden_space().id();
  source.include = {"*.md"};
  source.exclude = {"tmp/**"};
  source.hidden = true;
  source.gitignore = true;
  source.set_hash = {.low = 0x1122334455667788, .high = 0x99AABBCCDDEEFF00};
  source.live_objects = 2;
  source.failed_objects = 1;
  source.racy_objects = 1;
  source.earliest_retry = {1'700'000'200'000'000};
  source.last_reconcile = {1'700'000'300'000'000};
  source.withheld_deletes = 3;
  state.sources = {source};
  state.next_source = 3;
  TreeEntry tree;
  tree.id = test::number_id(0x77);
  tree.space = golden_space().id();
  tree.bytes = golden_tree_bytes().size();
  tree.leaves = 3;
  tree.rows = 3000;
  tree.points = {{.recall = 900, .probes = 1, .rerank = 0},
                 {.recall = 990, .probes = 2, .rerank = 40}};
  state.trees = {tree};
  SegmentBuilder::Built built = golden_segment();
  const ByteView directory = test::plane_bytes(built, Plane::kDirectory);
  built.entry.directory.assign(directory.begin(), directory.end());
  built.entry.del_file = test::number_id(0xD1);
  built.entry.del_bytes = 60;
  built.entry.del_count = 1;
  built.entry.dead = {1};
  state.segments = {built.entry};
  return state;
}

TEST(Golden, SpaceOfVersionOne) {
  ByteWriter out;
  golden_space().encode(out);
  const Bytes now = std::move(out).take();
  const Bytes kept = golden("space-v1.bin", now);
  EXPECT_EQ(to_hex(kept), to_hex(now));
  ByteReader in(kept);
  const auto space = Space::parse(in);
  ASSERT_TRUE(space.ok()) << space.error().message;
  EXPECT_EQ(*space, golden_space());
  EXPECT_EQ(space->id().hex(), "5d290b47310c6e367cb1b72f0a1e1ade");
}

TEST(Golden, IndexStateOfVersionTwo) {
  const Bytes now = golden_state().encode();
  const Bytes kept = golden("index-state-v2.bin", now);
  EXPECT_EQ(to_hex(kept), to_hex(now));
  const auto state = IndexState::parse(kept);
  ASSERT_TRUE(state.ok()) << state.error().message;
  EXPECT_EQ(*state, golden_state());
  EXPECT_EQ(state->sources[0].recipe.id().hex(), "2b591d3ece1d13791773e735daa8cdd7");
}

// Sums and key hashes are compared with stored ones, and so are part of the format.
TEST(Golden, Hashes) {
  EXPECT_EQ(SetHash::of("notes/a.md", "tag", 300, {1'700'000'000'000'000}).hex(),
            "c39234de73a9fba31da35b5775e2197d");
  EXPECT_EQ(object_key_hash(1, "notes/a.md").hex(), "74a3b7870dc4fc0357282ac953d96b8a");
}

TEST(Golden, SegmentOfVersionTwo) {
  const Bytes now = golden_segment().file;
  const Bytes kept = golden("segment-v2.bin", now);
  EXPECT_EQ(to_hex(kept), to_hex(now));
  const ByteView file(kept);
  ASSERT_GE(file.size(), kSegmentHeaderBytes + kSegmentTailBytes);
  ASSERT_TRUE(parse_segment_header(file.first(kSegmentHeaderBytes)).ok());
  const auto entry = parse_segment_tail(file.last(kSegmentTailBytes), file.size());
  ASSERT_TRUE(entry.ok()) << entry.error().message;
  EXPECT_EQ(*entry, golden_segment().entry);
  const Extent extent = entry->planes[static_cast<std::size_t>(Plane::kDirectory)];
  const auto directory = SegmentDirectory::parse(file.subspan(extent.offset, extent.size));
  ASSERT_TRUE(directory.ok()) << directory.error().message;
  const auto page = [&](const PageRef& ref) {
    const ByteView bytes = file.subspan(ref.offset, ref.size);
    EXPECT_TRUE(check_page(ref, bytes, "page").ok());
    return bytes;
  };
  const auto objects = test::small_objects();
  const auto docs = parse_docs_page(page(directory->docs[0]), 0, *directory);
  ASSERT_TRUE(docs.ok()) << docs.error().message;
  ASSERT_EQ(docs->size(), objects.size());
  const auto text = parse_text_page(page(directory->text[0]), 0, *directory);
  ASSERT_TRUE(text.ok()) << text.error().message;
  const auto block = VectorBlock::parse(page(directory->vectors[0]), 0, *directory);
  ASSERT_TRUE(block.ok()) << block.error().message;
  const auto list = CodeList::parse(page(directory->list_page(0)), 0, *directory);
  ASSERT_TRUE(list.ok()) << list.error().message;
  const ByteView refine = page(directory->refine[0]);
  const Status refine_status = parse_refine_block(refine, 0, *directory);
  ASSERT_TRUE(refine_status.ok()) << refine_status.error().message;
  auto attributes = AttributesPage::open(page(directory->attributes[0]), 0, *directory).value();
  const std::string wanted = text_key(attribute_key(AttributeScope::kMetadata, "owner"), "harbour");
  std::vector<ObjectRun> owned;
  while (attributes.next().value()) {
    if (attributes.entry().key == wanted) owned = attributes.entry().objects;
  }
  EXPECT_EQ(owned, (std::vector<ObjectRun>{{0, 1}}));
  std::uint32_t row = 0;
  for (std::uint32_t n = 0; n < objects.size(); ++n) {
    EXPECT_EQ((*docs)[n].row, objects[n].row);
    for (std::uint32_t c = 0; c < objects[n].chunks.size(); ++c, ++row) {
      EXPECT_EQ((*text)[row].chunk, objects[n].chunks[c]);
      EXPECT_EQ(block->row(row).object, n);
      EXPECT_EQ(std::memcmp(block->row(row).values, &objects[n].vectors[c * 4], 8), 0);
      EXPECT_EQ(list->object(row), n);
      const RefineRow fine = refine_row(refine.data() + row * refine_row_bytes(64));
      EXPECT_EQ(fine.chunk, c);
      EXPECT_EQ(fine.begin, objects[n].chunks[c].begin);
      EXPECT_EQ(fine.begin + fine.length, objects[n].chunks[c].end);
    }
    const Id128 hash = object_key_hash(objects[n].row.source, objects[n].row.key);
    const auto found = find_in_keys_page(page(directory->keys[0]), hash, *directory);
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_EQ(*found, std::vector<std::uint32_t>{n});
  }
}

// Rows of the lists of a tree are not in the order of chunks: here of chunk 0, 1, 2 in lists 2,
// 0, 2.
TEST(Golden, SegmentOfListsOfVersionTwo) {
  const std::uint32_t list_of[] = {2, 0, 2};
  const auto objects = test::small_objects();
  const auto built = test::build_lists(objects, test::kSmallDimension, 3, list_of);
  const Bytes kept = golden("segment-lists-v2.bin", built.file);
  EXPECT_EQ(to_hex(kept), to_hex(built.file));
  const ByteView file(kept);
  const auto entry = parse_segment_tail(file.last(kSegmentTailBytes), file.size());
  ASSERT_TRUE(entry.ok()) << entry.error().message;
  EXPECT_EQ(*entry, built.entry);
  const Extent extent = entry->planes[static_cast<std::size_t>(Plane::kDirectory)];
  const auto directory = SegmentDirectory::parse(file.subspan(extent.offset, extent.size));
  ASSERT_TRUE(directory.ok()) << directory.error().message;
  ASSERT_EQ(directory->lists.size(), 3U);
  EXPECT_EQ(directory->lists[1].rows, 0U);
  const PageRef page = directory->list_page(2);
  const auto list = CodeList::parse(file.subspan(page.offset, page.size), 2, *directory);
  ASSERT_TRUE(list.ok()) << list.error().message;
  EXPECT_EQ(list->object(0), 2U);
  EXPECT_EQ(list->object(1), 0U);
  const PageRef& text = directory->text[0];
  const auto chunks = parse_text_page(file.subspan(text.offset, text.size), 0, *directory);
  ASSERT_TRUE(chunks.ok()) << chunks.error().message;
  EXPECT_EQ((*chunks)[0].row, 2U);
  EXPECT_EQ((*chunks)[1].row, 0U);
  EXPECT_EQ((*chunks)[2].row, 1U);
}

TEST(Golden, TreeOfVersionThree) {
  const Bytes now = golden_tree_bytes();
  const Bytes kept = golden("tree-v3.bin", now);
  EXPECT_EQ(to_hex(kept), to_hex(now));
  const auto tree = parse_tree(kept, test::number_id(0x77));
  ASSERT_TRUE(tree.ok()) << tree.error().message;
  EXPECT_EQ(*tree, golden_tree());
}

// Two blocks of one file and one of another.
TEST(Golden, OpeningOfVersionOne) {
  const Bytes bodies[] = {to_bytes("abc"), to_bytes("d"), to_bytes("ef")};
  const std::vector<OpeningBlock> blocks = {
      {.file = test::number_id(0x77), .offset = 0, .crc = crc32c(bodies[0]), .bytes = bodies[0]},
      {.file = test::number_id(0xAB), .offset = 64, .crc = crc32c(bodies[1]), .bytes = bodies[1]},
      {.file = test::number_id(0xAB), .offset = 128, .crc = crc32c(bodies[2]), .bytes = bodies[2]}};
  const Bytes now = encode_opening(blocks);
  const Bytes kept = golden("opening-v1.bin", now);
  EXPECT_EQ(to_hex(kept), to_hex(now));
  const auto read = parse_opening(kept);
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->size(), blocks.size());
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    EXPECT_EQ((*read)[b].file, blocks[b].file);
    EXPECT_EQ((*read)[b].offset, blocks[b].offset);
    EXPECT_TRUE(std::ranges::equal((*read)[b].bytes, blocks[b].bytes));
  }
}

// An array and a run.
TEST(Golden, DelFileOfVersionOne) {
  std::vector<std::uint32_t> dead = {3, 5};
  for (std::uint32_t i = 0; i < 8; ++i) dead.push_back(65'536 + i);
  const Bytes now = encode_del_file(test::number_id(0xAB), dead);
  const Bytes kept = golden("del-file-v1.bin", now);
  EXPECT_EQ(to_hex(kept), to_hex(now));
  const auto read = parse_del_file(kept, test::number_id(0xAB), 70'000);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, dead);
}

// Added out of the order of their hashes.
TEST(Golden, PackOfVersionOne) {
  const Id128 space = golden_space().id();
  const std::vector<Id128> hashes = {test::number_id(0x72), test::number_id(0x71)};
  const std::vector<std::uint16_t> vectors = {0x3C00, 0x0000, 0xBC00, 0x3800,
                                              0x0001, 0x7BFF, 0x8000, 0x3555};
  const PackShape shape{2, test::kSmallDimension};
  const Bytes now = encode_pack(space, test::kSmallDimension, hashes, vectors);
  const Bytes kept = golden("pack-v1.bin", now);
  EXPECT_EQ(to_hex(kept), to_hex(now));
  ASSERT_EQ(kept.size(), shape.total_bytes());
  const ByteView file(kept);
  const auto head = PackHead::parse(file.first(shape.head_bytes()), space, shape);
  ASSERT_TRUE(head.ok()) << head.error().message;
  const auto entries =
      parse_pack_block(file.subspan(shape.block_offset(0), shape.block_bytes(0)), shape, 0);
  ASSERT_TRUE(entries.ok()) << entries.error().message;
  ASSERT_EQ(entries->size(), 2U);
  for (const PackEntry& entry : *entries) {
    EXPECT_TRUE(head->may_contain(entry.hash));
    EXPECT_EQ(head->block_of(entry.hash), 0U);
    EXPECT_EQ(entry.hash, hashes[entry.row]);
    const auto row = parse_pack_row(file.subspan(shape.row_offset(entry.row), shape.row_bytes()),
                                    shape, entry.hash);
    ASSERT_TRUE(row.ok()) << row.error().message;
    EXPECT_TRUE(std::equal(row->begin(), row->end(), vectors.begin() + entry.row * 4));
  }
}

TEST(Golden, CacheStateOfVersionOne) {
  const CacheState state{.space = golden_space().id(),
                         .dimension = test::kSmallDimension,
                         .packs = {{test::number_id(0xA1), 8192}, {test::number_id(0xA2), 2}}};
  const Bytes now = state.encode();
  const Bytes kept = golden("cache-state-v1.bin", now);
  EXPECT_EQ(to_hex(kept), to_hex(now));
  const auto read = CacheState::parse(kept);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, state);
}

}  // namespace
}  // namespace kedge
