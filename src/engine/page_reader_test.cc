// The engine with a disk cache: what a process read is there for the next one, and the cache is
// never what decides an answer.
#include "engine/page_reader.h"

#include <filesystem>
#include <fstream>
#include <numeric>

#include "engine/testing.h"
#include "store/disk_cache.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

// Pages of 1 KiB, so far apart.
RequestCount requests_for(std::span<const std::uint64_t> gaps) {
  SegmentFile file;
  std::vector<PageWant> wants(gaps.size() + 1);
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < wants.size(); ++i) {
    wants[i].file = &file;
    wants[i].page = {.offset = at, .size = 1024, .crc = 0};
    if (i < gaps.size()) at += 1024 + gaps[i];
  }
  std::reverse(wants.begin(), wants.end());
  return count_requests(wants);
}

// What a round reads for nothing: nothing that is large, and of the rest the more, the more
// requests it has.
TEST(Requests, LeaveOutTheLargestGaps) {
  using Gaps = std::vector<std::uint64_t>;
  EXPECT_EQ(requests_for(Gaps{0, 0}).requests, 1U);
  EXPECT_EQ(requests_for(Gaps{kMinGap, kMinGap}).requests, 1U);
  EXPECT_EQ(requests_for(Gaps{kMinGap + 1, 100, kMaxGap, kMaxGap + 1}).requests, 4U);
  Gaps many;
  for (std::uint64_t i = 0; i < 100; ++i) many.push_back(kMinGap + 1 + 1000 * (i * 37 % 100));
  const RequestCount count = requests_for(many);
  EXPECT_EQ(count.requests, kFewRequests);
  std::sort(many.begin(), many.end());
  many.resize(100 - (kFewRequests - 1));
  EXPECT_EQ(count.bytes, 101 * 1024 + std::accumulate(many.begin(), many.end(), std::uint64_t{0}));
  const Gaps far(100, kMaxGap + 1);
  EXPECT_EQ(requests_for(far).requests, 101U);
  Gaps both(60, kMaxGap + 1);
  both.insert(both.end(), 20, kMaxGap);
  EXPECT_EQ(requests_for(both).requests, 61U);
}

class DiskReadTest : public testing::Test {
 protected:
  DiskReadTest() {
    folder = (fs::temp_directory_path() / "kedge-test-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) ADD_FAILURE() << "cannot make " << folder;
    cache = open_cache();
    world.options.index.small_rows = 64;
    world.options.index.disk_cache = cache.get();
    fill();
    request.space = world.space().id();
    request.query = world.query();
    request.k = 20;
  }
  ~DiskReadTest() override {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }

  std::unique_ptr<DiskCache> open_cache(std::uint64_t max_bytes = 64ULL << 20) {
    return std::make_unique<DiskCache>(must(open_block_files(folder, cache_names)), max_bytes,
                                       world.clock, inline_executor(), silent_log());
  }

  // Segments that are too large to be merged by commits, so that their directories are no part of
  // the head.
  void fill() {
    index = world.create();
    for (int commit = 0; commit < 3; ++commit) {
      std::vector<Intent> intents;
      for (int i = 0; i < 400; ++i) {
        const ObjectKey key{1, str_cat("k", commit, "-", i)};
        intents.push_back(PutIntent{world.object(key, "v1", at_second(commit), 3)});
      }
      must(index->commit(std::move(intents), {}, {}, world.soon()));
    }
    baseline = world.counting.counts();
  }

  // A search by a process that has nothing in memory.
  SearchResult search_anew() {
    const std::unique_ptr<Index> fresh = world.open();
    return must(fresh->search(fresh->current(), request, world.soon()));
  }
  std::uint64_t reads() { return world.counting.counts().of(Operation::kRead).requests; }

  // One byte of the vectors of one segment, in the store.
  void damage_vectors() {
    const SegmentPtr segment = index->current()->segments().front();
    const Extent& vectors = segment->entry().planes[static_cast<std::size_t>(Plane::kVectors)];
    const std::string key = "ix/" + segment->entry().file_key();
    Bytes body =
        must(read_one(world.memory,
                      {.key = key, .offset = 0, .length = {}, .if_match = {}, .version_id = {}},
                      world.soon()))
            .body;
    body[vectors.offset + 100] ^= std::byte{1};
    must(put_one(world.memory, key, body, world.soon()));
  }

  std::vector<fs::path> blocks() {
    std::vector<fs::path> out;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file() && entry.path().filename() != "used") out.push_back(entry.path());
    }
    return out;
  }

  static void expect_same_hits(const SearchResult& a, const SearchResult& b) {
    ASSERT_EQ(a.hits.size(), b.hits.size());
    for (std::size_t i = 0; i < a.hits.size(); ++i) {
      EXPECT_EQ(a.hits[i].object.row.key, b.hits[i].object.row.key);
      EXPECT_EQ(a.hits[i].chunk_number, b.hits[i].chunk_number);
      EXPECT_EQ(a.hits[i].distance, b.hits[i].distance);
    }
  }

  World world{{.seed = 9, .dimension = 32, .index = {}}};
  SeededRandom cache_names{4};
  std::string folder;
  std::unique_ptr<DiskCache> cache;
  std::unique_ptr<Index> index;
  SearchRequest request;
  StoreCounts baseline;
};

TEST_F(DiskReadTest, TheNextProcessReadsOnlyTheHead) {
  const SearchResult first = search_anew();
  ASSERT_EQ(first.hits.size(), 20U);
  EXPECT_GT(first.trace.requests, 0U);
  const std::uint64_t before = reads();
  const SearchResult second = search_anew();
  EXPECT_EQ(reads() - before, 1U);
  EXPECT_EQ(second.trace.requests, 0U);
  EXPECT_EQ(second.trace.rounds, 0U);
  EXPECT_GT(second.trace.disk_blocks, 10U);
  EXPECT_GT(second.trace.disk_bytes, 1200U * 3 * 64);
  expect_same_hits(first, second);
}

// Of all blocks every third is damaged, every third is gone: the answer is the same, and the blocks
// are whole again.
TEST_F(DiskReadTest, DamagedAndVanishedBlocksAreReadFromTheStore) {
  const SearchResult first = search_anew();
  const std::vector<fs::path> all = blocks();
  std::uint64_t damaged = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % 3 == 0) {
      std::fstream file(all[i], std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(20);
      const char byte = static_cast<char>(file.get() ^ 4);
      file.seekp(20).put(byte);
      ++damaged;
    }
    if (i % 3 == 1) fs::remove(all[i]);
  }
  const std::uint64_t before = cache->counts().damaged;
  const SearchResult second = search_anew();
  EXPECT_EQ(cache->counts().damaged - before, damaged);
  EXPECT_GT(second.trace.requests, 0U);
  expect_same_hits(first, second);
  EXPECT_EQ(blocks().size(), all.size());
  const SearchResult third = search_anew();
  EXPECT_EQ(third.trace.requests, 0U);
  expect_same_hits(first, third);
}

// What the store has damaged is not kept.
TEST_F(DiskReadTest, WhatFailsItsCheckIsNotKept) {
  damage_vectors();
  for (int i = 0; i < 2; ++i) {
    const std::unique_ptr<Index> fresh = world.open();
    const Result<SearchResult> found = fresh->search(fresh->current(), request, world.soon());
    EXPECT_EQ(found.code(), Code::kCorrupt) << i;
  }
}

// A merge reads each page once and for all: it would push out what searches need.
TEST_F(DiskReadTest, MergesDoNotFillIt) {
  world.options.index.small_rows = 32'768;
  world.options.index.max_small_segments = 1;
  const std::unique_ptr<Index> fresh = world.open();
  const std::uint64_t before = cache->counts().written_bytes;
  EXPECT_GT(must(fresh->maintain(4, world.soon())), 0U);
  // The directory of what was made, perhaps; no page of the inputs.
  EXPECT_LT(cache->counts().written_bytes - before, 4096U);
}

// What was sent twice is counted beside what was sent.
TEST_F(DiskReadTest, CountsRequestsThatWereSentTwice) {
  class Hedging final : public WrappedStore {
   public:
    using WrappedStore::WrappedStore;
    std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                   Deadline deadline) override {
      auto out = inner().read(requests, deadline);
      for (Result<Blob>& blob : out) {
        if (!blob.ok() || ++reads % 2 != 0) continue;
        blob->hedged = true;
        ++hedges;
      }
      return out;
    }
    std::uint64_t reads = 1, hedges = 0;  // the head is read first, and not hedged
  };
  Hedging hedging(static_cast<ObjectStore&>(world.memory));
  CountingStore counting(static_cast<ObjectStore&>(hedging));
  world.options.index.disk_cache = nullptr;
  const std::unique_ptr<Index> fresh = must(
      Index::open(world.environment_on(counting, world.ids), world.options.index, world.soon()));
  hedging.hedges = 0;
  const StoreCounts before = counting.counts();
  const SearchResult found = must(fresh->search(fresh->current(), request, world.soon()));
  EXPECT_GT(found.trace.hedges, 0U);
  EXPECT_EQ(found.trace.hedges, hedging.hedges);
  const OperationCount read = (counting.counts() - before).of(Operation::kRead);
  EXPECT_EQ(read.hedges, hedging.hedges);
  EXPECT_EQ(read.requests, found.trace.requests);
}

// Warming reads all planes in as many requests as it said, and then a search asks for nothing.
TEST_F(DiskReadTest, WarmingBringsAllThatSearchesNeed) {
  const std::unique_ptr<Index> fresh = world.open();
  WarmOptions options;
  options.dry_run = true;
  fs::remove_all(folder);
  const std::uint64_t before = reads();
  const WarmReport said = must(fresh->warm(fresh->current(), options, world.soon()));
  EXPECT_EQ(reads(), before);
  EXPECT_TRUE(!fs::exists(folder) || blocks().empty());
  options.dry_run = false;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  options.progress = [&](std::uint64_t done, std::uint64_t all) { seen.emplace_back(done, all); };
  const WarmReport did = must(fresh->warm(fresh->current(), options, world.soon()));
  EXPECT_EQ(did.requests, said.requests);
  EXPECT_EQ(did.request_bytes, said.request_bytes);
  EXPECT_EQ(did.blocks_read, said.blocks_read);
  EXPECT_EQ(did.bytes_read, said.bytes_read);
  EXPECT_EQ(reads() - before, said.requests);
  EXPECT_EQ(did.blocks_lost, 0U);
  std::uint64_t planned = 0;
  for (const WarmPlane& plane : did.planes) {
    EXPECT_GT(plane.blocks, 0U) << plane.name;
    EXPECT_EQ(plane.blocks_there + plane.blocks_left_out, 0U) << plane.name;
    planned += plane.blocks;
  }
  // And one that says that this machine has opened the index.
  EXPECT_EQ(blocks().size(), planned + 1);
  EXPECT_EQ(did.blocks_read, planned);
  ASSERT_GE(seen.size(), 2U);
  EXPECT_EQ(seen.front(), std::pair(std::uint64_t{0}, did.bytes_read));
  EXPECT_EQ(seen.back(), std::pair(did.bytes_read, did.bytes_read));
  EXPECT_EQ(search_anew().trace.requests, 0U);
  // Once more: all of it is there.
  const WarmReport again = must(world.open()->warm(fresh->current(), options, world.soon()));
  EXPECT_EQ(again.blocks_read + again.requests, 0U);
  for (const WarmPlane& plane : again.planes) EXPECT_EQ(plane.blocks_there, plane.blocks);
}

// Of more than fits, what searches need most is kept, and nothing is read to be pushed out again.
TEST_F(DiskReadTest, WarmingReadsWhatFits) {
  cache = open_cache(512 << 10);
  world.options.index.disk_cache = cache.get();
  fs::remove_all(folder);
  const std::unique_ptr<Index> fresh = world.open();
  const WarmReport did = must(fresh->warm(fresh->current(), {}, world.soon()));
  EXPECT_EQ(did.blocks_lost, 0U);
  EXPECT_EQ(did.planes.front().blocks_left_out, 0U);
  EXPECT_GT(did.planes.back().blocks_left_out, 0U);
  EXPECT_GT(did.blocks_read, did.planes.front().blocks);
  EXPECT_EQ(blocks().size(), did.blocks_read + 1);
  EXPECT_EQ(cache->counts().evicted, 0U);
}

// It ends between two rounds, and a damaged page is named and left out.
TEST_F(DiskReadTest, WarmingStopsAndNamesWhatItCannotRead) {
  fs::remove_all(folder);
  const std::unique_ptr<Index> fresh = world.open();
  std::stop_source stop;
  stop.request_stop();
  WarmOptions options;
  options.stop = stop.get_token();
  const WarmReport none = must(fresh->warm(fresh->current(), options, world.soon()));
  EXPECT_TRUE(none.stopped);
  EXPECT_EQ(none.blocks_read, 0U);
  damage_vectors();
  const WarmReport most = must(fresh->warm(fresh->current(), {}, world.soon()));
  ASSERT_EQ(most.unreadable.size(), 1U);
  EXPECT_NE(most.unreadable.front().find("vector block"), std::string::npos);
  EXPECT_EQ(blocks().size(), most.blocks_read + 1);
  world.options.index.disk_cache = nullptr;
  const std::unique_ptr<Index> bare = world.open();
  EXPECT_EQ(bare->warm(bare->current(), {}, world.soon()).code(), Code::kUnsupported);
}

// Directories that are too large to lie in the head are read once too.
TEST_F(DiskReadTest, OpeningReadsDirectoriesFromIt) {
  for (const char first : {'a', 'b'}) {
    std::vector<Intent> intents;
    for (int i = 0; i < 50'000; ++i) {
      IndexedObject object;
      object.row.source = 1;
      object.row.key = str_cat(std::string(80, first), i);
      object.row.tag = "v1";
      object.row.read_time = at_second(10);
      object.row.status = ObjectStatus::kSkipped;
      object.row.reason = "a reason";
      intents.push_back(PutIntent{std::move(object)});
    }
    must(index->commit(std::move(intents), {}, {}, world.soon()));
  }
  const SnapshotPtr opened = world.open()->current();
  ASSERT_TRUE(std::any_of(opened->segments().begin(), opened->segments().end(),
                          [](const SegmentPtr& one) { return one->entry().directory.empty(); }));
  fs::remove_all(folder);
  std::uint64_t before = reads();
  world.open();
  EXPECT_GT(reads() - before, 1U);
  before = reads();
  const std::unique_ptr<Index> fresh = world.open();
  EXPECT_EQ(reads() - before, 1U);
  EXPECT_EQ(must(fresh->find(fresh->current(), std::vector<ObjectKey>{{1, "k1-1"}}, world.soon()))
                .front()
                ->row.tag,
            "v1");
}

// So are trees and del files: then the head is all that is read. One that is damaged there, or that
// its checksum does not show to be another file, is read from the store.
TEST_F(DiskReadTest, OpeningReadsTreesAndDelFilesFromIt) {
  world.options.index.tree_rows = 256;
  world.options.index.least_tree_rows = 128;
  world.options.index.list_rows = 32;
  index = world.open();
  must(index->compact(true, world.soon()));
  std::vector<Intent> absent;
  for (int i = 0; i < 400; ++i) {
    for (int commit = 0; commit < 2; ++commit)
      absent.emplace_back(AbsentIntent{{1, str_cat("k", commit, "-", i)}, at_second(1000)});
  }
  must(index->commit(std::move(absent), {}, {}, world.soon(), Merging::kLater));
  const SnapshotPtr now = index->current();
  ASSERT_EQ(now->state().trees.size(), 1U);
  const auto with_dead =
      std::find_if(now->segments().begin(), now->segments().end(),
                   [](const SegmentPtr& one) { return one->dead().size() > 512; });
  ASSERT_NE(with_dead, now->segments().end());
  ASSERT_FALSE((*with_dead)->entry().del_file.is_zero());
  const auto expect_read = [&](std::uint64_t requests) {
    const std::uint64_t before = reads();
    const SnapshotPtr opened = world.open()->current();
    EXPECT_EQ(reads() - before, requests);
    EXPECT_NE(opened->tree(now->state().trees[0].id), nullptr);
    EXPECT_EQ(opened->segment((*with_dead)->id())->dead(), (*with_dead)->dead());
  };
  fs::remove_all(folder);
  expect_read(3);
  expect_read(1);
  // Each file damaged in its middle.
  for (const fs::path& block : blocks()) {
    std::fstream file(block, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(block) / 2));
    file.put('\x5A');
    file.put('\xA5');
  }
  expect_read(3);
  expect_read(1);
}

// A machine that has opened an index before does not read its opening file again, and what it took
// from there lies in the cache.
TEST_F(DiskReadTest, OpeningReadsTheOpeningFileOnce) {
  world.options.index.read_opening = true;
  must(index->compact(true, world.soon()));
  fs::remove_all(folder);
  for (const std::uint64_t requests : {2U, 1U, 1U}) {
    const std::uint64_t before = reads();
    EXPECT_EQ(world.open()->current()->rounds(), 1U);
    EXPECT_EQ(reads() - before, requests);
  }
}

}  // namespace
}  // namespace kedge
