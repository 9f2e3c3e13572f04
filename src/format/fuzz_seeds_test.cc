// The seeds of the fuzzers of this folder are what today's writers make: KEDGE_UPDATE_CORPUS=1
// writes them anew. A seed of an older layout would be refused at its first byte and reach nothing.
#include <gtest/gtest.h>

#include <numeric>

#include "format/format_test_data.h"
#include "format/golden.h"

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
  if (directory.rows == 0) return;
  expect_seed("text_page", name, test::page_bytes(built, directory.text[0]));
  expect_seed("vector_block", name, test::page_bytes(built, directory.vectors[0]));
}

TEST(FuzzSeeds, OfSegmentsAreCurrent) {
  expect_segment_seeds("small", test::build(test::small_objects(), test::kSmallDimension));
  SeededRandom random(31);
  expect_segment_seeds("random", test::build(test::random_objects(random, 9, 3, 5), 5));
  expect_segment_seeds("no-rows", test::build(test::random_objects(random, 4, 0, 1), 1));
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

}  // namespace
}  // namespace kedge
