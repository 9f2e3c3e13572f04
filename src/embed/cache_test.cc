// The embedding cache on a store that works: what was put comes out bit by bit, from pending
// vectors, packs, merged packs and spills, and of nothing else.
#include "embed/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "commit/head_log.h"
#include "embed/testing.h"
#include "format/pack.h"
#include "store/fault_store.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

using test::batch_of;
using test::CacheProcess;

constexpr std::uint32_t kDimension = 4;
constexpr std::uint32_t kPackRows = 8;

class CacheTest : public testing::Test {
 protected:
  std::unique_ptr<CacheProcess> start(bool spill, std::uint64_t seed = 1,
                                      const Space& space = test::cache_space(kDimension)) {
    EmbeddingCacheOptions options;
    options.prefix = "ix/cache/";
    options.pack_rows = kPackRows;
    if (spill) options.spill_folder = folder_.path();
    auto process = std::make_unique<CacheProcess>(store_, options, seed, space);
    const Status status = process->open();
    EXPECT_TRUE(status.ok()) << status.error().message;
    return process;
  }
  test::Batch batch(std::uint64_t first, std::size_t count) {
    return batch_of(first, count, kDimension);
  }
  std::vector<std::string> packs() {
    std::vector<std::string> keys;
    const auto listing = memory_.list("", "");
    for (auto page = listing->next(Deadline::never()); page.ok() && !page->empty();
         page = listing->next(Deadline::never())) {
      for (const ObjectInfo& info : *page) {
        if (info.key.find("/pack/") != std::string::npos) keys.push_back(info.key);
      }
    }
    return keys;
  }
  void put(const std::string& key, ByteView body) {
    ASSERT_TRUE(put_one(memory_, key, body, Deadline::never()).ok());
  }

  ManualClock clock_;
  MemoryStore memory_{clock_};
  FaultStore store_{memory_, clock_};
  test::ScratchFolder folder_;
};

TEST_F(CacheTest, FindsWhatWasPutWhetherPendingPackedOrReopened) {
  for (const bool spill : {false, true}) {
    SCOPED_TRACE(spill ? "with a spill" : "without a spill");
    const std::uint64_t base = spill ? 1000 : 0;
    auto process = start(spill);
    EXPECT_EQ(process->find(batch(base, 5)).value(), 0U);
    ASSERT_TRUE(process->add(batch(base, 5)).ok());
    EXPECT_EQ(process->cache->stats().pending, 5U);
    EXPECT_EQ(process->find(batch(base, 7)).value(), 5U);
    ASSERT_TRUE(process->add(batch(base + 5, 5)).ok());  // more than a pack's worth
    EXPECT_EQ(process->cache->stats().pending, 0U);
    ASSERT_TRUE(process->add(batch(base + 10, 2)).ok());
    EXPECT_EQ(process->find(batch(base, 20)).value(), 12U);
    ASSERT_TRUE(process->flush().ok());
    EXPECT_EQ(process->find(batch(base, 20)).value(), 12U);
    process = start(spill);
    EXPECT_EQ(process->cache->stats().pending, 0U);
    EXPECT_EQ(process->find(batch(base, 20)).value(), 12U);
    EXPECT_EQ(process->find(batch(500'000, 3000)).value(), 0U);
    EXPECT_THAT(process->log.lines(), testing::IsEmpty());
  }
}

TEST_F(CacheTest, APackIsWrittenAtItsSizeOrItsAge) {
  const auto process = start(false);
  ASSERT_TRUE(process->add(batch(0, 1)).ok());
  process->clock.advance(std::chrono::seconds(29));
  ASSERT_TRUE(process->add(batch(1, 1)).ok());
  EXPECT_EQ(process->cache->stats().packs, 0U);
  process->clock.advance(std::chrono::seconds(1));
  ASSERT_TRUE(process->add(batch(2, 1)).ok());
  EXPECT_EQ(process->cache->stats().packs, 1U);
  ASSERT_TRUE(process->add(batch(3, kPackRows - 1)).ok());
  EXPECT_EQ(process->cache->stats().packs, 1U);
  ASSERT_TRUE(process->add(batch(100, 1)).ok());
  EXPECT_EQ(process->cache->stats().packs, 2U);
  ASSERT_TRUE(process->flush().ok());
  EXPECT_EQ(process->cache->stats().packs, 2U) << "nothing to write is no commit";
  EXPECT_EQ(process->cache->stats().entries, 3U + kPackRows);
}

// Merges in tiers keep the number of packs low, and every vector; hashes in several packs become
// one row.
TEST_F(CacheTest, MergesInTiersLoseNothing) {
  const auto process = start(false);
  std::size_t most = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(process->add(batch(i * 5, kPackRows)).ok());  // three of eight are there already
    most = std::max<std::size_t>(most, process->cache->stats().packs);
  }
  EXPECT_LE(most, 3 * kPackFanIn);
  EXPECT_GT(process->cache->stats().packs, 1U);
  EXPECT_LT(process->cache->stats().entries, 200U * kPackRows);
  EXPECT_EQ(process->find(batch(0, 1100)).value(), 199U * 5 + kPackRows);
  EXPECT_EQ(start(false, 2)->find(batch(0, 1100)).value(), 199U * 5 + kPackRows);
  EXPECT_THAT(process->log.lines(), testing::IsEmpty());
}

// No merged pack is larger than half of the memory, since it is built whole; nothing is lost by it.
TEST_F(CacheTest, MergedPacksAreAsLargeAsMemoryAllows) {
  constexpr std::uint64_t kMemory = 2048;
  EmbeddingCacheOptions options;
  options.pack_rows = kPackRows;
  options.memory_bytes = kMemory;
  CacheProcess process(store_, options, 1, test::cache_space(kDimension));
  ASSERT_TRUE(process.open().ok());
  constexpr std::uint64_t kPacks = 60;
  for (std::uint64_t i = 0; i < kPacks; ++i)
    ASSERT_TRUE(process.add(batch(i * kPackRows, kPackRows)).ok());
  const std::uint64_t one = PackShape{kPackRows, kDimension}.total_bytes();
  std::uint64_t largest = 0;
  for (const std::string& key : packs()) {
    ReadRequest request;
    request.key = key;
    largest = std::max<std::uint64_t>(
        largest, read_one(memory_, std::move(request), Deadline::never()).value().body.size());
  }
  EXPECT_GT(largest, one) << "packs are merged";
  EXPECT_LE(largest, kMemory / 2);
  EXPECT_EQ(process.find(batch(0, kPacks * kPackRows)).value(), kPacks * kPackRows);
}

// One process has not looked at the head for a day; another has merged its packs and collected.
TEST_F(CacheTest, AStaleProcessFindsEverythingAfterAMergeAndACollection) {
  const auto writer = start(false, 1);
  for (std::uint64_t i = 0; i < kPackFanIn - 1; ++i)
    ASSERT_TRUE(writer->add(batch(i * 10, kPackRows)).ok());
  const auto stale = start(false, 2);
  EXPECT_EQ(stale->find(batch(0, 10)).value(), kPackRows);
  ASSERT_TRUE(writer->add(batch(70, kPackRows)).ok());
  EXPECT_EQ(writer->cache->stats().packs, 1U);
  EXPECT_EQ(packs().size(), kPackFanIn + 1);
  // The packs that the merge replaced go once their generations are past retention, and then grace.
  for (int day = 0; day < 4; ++day) {
    clock_.advance(std::chrono::hours(25));
    ASSERT_TRUE(writer->cache->collect(writer->soon()).ok());
  }
  EXPECT_EQ(packs().size(), 1U);
  EXPECT_EQ(stale->find(batch(0, 80)).value(), 8 * kPackRows);
  EXPECT_EQ(writer->find(batch(0, 80)).value(), 8 * kPackRows);
  EXPECT_THAT(stale->log.lines(), testing::IsEmpty());
}

// The same inputs in spaces that differ in anything: each finds its own, in one store and folder.
TEST_F(CacheTest, SpacesNeverMeet) {
  Space changed[6];
  changed[0] = test::cache_space(kDimension);
  for (Space& space : changed) space = changed[0];
  changed[1].model = "other";
  changed[2].dimension = kDimension + 1;
  changed[3].document_prefix = "passage: ";
  changed[4].precision = "bf16";
  changed[5].revision = "2";
  for (std::uint64_t pass = 0; pass < 2; ++pass) {
    for (std::uint64_t s = 0; s < std::size(changed); ++s) {
      SCOPED_TRACE(str_cat("pass ", pass, ", space ", s));
      const auto process = start(true, s, changed[s]);
      const test::Batch mine = batch_of(0, 12, changed[s].dimension, s);
      EXPECT_EQ(process->find(mine).value(), pass == 0 ? 0U : 12U);
      if (pass == 1) continue;
      // The last four are left in the spill.
      const test::Batch packed = batch_of(0, 8, changed[s].dimension, s);
      const test::Batch spilled = batch_of(8, 4, changed[s].dimension, s);
      ASSERT_TRUE(process->add(packed).ok());
      ASSERT_TRUE(process->add(spilled).ok());
      EXPECT_EQ(process->cache->stats().pending, 4U);
      EXPECT_EQ(process->find(mine).value(), 12U);
      EXPECT_NE(input_hash(changed[s], "a"), input_hash(changed[(s + 1) % 6], "a"));
      EXPECT_NE(input_hash(changed[s], "a"), input_hash(changed[s], "b"));
    }
  }
}

TEST_F(CacheTest, RefusesVectorsThatAreNotOfTheSpaceAndKeepsNothingOfTheCall) {
  const auto process = start(true);
  for (const std::uint16_t bad : {std::uint16_t{0x7C00}, std::uint16_t{0xFC00},
                                  std::uint16_t{0x7E00}, std::uint16_t{0xFFFF}}) {
    test::Batch broken = batch(0, 3);
    broken.vectors[2][kDimension - 1] = bad;
    const Status status = process->add(broken);
    ASSERT_EQ(status.code(), Code::kInvalid);
    EXPECT_EQ(status.error().message, "vector 2 has a value that is not finite");
  }
  EXPECT_EQ(process->add(batch_of(0, 3, kDimension + 1)).code(), Code::kInvalid);
  EXPECT_EQ(process->cache->stats().pending, 0U);
  EXPECT_EQ(process->cache->stats().spilled_bytes, 0U);
}

TEST_F(CacheTest, RefusesOptionsOutOfRange) {
  for (const std::uint32_t rows : {0U, PackShape::max_rows(kDimension) + 1}) {
    EmbeddingCacheOptions options;
    options.pack_rows = rows;
    EXPECT_EQ(CacheProcess(store_, options, 1, test::cache_space(kDimension)).open().code(),
              Code::kInvalid);
  }
  for (const std::uint32_t dimension : {0U, kMaxDimension + 1})
    EXPECT_EQ(CacheProcess(store_, {}, 1, test::cache_space(dimension)).open().code(),
              Code::kInvalid);
}

// ---- spills

TEST_F(CacheTest, TakesOverTheSpillOfAnEndedProcessAndPacksIt) {
  ASSERT_TRUE(start(true)->add(batch(0, 5)).ok());
  EXPECT_EQ(folder_.files().size(), 1U);
  EXPECT_TRUE(packs().empty());
  {
    const auto next = start(true, 2);
    EXPECT_EQ(next->cache->stats().adopted, 5U);
    EXPECT_EQ(next->find(batch(0, 5)).value(), 5U);
    ASSERT_TRUE(next->flush().ok());
    EXPECT_EQ(next->cache->stats().packs, 1U);
  }
  EXPECT_TRUE(folder_.files().empty());
  const auto last = start(true, 3);
  EXPECT_EQ(last->cache->stats().adopted, 0U);
  EXPECT_EQ(last->find(batch(0, 5)).value(), 5U);
}

TEST_F(CacheTest, WorksWithoutASpillFolderThatCannotBeMadeAndSaysSo) {
  std::ofstream(folder_.path() + "/file") << "no folder";
  EmbeddingCacheOptions options;
  options.pack_rows = kPackRows;
  options.spill_folder = folder_.path() + "/file";
  CacheProcess process(store_, options, 1, test::cache_space(kDimension));
  ASSERT_TRUE(process.open().ok());
  EXPECT_EQ(process.log.count("no local spill, vectors go straight to packs"), 1U);
  ASSERT_TRUE(process.add(batch(0, kPackRows)).ok());
  EXPECT_EQ(process.cache->stats().packs, 1U);
}

// ---- damage and loss on the store

TEST_F(CacheTest, ALostPackIsReportedOnceAndLeftOutOfTheNextState) {
  ASSERT_TRUE(start(false)->add(batch(0, kPackRows)).ok());
  const std::string lost = packs().at(0);
  ASSERT_TRUE(start(false, 2)->add(batch(100, kPackRows)).ok());
  ASSERT_TRUE(memory_.remove(std::span(&lost, 1), Deadline::never()).at(0).ok());
  const auto process = start(false, 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(process->find(batch(0, kPackRows)).value(), 0U);
    EXPECT_EQ(process->find(batch(100, kPackRows)).value(), kPackRows);
  }
  EXPECT_EQ(process->log.count("is lost; what it held counts as missing"), 1U);
  ASSERT_TRUE(process->add(batch(0, kPackRows)).ok());
  EXPECT_EQ(process->cache->stats().packs, 2U) << "the lost one is not named any more";
  const auto next = start(false, 4);
  EXPECT_EQ(next->find(batch(0, 200)).value(), 2 * kPackRows);
  EXPECT_THAT(next->log.lines(), testing::IsEmpty());
}

TEST_F(CacheTest, ADamagedPackIsReportedOnceAndReplaced) {
  ASSERT_TRUE(start(false)->add(batch(0, kPackRows)).ok());
  put(packs().at(0), as_bytes("these are not the bytes of a pack"));
  const auto process = start(false, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(process->find(batch(0, kPackRows)).value(), 0U);
  EXPECT_EQ(process->log.count("counts as missing"), 1U);
  ASSERT_TRUE(process->add(batch(0, kPackRows)).ok());
  EXPECT_EQ(process->cache->stats().packs, 1U);
  EXPECT_EQ(start(false, 4)->find(batch(0, kPackRows)).value(), kPackRows);
}

TEST_F(CacheTest, AMergeDropsDamagedPacksAndRowsOnly) {
  auto process = start(false);
  for (std::uint64_t i = 0; i < kPackFanIn - 1; ++i)
    ASSERT_TRUE(process->add(batch(i * 10, kPackRows)).ok());
  // A row of one, and all of another.
  const auto keys = packs();
  ReadRequest request;
  request.key = keys.at(0);
  Bytes body = read_one(memory_, request, Deadline::never()).value().body;
  body[body.size() - 6] ^= std::byte{1};
  put(keys.at(0), body);
  put(keys.at(1), ByteView(body).first(body.size() - 1));
  process = start(false, 2);
  ASSERT_TRUE(process->add(batch(70, kPackRows)).ok());
  EXPECT_EQ(process->cache->stats().packs, 1U);
  EXPECT_EQ(process->cache->stats().entries, 7 * kPackRows - 1);
  EXPECT_EQ(process->find(batch(0, 80)).value(), 7 * kPackRows - 1);
  EXPECT_EQ(process->log.count("bad checksum of the row"), 1U);
}

TEST_F(CacheTest, AHeadThatDoesNotParseIsRepairedByTheNextPack) {
  for (std::uint64_t i = 0; i < 3; ++i)
    ASSERT_TRUE(start(false, i)->add(batch(i * 10, kPackRows)).ok());
  const std::string head = str_cat("ix/cache/", test::cache_space(kDimension).id().hex(), "/head");
  put(head, as_bytes("a broken head"));
  const auto process = start(false, 9);
  // History has the generation before at least.
  EXPECT_GE(process->find(batch(0, 30)).value(), 2 * kPackRows);
  ASSERT_TRUE(process->add(batch(100, kPackRows)).ok());
  EXPECT_EQ(process->cache->stats().pending, 0U);
  EXPECT_GE(start(false, 10)->find(batch(0, 200)).value(), 3 * kPackRows);
}

TEST_F(CacheTest, AHeadOfAnotherSpaceIsRefused) {
  ASSERT_TRUE(start(false)->add(batch(0, kPackRows)).ok());
  const Space other = test::cache_space(kDimension, "other");
  ReadRequest request;
  request.key = str_cat("ix/cache/", test::cache_space(kDimension).id().hex(), "/head");
  const Bytes body = read_one(memory_, request, Deadline::never()).value().body;
  put(str_cat("ix/cache/", other.id().hex(), "/head"), body);
  EmbeddingCacheOptions options;
  options.prefix = "ix/cache/";
  CacheProcess process(store_, options, 1, other);
  const Status status = process.open();
  ASSERT_EQ(status.code(), Code::kCorrupt);
  EXPECT_THAT(status.error().message, testing::HasSubstr("of another space"));
}

TEST_F(CacheTest, ADroppedCacheBeginsAnew) {
  ASSERT_TRUE(start(false)->add(batch(0, kPackRows)).ok());
  ManualClock clock;
  SeededRandom random(5);
  HeadLog log(memory_, str_cat("ix/cache/", test::cache_space(kDimension).id().hex(), "/"), clock,
              random, silent_log(), {});
  Draft drop;
  drop.dropped = true;
  const auto outcome = log.commit(
      nullptr, [&](const HeadPtr&) -> Result<Draft> { return drop; }, Deadline::never());
  ASSERT_TRUE(std::holds_alternative<Committed>(outcome));
  const auto process = start(false, 2);
  EXPECT_EQ(process->find(batch(0, kPackRows)).value(), 0U);
  ASSERT_TRUE(process->add(batch(0, kPackRows)).ok());
  EXPECT_EQ(process->cache->stats().pending, 0U);
  EXPECT_EQ(start(false, 3)->find(batch(0, kPackRows)).value(), kPackRows);
}

// ---- a store that is away for a while

// A look at the head that fails takes nothing away from what is known.
TEST_F(CacheTest, AFailedLookAtTheHeadForgetsNothing) {
  ASSERT_TRUE(start(false)->add(batch(0, kPackRows)).ok());
  const auto process = start(false, 2);
  EXPECT_EQ(process->find(batch(0, kPackRows)).value(), kPackRows);
  store_.add({.fault = Fault::kBefore, .operation = Operation::kRead});
  EXPECT_FALSE(process->cache->collect(process->soon()).ok());
  store_.heal();
  EXPECT_EQ(process->find(batch(0, kPackRows)).value(), kPackRows);
  EXPECT_EQ(process->cache->stats().packs, 1U);
}

// While the store fails vectors are held in memory, up to a limit, and in the spill.
TEST_F(CacheTest, HoldsABoundedNumberOfVectorsWhileTheStoreFails) {
  for (const bool spill : {false, true}) {
    SCOPED_TRACE(spill ? "with a spill" : "without a spill");
    const std::uint64_t base = spill ? 10'000 : 0;
    auto process = start(spill);
    store_.add({.fault = Fault::kBefore, .times = ~0ULL});
    constexpr std::size_t kMost = kMaxPendingPacks * kPackRows;
    for (std::uint64_t i = 0; i < kMost; ++i)
      ASSERT_TRUE(process->add(batch(base + i, 1)).ok()) << i;
    EXPECT_GT(process->log.count("a pack could not be written yet"), 0U);
    EXPECT_EQ(process->add(batch(base + kMost, 1)).code(), Code::kUnavailable);
    EXPECT_EQ(process->cache->stats().pending, kMost);
    EXPECT_EQ(process->find(batch(base, kMost)).value(), kMost);
    store_.heal();
    ASSERT_TRUE(process->add(batch(base + kMost, 1)).ok());
    ASSERT_TRUE(process->flush().ok());
    EXPECT_EQ(process->cache->stats().pending, 0U);
    process = start(spill);
    EXPECT_EQ(process->find(batch(base, kMost + 10)).value(), kMost + 1);
  }
}

// More spills than fit into memory at once: the next processes take the rest.
TEST_F(CacheTest, AdoptsNoMoreThanItMayHold) {
  constexpr std::uint64_t kEach = kPackRows - 1;
  for (std::uint64_t p = 0; p < 12; ++p) {
    // Each keeps its own file: nobody adopts while the others live.
    EmbeddingCacheOptions options;
    options.prefix = "ix/cache/";
    options.pack_rows = kPackRows;
    options.spill_folder = str_cat(folder_.path(), "/", p);
    CacheProcess process(store_, options, p, test::cache_space(kDimension));
    ASSERT_TRUE(process.open().ok());
    ASSERT_TRUE(process.add(batch(p * 100, kEach)).ok());
  }
  for (std::uint64_t p = 0; p < 12; ++p) {
    const std::filesystem::path from = str_cat(folder_.path(), "/", p);
    const auto file = *std::filesystem::directory_iterator(from);
    std::filesystem::rename(file.path(),
                            std::filesystem::path(folder_.path()) / file.path().filename());
    std::filesystem::remove(from);
  }
  auto process = start(true);
  EXPECT_EQ(process->cache->stats().adopted, kMaxPendingPacks * kPackRows);
  ASSERT_TRUE(process->flush().ok());
  process = start(true);
  ASSERT_TRUE(process->flush().ok());
  process = start(true);
  for (std::uint64_t p = 0; p < 12; ++p)
    EXPECT_EQ(process->find(batch(p * 100, kEach)).value(), kEach) << p;
}

}  // namespace
}  // namespace kedge
