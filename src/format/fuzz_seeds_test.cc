// The seeds of the fuzzers of this folder are what today's writers make: KEDGE_UPDATE_CORPUS=1
// writes them anew. A seed of an older layout would be refused at its first byte and reach nothing.
#include <gtest/gtest.h>

#include <numeric>

#include "format/envelope.h"
#include "format/format_test_data.h"
#include "format/golden.h"
#include "format/opening.h"
#include "format/pack.h"
#include "format/tree_file.h"

namespace kedge {
namespace {

void expect_seed(const std::string& target, const std::string& name, ByteView bytes) {
  const auto path = golden_folder() / "../../fuzz/corpus" / target / name;
  if (std::getenv("KEDGE_UPDATE_CORPUS") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  std::ifstream file(path, std::ios::binary);
  const std::string kept((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_TRUE(as_bytes(kept).size() == bytes.size() &&
              std::equal(bytes.begin(), bytes.end(), as_bytes(kept).begin()))
      << target << "/" << name << " is not what the writer makes";
}

// A byte for the rows, a byte for the dimension, each less one, and the bytes.
void expect_shaped_seed(const std::string& target, const std::string& name, std::uint32_t rows,
                        std::uint32_t dimension, ByteView bytes) {
  ByteWriter out;
  out.put(static_cast<std::uint8_t>(rows - 1));
  out.put(static_cast<std::uint8_t>(dimension - 1));
  out.put_bytes(bytes);
  expect_seed(target, name, out.view());
}

void expect_segment_seeds(const std::string& name, const SegmentBuilder::Built& built) {
  const ByteView file(built.file);
  const ByteView directory_bytes = test::plane_bytes(built, Plane::kDirectory);
  const auto directory = SegmentDirectory::parse(directory_bytes).value();
  expect_seed("segment_directory", name, directory_bytes);
  // Their checksums are put on by the fuzzer.
  expect_seed("segment_tail", name, file.last(kSegmentTailBytes).first(kSegmentTailBytes - 4));
  expect_seed("segment_tail", name + "-header", file.first(kSegmentHeaderBytes - 4));
  expect_seed("docs_page", name, test::page_bytes(built, directory.docs[0]));
  expect_seed("keys_page", name, test::page_bytes(built, directory.keys[0]));
  expect_seed("attributes_page", name, test::page_bytes(built, directory.attributes[0]));
  if (directory.rows == 0) return;
  expect_seed("text_page", name, test::page_bytes(built, directory.text[0]));
  expect_seed("vector_block", name, test::page_bytes(built, directory.vectors[0]));
  for (std::uint32_t list = 0; list < directory.lists.size(); ++list) {
    if (directory.lists[list].rows == 0) continue;
    expect_shaped_seed("code_list", name, directory.lists[list].rows, directory.dimension,
                       test::page_bytes(built, directory.list_page(list)));
    break;
  }
  expect_shaped_seed("refine_block", name, std::min(directory.rows, kCodeBlockRows),
                     directory.dimension, test::page_bytes(built, directory.refine[0]));
}

TEST(FuzzSeeds, OfSegmentsAreCurrent) {
  expect_segment_seeds("small", test::build(test::small_objects(), test::kSmallDimension));
  SeededRandom random(31);
  expect_segment_seeds("random", test::build(test::random_objects(random, 9, 3, 5), 5));
  expect_segment_seeds("no-rows", test::build(test::random_objects(random, 4, 0, 1), 1));
  const auto objects = test::in_key_order(test::random_objects(random, 90, 2, 70));
  expect_segment_seeds("lists",
                       test::build_lists(objects, 70, 5, test::random_lists(random, objects, 5)));
  SegmentDirectory big =
      SegmentDirectory::parse(
          test::plane_bytes(test::build(test::random_objects(random, 260, 2, 3), 3),
                            Plane::kDirectory))
          .value();
  expect_seed("segment_directory", "three-pages", big.encode());
}

TEST(FuzzSeeds, OfStatesAreCurrent) {
  SeededRandom random(32);
  expect_seed("index_state", "empty", IndexState{}.encode());
  expect_seed("index_state", "small", test::random_state(random, 1, 1).encode());
  expect_seed("index_state", "several", test::random_state(random, 3, 4).encode());
  for (const std::uint32_t dimension : {1U, 384U}) {
    ByteWriter out;
    test::test_space(dimension).encode(out);
    expect_seed("space", str_cat("dimension-", dimension), out.view());
  }
}

TEST(FuzzSeeds, OfTreesAreCurrent) {
  SeededRandom random(34);
  for (const std::uint32_t leaves : {1U, 40U}) {
    TreeBody tree;
    tree.id = test::number_id(7);
    tree.space = test::number_id(5);
    tree.padded = 64;
    for (std::uint32_t leaf = 0; leaf < leaves; leaf += 2) tree.first_leaf.push_back(leaf);
    for (std::uint32_t i = 0; i < leaves * tree.padded; ++i)
      tree.centroids.push_back(test::random_half(random));
    for (std::uint32_t leaf = 0; leaf < leaves; ++leaf)
      tree.penalties.push_back(0.5F * static_cast<float>(leaf));
    const Bytes file = encode_tree(tree);
    expect_seed("tree", str_cat("leaves-", leaves), ByteView(file).first(file.size() - 4));
  }
}

// A byte for the blocks, and the file without the checksum of its table.
TEST(FuzzSeeds, OfOpeningFilesAreCurrent) {
  const Bytes bodies[] = {to_bytes("abc"), to_bytes("d"), to_bytes("a longer block")};
  std::vector<OpeningBlock> blocks;
  for (std::uint8_t count = 0; count <= 3; ++count) {
    const Bytes file = encode_opening(blocks);
    const std::size_t table = 16 + std::size_t{32} * count;
    ByteWriter out;
    out.put(count);
    out.put_bytes(ByteView(file).first(table));
    out.put_bytes(ByteView(file).subspan(table + 4));
    expect_seed("opening", str_cat("blocks-", count), out.view());
    if (count < 3)
      blocks.push_back({.file = test::number_id(static_cast<std::uint8_t>(count + 1)),
                        .offset = 64,
                        .crc = crc32c(bodies[count]),
                        .bytes = bodies[count]});
  }
}

TEST(FuzzSeeds, OfDelFilesAreCurrent) {
  std::vector<std::uint32_t> even(5000);
  for (std::uint32_t i = 0; i < even.size(); ++i) even[i] = 2 * i;
  std::vector<std::uint32_t> run(70'000);
  std::iota(run.begin(), run.end(), 10U);
  const std::pair<std::string, std::vector<std::uint32_t>> cases[] = {
      {"array", {3, 5, 70'000}},
      {"bitset", even},
      {"runs", run},
      {"containers", {1, 65'536, 65'537, 131'072, 200'000, 300'000}}};
  for (const auto& [name, dead] : cases) {
    const Bytes file = encode_del_file(test::number_id(0xAB), dead);
    expect_seed("del_file", name, ByteView(file).first(file.size() - 4));
  }
}

TEST(FuzzSeeds, OfHeadsAreCurrent) {
  Envelope first;
  first.commit_id = test::number_id(1);
  first.generation = 1;
  first.retention = std::chrono::hours(24);
  first.grace = kMinGrace;
  first.recent = {{1, first.commit_id}};
  Envelope full = first;
  full.generation = 9;
  full.commit_id = test::number_id(9);
  full.parent_id = test::number_id(8);
  full.recent.clear();
  for (std::uint8_t g = 9; g > 0; --g) full.recent.emplace_back(g, test::number_id(g));
  full.pins = {{"may", 2, test::number_id(2), {1'700'000'000'000'000}},
               {"old", 1, test::number_id(1), {}}};
  full.features = {"a", "b-2"};
  full.files = {{"del/x", 60}, {"seg/ab/ab12", 4096}};
  full.payload = to_bytes("a payload");
  Envelope dropped = full;
  dropped.dropped = true;
  dropped.files.clear();
  dropped.payload.clear();
  for (const auto& [name, head] :
       {std::pair("first", &first), std::pair("full", &full), std::pair("dropped", &dropped)}) {
    ASSERT_TRUE(head->validate().ok()) << head->validate().error().message;
    const Bytes bytes = head->encode();
    expect_seed("head", name, ByteView(bytes).first(bytes.size() - 4));
  }
}

// A byte for the piece, three for the shape, and the piece without its checksum.
TEST(FuzzSeeds, OfPacksAreCurrent) {
  SeededRandom random(33);
  for (const std::uint32_t rows : {1U, 300U}) {
    const PackShape shape{rows, 4};
    std::vector<Id128> hashes;
    for (std::uint32_t i = 0; i < rows; ++i) hashes.push_back(Id128::random(random));
    std::vector<std::uint16_t> vectors(std::size_t{rows} * shape.dimension);
    for (std::uint16_t& half : vectors) half = test::random_half(random);
    const Bytes file = encode_pack(test::number_id(5), shape.dimension, hashes, vectors);
    const auto expect_piece = [&](std::uint8_t piece, const std::string& name, ByteView bytes) {
      ByteWriter out;
      out.put(piece);
      out.put(static_cast<std::uint8_t>((rows - 1) % 256));
      out.put(static_cast<std::uint8_t>((rows - 1) / 256));
      out.put(static_cast<std::uint8_t>(shape.dimension - 1));
      out.put_bytes(bytes);
      expect_seed("pack", str_cat(name, "-", rows), out.view());
    };
    const ByteView bytes(file);
    const std::uint32_t last = shape.blocks() - 1;
    expect_piece(0, "head", bytes.first(shape.head_bytes() - 4));
    expect_piece(1, "block", bytes.subspan(shape.block_offset(last), shape.block_bytes(last) - 4));
    expect_piece(2, "row", bytes.subspan(shape.row_offset(0), shape.row_bytes() - 4));
    CacheState state{.space = test::number_id(5), .dimension = 4, .packs = {}};
    for (std::uint32_t i = 0; i < rows / 30; ++i) state.packs.push_back({hashes[i], i + 1});
    expect_piece(3, "state", state.encode());
    expect_piece(4, "round-trip", bytes.first(200));
  }
}

}  // namespace
}  // namespace kedge
