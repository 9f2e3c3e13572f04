// The opening file: with it an index opens in one round, and without it, or with any other bytes in
// its place, in two, with the same answers.
#include "engine/opening.h"

#include "engine/tree_testing.h"
#include "format/opening.h"
#include "store/disk_cache.h"

namespace kedge {
namespace {

constexpr std::string_view kKey = "ix/opening/blocks";

class OpeningTest : public Trees {
 protected:
  OpeningTest() : Trees(31) {
    world_.options.index.read_opening = true;
    put(0, 1500);
    must(index_->compact(true, world_.soon()));
  }

  // Gives the segment so many pages that its directory is too large for the head.
  void fill() {
    std::vector<Intent> skipped;
    for (int i = 0; i < 110'000; ++i) {
      if (skipped.size() == 55'000)
        must(index_->commit(std::exchange(skipped, {}), {}, {}, world_.soon()));
      IndexedObject object;
      object.row.source = 1;
      object.row.key = str_cat(std::string(80, 'z'), i);
      object.row.tag = "v1";
      object.row.read_time = at_second(10);
      object.row.status = ObjectStatus::kSkipped;
      object.row.reason = "a reason";
      skipped.emplace_back(PutIntent{std::move(object)});
    }
    must(index_->commit(std::move(skipped), {}, {}, world_.soon()));
    must(index_->compact(true, world_.soon()));
    ASSERT_TRUE(index_->current()->state().segments[0].directory.empty());
  }

  Result<Bytes> file() {
    ReadRequest request;
    request.key = kKey;
    Result<Blob> blob = read_one(world_.memory, request, world_.soon());
    if (!blob.ok()) return blob.error();
    return std::move(blob->body);
  }
  Timestamp written() {
    return must(stat_one(world_.memory, kKey, world_.soon())).info.last_modified;
  }
  void replace(ByteView bytes) { must(put_one(world_.memory, kKey, bytes, world_.soon())); }
  std::uint64_t reads() { return world_.counting.counts().of(Operation::kRead).requests; }

  // Opens in so many rounds and requests, and finds what this handle finds.
  void expect_opened(std::uint32_t rounds, std::uint64_t requests) {
    const std::uint64_t before = reads();
    const std::unique_ptr<Index> opened = world_.open();
    EXPECT_EQ(reads() - before, requests);
    EXPECT_EQ(opened->current()->rounds(), rounds);
    ASSERT_EQ(opened->current()->state().trees.size(), 1U);
    EXPECT_NE(opened->current()->tree(opened->current()->state().trees[0].id), nullptr);
    const SearchRequest asked = request(vector(), 3);
    const SearchResult mine = must(index_->search(index_->current(), asked, world_.soon()));
    const SearchResult theirs = must(opened->search(opened->current(), asked, world_.soon()));
    ASSERT_EQ(mine.hits.size(), theirs.hits.size());
    for (std::size_t h = 0; h < mine.hits.size(); ++h)
      EXPECT_EQ(mine.hits[h].object.row.key, theirs.hits[h].object.row.key);
  }
};

TEST_F(OpeningTest, HoldsWhatOpeningReads) {
  fill();
  expect_opened(1, 2);
  world_.options.index.read_opening = false;
  expect_opened(2, 3);
  // One that is lost is made again.
  const Bytes before = must(file());
  must(world_.memory.remove(std::vector<std::string>{std::string(kKey)}, world_.soon())[0]);
  EXPECT_EQ(must(index_->compact(false, world_.soon())), 0U);
  EXPECT_EQ(must(file()), before);
}

TEST_F(OpeningTest, AnythingInItsPlaceCostsARoundAndNothingElse) {
  fill();
  const Bytes good = must(file());
  const std::vector<OpeningBlock> blocks = must(parse_opening(good));
  ASSERT_EQ(blocks.size(), 2U);  // a directory and a tree
  replace(to_bytes("no opening file"));
  expect_opened(2, 4);
  replace({});
  expect_opened(2, 4);
  // Damage in a block costs a read of that block.
  for (const OpeningBlock& block : blocks) {
    Bytes bad = good;
    bad[static_cast<std::size_t>(block.bytes.data() - good.data()) + block.bytes.size() / 2] ^=
        std::byte{4};
    replace(bad);
    expect_opened(2, 3);
  }
  // Bytes of the right name and checksum that are another file's.
  std::vector<OpeningBlock> swapped = blocks;
  std::swap(swapped[0].bytes, swapped[1].bytes);
  replace(encode_opening(swapped));
  expect_opened(2, 4);
  must(world_.memory.remove(std::vector<std::string>{std::string(kKey)}, world_.soon())[0]);
  expect_opened(2, 4);
  // An old one.
  must(index_->compact(true, world_.soon()));
  EXPECT_NE(must(file()), good);
  expect_opened(1, 2);
  replace(good);
  expect_opened(2, 4);
}

TEST_F(OpeningTest, IsWrittenWithNewTreesAndDirectoriesAlone) {
  const Timestamp before = written();
  world_.clock.advance(std::chrono::minutes(1));
  put(5000, 10, Merging::kLater);
  std::vector<Intent> gone;
  for (std::size_t i = 0; i < 3; ++i)
    gone.emplace_back(AbsentIntent{{1, str_cat("k", 100'000 + i)}, at_second(1'000'000)});
  must(index_->commit(std::move(gone), {}, {}, world_.soon(), Merging::kLater));
  EXPECT_EQ(written(), before);
  // Small segments have their directories in the head.
  expect_opened(1, 2);
  must(index_->compact(true, world_.soon()));
  EXPECT_NE(written(), before);
}

// It can be written or not: the commit stands.
TEST_F(OpeningTest, ACommitStandsWithoutIt) {
  const Bytes before = must(file());
  FaultRule rule;
  rule.times = UINT64_MAX;
  rule.matches = [](const Call& call) {
    return std::find(call.keys.begin(), call.keys.end(), kKey) != call.keys.end();
  };
  world_.faults.add(std::move(rule));
  const std::uint64_t generation = index_->current()->generation();
  EXPECT_EQ(must(index_->compact(true, world_.soon())), 1U);
  EXPECT_GT(index_->current()->generation(), generation);
  world_.faults.heal();
  EXPECT_EQ(must(file()), before);
  expect_opened(2, 3);
}

TEST_F(OpeningTest, StaysUntilTheIndexIsDroppedAndCollected) {
  const Bytes before = must(file());
  world_.clock.advance(std::chrono::hours(80));
  must(index_->collect({}, world_.soon()));
  const Result<Bytes> after = file();
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_EQ(*after, before);
  must(index_->drop(world_.soon()));
  for (int i = 0; i < 3; ++i) {
    world_.clock.advance(std::chrono::hours(30));
    must(index_->collect({}, world_.soon()));
  }
  EXPECT_EQ(file().code(), Code::kNotFound);
}

}  // namespace
}  // namespace kedge
