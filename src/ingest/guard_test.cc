// The guard of deletes through a whole sync, where a repair has just taken objects out of the
// index.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/strings.h"
#include "embed/test_embedder.h"
#include "ingest/sync.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

class GuardTest : public testing::Test {
 protected:
  void SetUp() override {
    scratch_ = std::filesystem::temp_directory_path() /
               ("kedge-guard-" + Id128::random(system_random()).hex());
    std::filesystem::create_directory(scratch_);
    auto index = Index::create({index_store_, clock_, random_, inline_executor(), silent_log()}, {},
                               Deadline::never());
    ASSERT_TRUE(index.ok()) << index.error().message;
    index_ = *std::move(index);
  }
  void TearDown() override { std::filesystem::remove_all(scratch_); }

  void write(const std::string& key) {
    clock_.advance(std::chrono::seconds(10));
    ASSERT_TRUE(put_one(bucket_, key, as_bytes(key), Deadline::never()).ok());
  }
  SyncReport sync(std::uint64_t let_go) {
    clock_.advance(std::chrono::seconds(10));
    SyncOptions options;
    options.source_uri = "memory:bucket/";
    options.let_go = let_go;
    const auto report = sync_source({.index = *index_,
                                     .source = bucket_,
                                     .embedder = *embedder_,
                                     .cache = nullptr,
                                     .clock = clock_,
                                     .random = random_,
                                     .executor = inline_executor(),
                                     .log = silent_log(),
                                     .scratch_folder = scratch_.string()},
                                    options, Deadline::never());
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report.ok() ? *report : SyncReport();
  }

  std::filesystem::path scratch_;
  ManualClock clock_;
  SeededRandom random_{1};
  MemoryStore bucket_{clock_};
  MemoryStore index_store_{clock_};
  std::unique_ptr<Embedder> embedder_ = make_test_embedder(16).value();
  std::unique_ptr<Index> index_;
};

// Five of twenty are a small rest of what a repair left, and no measure of the source: whether the
// other fifteen may go is told by what of the objects let go is listed again.
TEST_F(GuardTest, LooksAtASourceAsItWasBeforeARepair) {
  for (int i = 0; i < 20; ++i) write(str_cat("k", i, ".txt"));
  EXPECT_EQ(sync(0).added, 20U);
  for (int i = 0; i < 15; ++i) {
    const std::vector<std::string> keys = {str_cat("k", i, ".txt")};
    ASSERT_TRUE(bucket_.remove(keys, Deadline::never()).front().ok());
  }
  EXPECT_EQ(sync(180).withheld, 15U);
  for (int i = 0; i < 180; ++i) write(str_cat("back", i, ".txt"));
  const SyncReport back = sync(180);
  EXPECT_EQ(back.added, 180U);
  EXPECT_EQ(back.deleted, 15U);
}

}  // namespace
}  // namespace kedge
