// What Kedge has written itself and reads again: the parsers of src/format, and the probe's record.
#include <gtest/gtest.h>

#include "api/probed_store.h"
#include "format/attributes.h"
#include "format/envelope.h"
#include "format/format_test_data.h"
#include "format/opening.h"
#include "format/pack.h"
#include "format/tree_file.h"
#include "tests/allocation/corpus.h"
#include "tests/allocation/fail_each.h"

namespace kedge {

// For expect_same().
bool operator==(const DocsEntry& a, const DocsEntry& b) {
  return a.row == b.row && a.first_chunk == b.first_chunk && a.chunk_count == b.chunk_count;
}
bool operator==(const TextEntry& a, const TextEntry& b) {
  return a.row == b.row && a.chunk.begin == b.chunk.begin && a.chunk.end == b.chunk.end &&
         a.chunk.context == b.chunk.context && a.chunk.input_hash == b.chunk.input_hash;
}
bool operator==(const OpeningBlock& a, const OpeningBlock& b) {
  return a.file == b.file && a.offset == b.offset && a.bytes.data() == b.bytes.data();
}
bool operator==(const PackEntry& a, const PackEntry& b) {
  return a.hash == b.hash && a.row == b.row;
}

namespace {

using test::corpus;
using test::fail_each;

Bytes sealed(ByteView body) {
  ByteWriter out;
  out.put_bytes(body);
  out.put(crc32c(body));
  return std::move(out).take();
}

Id128 id_at(ByteView bytes, std::size_t at) {
  Id128 id;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), id.bytes.size(), id.bytes.begin());
  return id;
}

TEST(WithoutMemory, HeadsAndStates) {
  for (const auto& [name, body] : corpus("head")) {
    const Bytes head = sealed(body);
    fail_each("head " + name, [&] { return Envelope::parse_any(head); });
    fail_each("known head " + name, [&] { return Envelope::parse(head); });
  }
  for (const auto& [name, body] : corpus("index_state"))
    fail_each("state " + name, [&] { return IndexState::parse(body); });
  for (const auto& [name, body] : corpus("space")) {
    fail_each("space " + name, [&] {
      ByteReader in(body);
      return Space::parse(in);
    });
  }
}

// An error has a message, which needs memory too.
TEST(WithoutMemory, DamagedStatesAndHeads) {
  for (const auto& [name, body] : corpus("index_state")) {
    for (std::size_t at = 0; at < body.size(); at += 37) {
      Bytes bad = body;
      bad[at] ^= std::byte{0x81};
      fail_each(str_cat("state ", name, ", byte ", at), [&] { return IndexState::parse(bad); });
    }
  }
  const Bytes head = sealed(corpus("head").at("full"));
  for (const std::size_t size : {0U, 11U, 60U}) {
    const Bytes cut(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(size));
    fail_each(str_cat("head of ", size), [&] { return Envelope::parse_any(cut); });
  }
}

void fail_pages(const std::string& name, const SegmentBuilder::Built& built) {
  const ByteView file(built.file);
  const ByteView bytes = test::plane_bytes(built, Plane::kDirectory);
  fail_each("directory " + name, [&] { return SegmentDirectory::parse(bytes); });
  fail_each("header " + name,
            [&] { return parse_segment_header(file.first(kSegmentHeaderBytes)); });
  fail_each("tail " + name,
            [&] { return parse_segment_tail(file.last(kSegmentTailBytes), file.size()); });
  const SegmentDirectory directory = SegmentDirectory::parse(bytes).value();
  const PageRef& docs = directory.docs[0];
  const ByteView page = test::page_bytes(built, docs);
  fail_each("page " + name, [&] { return check_page(docs, page, "docs page"); });
  fail_each("bad page " + name, [&] { return check_page(docs, page.first(8), "docs page"); });
  fail_each("docs " + name, [&] { return parse_docs_page(page, 0, directory); });
  fail_each("entry " + name, [&] { return parse_docs_entry(page, 0, directory); });
  const ObjectRow row = parse_docs_entry(page, 0, directory)->row;
  const Id128 hash = object_key_hash(row.source, row.key);
  const PageRef& keys = directory.keys[keys_page_of(hash, directory.keys.size())];
  fail_each("keys " + name,
            [&] { return find_in_keys_page(test::page_bytes(built, keys), hash, directory); });
  const ByteView attributes = test::page_bytes(built, directory.attributes[0]);
  fail_each("attributes " + name, [&]() -> Result<std::size_t> {
    auto plane = KEDGE_TRY(AttributesPage::open(attributes, 0, directory));
    std::size_t objects = 0;
    while (KEDGE_TRY(plane.next())) objects += plane.entry().objects.size();
    return objects;
  });
  const ByteView text = test::page_bytes(built, directory.text[0]);
  fail_each("text " + name, [&] { return parse_text_page(text, 0, directory); });
  const ByteView vectors = test::page_bytes(built, directory.vectors[0]);
  fail_each("vectors " + name, [&] { return VectorBlock::parse(vectors, 0, directory); });
  fail_each("bad vectors " + name,
            [&] { return VectorBlock::parse(vectors.first(20), 0, directory); });
  const ByteView refine = test::page_bytes(built, directory.refine[0]);
  fail_each("refine " + name, [&] { return parse_refine_block(refine, 0, directory); });
  fail_each("bad refine " + name,
            [&] { return parse_refine_block(refine.first(20), 0, directory); });
  for (std::uint32_t list = 0; list < directory.lists.size(); ++list) {
    if (directory.lists[list].rows == 0) continue;
    const ByteView run = test::page_bytes(built, directory.list_page(list));
    fail_each("codes " + name, [&] { return CodeList::parse(run, list, directory); });
    fail_each("bad codes " + name, [&] { return CodeList::parse(run.first(20), list, directory); });
  }
}

TEST(WithoutMemory, Segments) {
  fail_pages("small", test::build(test::small_objects(), test::kSmallDimension));
  SeededRandom random(31);
  fail_pages("random", test::build(test::random_objects(random, 90, 3, 5), 5));
  const auto objects = test::in_key_order(test::random_objects(random, 90, 2, 70));
  fail_pages("lists", test::build_lists(objects, 70, 5, test::random_lists(random, objects, 5)));
}

TEST(WithoutMemory, OtherFiles) {
  for (const auto& [name, body] : corpus("del_file")) {
    const Bytes file = sealed(body);
    fail_each("del file " + name, [&] { return parse_del_file(file, id_at(file, 8), 1U << 20); });
  }
  for (const auto& [name, body] : corpus("tree")) {
    const Bytes file = sealed(body);
    fail_each("tree " + name, [&] { return parse_tree(file, id_at(file, 8)); });
  }
  const Bytes block = to_bytes("a block");
  const OpeningBlock blocks[] = {
      {.file = test::number_id(1), .offset = 64, .crc = crc32c(block), .bytes = block}};
  const Bytes opening = encode_opening(blocks);
  fail_each("opening", [&] { return parse_opening(opening); });
  fail_each("no opening", [&] { return parse_opening(ByteView(opening).first(30)); });
  const Bytes probe = to_bytes(encode_probe(
      {.endpoint = "https://s3.example.com/bucket",
       .probed_at = {1'700'000'000'000'000},
       .report = {.checks = {{"if-match is kept", true, "a detail", {}, true},
                             {"if-none-match is kept", true, "another detail", {}, true}}}}));
  fail_each("probe",
            [&]() -> Result<std::string> { return KEDGE_TRY(parse_probe(probe)).endpoint; });
}

TEST(WithoutMemory, PacksAndTheirState) {
  SeededRandom random(33);
  const PackShape shape{300, 4};
  std::vector<Id128> hashes;
  for (std::uint32_t i = 0; i < shape.rows; ++i) hashes.push_back(Id128::random(random));
  std::vector<std::uint16_t> values(std::size_t{shape.rows} * shape.dimension);
  for (std::uint16_t& half : values) half = test::random_half(random);
  const Id128 space = test::number_id(5);
  const Bytes file = encode_pack(space, shape.dimension, hashes, values);
  const ByteView bytes(file);
  fail_each("pack", [&]() -> Result<std::size_t> {
    return KEDGE_TRY(PackHead::parse(bytes.first(shape.head_bytes()), space, shape)).memory_bytes();
  });
  fail_each("pack of another space", [&]() -> Result<std::size_t> {
    return KEDGE_TRY(PackHead::parse(bytes.first(shape.head_bytes()), hashes[0], shape))
        .memory_bytes();
  });
  fail_each("block of a pack", [&] {
    return parse_pack_block(bytes.subspan(shape.block_offset(1), shape.block_bytes(1)), shape, 1);
  });
  fail_each("row of a pack", [&] {
    return parse_pack_row(bytes.subspan(shape.row_offset(0), shape.row_bytes()), shape, hashes[0]);
  });
  CacheState state{.space = space, .dimension = 4, .packs = {}};
  for (std::uint32_t i = 0; i < 30; ++i) state.packs.push_back({hashes[i], i + 1});
  const Bytes encoded = state.encode();
  fail_each("state of a cache", [&] { return CacheState::parse(encoded); });
}

}  // namespace
}  // namespace kedge
