// The main job on stores in memory that behave as buckets do: versions, archives, links, and a bill
// for every request.
#include <gtest/gtest.h>

#include <filesystem>

#include "api/environment.h"
#include "base/hash.h"
#include "base/strings.h"
#include "embed/test_embedder.h"
#include "ingest/version_store.h"
#include "kedge/client.h"
#include "store/counting_store.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

// To be handed over, while the store itself is looked at.
std::unique_ptr<ObjectStore> share(ObjectStore& store) {
  return std::make_unique<WrappedStore>(store);
}

constexpr const char* kSource = "s3://bucket/docs/";

class BucketTest : public testing::Test {
 protected:
  void SetUp() override {
    scratch_ = fs::temp_directory_path() / ("kedge-bucket-" + Id128::random(system_random()).hex());
    fs::create_directory(scratch_);
    write("leave.md", "Parental leave lasts twenty weeks.\n");
    write("pumps.txt", "The bilge pump is reset with the red lever.\n");
  }
  void TearDown() override { fs::remove_all(scratch_); }

  void write(const std::string& key, const std::string& text) {
    clock_.advance(std::chrono::seconds(10));
    ASSERT_TRUE(put_one(source_, key, as_bytes(text), Deadline::never()).ok());
  }
  void erase(const std::string& key) {
    const std::vector<std::string> keys = {key};
    ASSERT_TRUE(source_.remove(keys, Deadline::never()).front().ok());
  }

  // A new process: it knows nothing but what lies in the stores.
  std::unique_ptr<Client> open() {
    ClientEnvironment environment;
    environment.clock = &clock_;
    environment.random = &random_;
    environment.executor = std::shared_ptr<Executor>(make_thread_pool(2));
    environment.log = std::shared_ptr<Log>(&silent_log(), [](Log*) {});
    environment.scratch_folder = scratch_.string();
    environment.open_index_store = [this](const std::string&) {
      return Result<std::unique_ptr<ObjectStore>>(share(index_counts_));
    };
    environment.open_source_store = [this](const SourceLocation&) {
      return Result<std::unique_ptr<ObjectStore>>(share(source_counts_));
    };
    environment.find_source = [](const std::string& source) {
      return Result<SourcePlace>(SourcePlace{source, ""});
    };
    environment.endpoint_of = [](const std::string&) { return Result<std::string>("aws/bucket"); };
    environment.open_embedder = [](const std::optional<Space>&) { return make_test_embedder(16); };
    ClientOptions options;
    options.index = "s3://bucket/index";
    options.create = true;
    return open_client(options, std::move(environment)).value();
  }

  SyncCounts sync(SyncRequest request = {}) {
    clock_.advance(std::chrono::seconds(10));
    request.sources = {kSource};
    auto result = open()->sync(request);
    EXPECT_TRUE(result.ok()) << result.error().message;
    if (!result.ok()) return {};
    const SyncCounts counts = result->sources.at(0);
    EXPECT_EQ(counts.listed,
              counts.indexed + counts.failed + counts.skipped + counts.pending + counts.vanished);
    return counts;
  }

  GetOutcome get(GetRequest request) {
    auto got = open()->get({std::move(request)});
    EXPECT_TRUE(got.ok()) << got.error().message;
    return got.ok() ? got->front() : GetOutcome{};
  }

  static std::string reasons(const SyncCounts& counts) {
    std::string out;
    for (const Problem& problem : counts.problems)
      out += problem.key + ": " + problem.reason + "\n";
    return out;
  }

  fs::path scratch_;
  ManualClock clock_;
  SeededRandom random_{20261125};
  MemoryStore files_{clock_};
  CountingStore index_counts_{static_cast<ObjectStore&>(files_)};
  // Its clock shows seconds, as S3's does.
  MemoryStore bucket_{clock_, {.tags = MemoryTags::kUnique, .clock_step = std::chrono::seconds(1)}};
  VersionStore source_{bucket_};
  CountingStore source_counts_{static_cast<ObjectStore&>(source_)};
};

// What is current decides whether a reference is true; the recorded version is there all the same,
// for whoever asks for it by name.
TEST_F(BucketTest, TheIndexedVersionCanBeHadWhileItIsKept) {
  sync();
  const Reference reference = open()->resolve("leave.md", {}).value();
  EXPECT_EQ(reference.version_id, "v1");
  EXPECT_EQ(get({.reference = reference}).status, GetStatus::kOk);
  write("leave.md", "Parental leave lasts thirty weeks.\n");
  GetOutcome outcome = get({.reference = reference});
  EXPECT_EQ(outcome.status, GetStatus::kChanged);
  EXPECT_TRUE(outcome.bytes.empty());
  EXPECT_EQ(outcome.version_readable, true);
  outcome = get({.reference = reference, .as_indexed = true});
  EXPECT_EQ(outcome.status, GetStatus::kOk) << outcome.detail;
  EXPECT_EQ(outcome.bytes, "Parental leave lasts twenty weeks.\n");
  erase("leave.md");
  outcome = get({.reference = reference});
  EXPECT_EQ(outcome.status, GetStatus::kGone);
  EXPECT_EQ(outcome.version_readable, true);
  EXPECT_EQ(get({.reference = reference, .as_indexed = true}).status, GetStatus::kOk);
  source_.forget("leave.md", "v1");
  outcome = get({.reference = reference});
  EXPECT_EQ(outcome.version_readable, false) << outcome.detail;
  EXPECT_EQ(get({.reference = reference, .as_indexed = true}).status, GetStatus::kGone);
}

// A snippet is the proof that a reference is true now: an old version must not be taken for one.
TEST_F(BucketTest, ASearchIsNotVerifiedByAnOldVersion) {
  sync();
  write("pumps.txt", "The bilge pump is reset with the green lever.\n");
  SearchQuery query;
  query.text = "the bilge pump is reset";
  const auto found = open()->search(query);
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->hits.at(0).reference.key, "pumps.txt");
  EXPECT_EQ(found->hits.at(0).reference.version_id, "v2");
  EXPECT_EQ(found->hits.at(0).proof, Proof::kChanged);
  EXPECT_TRUE(found->hits.at(0).snippet.empty());
}

// Another request only where something differs and there is a version to ask for.
TEST_F(BucketTest, AsksForVersionsOnlyWhereItHelps) {
  sync();
  Reference reference = open()->resolve("leave.md", {}).value();
  const StoreCounts before = source_counts_.counts();
  get({.reference = reference});
  EXPECT_EQ((source_counts_.counts() - before).requests(), 1U);
  write("leave.md", "Parental leave lasts thirty weeks.\n");
  reference.version_id.clear();
  EXPECT_EQ(get({.reference = reference}).version_readable, std::nullopt);
  EXPECT_EQ((source_counts_.counts() - before).requests(), 2U);
}

TEST_F(BucketTest, ArchivedObjectsAreSkippedUnreadUntilTheirClassChanges) {
  write("old.txt", "An old log of the harbour.\n");
  write("deep.txt", "A log that the listing shows as readable.\n");
  source_.places["old.txt"] = {.storage_class = "GLACIER", .archived = true, .read_refused = false};
  source_.places["deep.txt"] = {
      .storage_class = "INTELLIGENT_TIERING", .archived = false, .read_refused = true};
  const StoreCounts before = source_counts_.counts();
  const SyncCounts first = sync();
  EXPECT_EQ(first.skipped, 2U);
  EXPECT_EQ(first.indexed, 2U);
  EXPECT_EQ((source_counts_.counts() - before).of(Operation::kRead).requests, 3U)
      << "what is listed as archived is not read";
  EXPECT_NE(reasons(first).find("old.txt: skipped: archived (GLACIER)"), std::string::npos)
      << reasons(first);
  EXPECT_NE(reasons(first).find("deep.txt: skipped: archived (INTELLIGENT_TIERING)"),
            std::string::npos);
  EXPECT_TRUE(sync().proven_unchanged);
  // The store moves it without touching its time: seen when rows are compared.
  source_.places.clear();
  SyncRequest full;
  full.full = true;
  EXPECT_EQ(sync(full).indexed, 4U);
}

// A store's clock shows seconds: what is written over within one must not hide behind equal times.
TEST_F(BucketTest, AnObjectArchivedJustNowIsLookedAtAgain) {
  write("old.txt", "An old log of the harbour.\n");
  source_.places["old.txt"] = {.storage_class = "GLACIER", .archived = true, .read_refused = false};
  clock_.advance(-std::chrono::seconds(10));  // sync() advances it again
  EXPECT_EQ(sync().skipped, 1U);
  source_.places.clear();
  EXPECT_EQ(sync().indexed, 3U);
  EXPECT_TRUE(sync().proven_unchanged);
}

// In the second in which it was read, too: an approved delete must not come to nothing.
TEST_F(BucketTest, WhatIsGoneAtOnceIsDeletedAtOnce) {
  sync();
  erase("leave.md");
  clock_.advance(-std::chrono::seconds(10));  // sync() advances it again
  EXPECT_EQ(sync().deleted, 1U);
  SyncRequest narrow;
  narrow.exclude = {"pumps.txt"};
  narrow.approve_deletes = 1;
  write("pumps.txt", "The bilge pump is reset with the green lever.\n");
  sync();
  clock_.advance(-std::chrono::seconds(10));
  EXPECT_EQ(sync(narrow).deleted, 1U);
}

// What was indexed before it went to an archive stays found, whatever recipe comes.
TEST_F(BucketTest, AnIndexedObjectThatIsArchivedStaysInTheIndex) {
  sync();
  source_.places["leave.md"] = {
      .storage_class = "DEEP_ARCHIVE", .archived = true, .read_refused = false};
  SyncRequest other;
  other.max_object_bytes = 1000;
  const SyncCounts counts = sync(other);
  EXPECT_EQ(counts.indexed, 2U);
  EXPECT_EQ(counts.skipped, 0U) << reasons(counts);
  const Reference reference = open()->resolve("leave.md", {}).value();
  EXPECT_EQ(get({.reference = reference}).status, GetStatus::kArchived);
  EXPECT_EQ(get({.reference = reference, .presign_seconds = 60}).status, GetStatus::kArchived);
}

TEST_F(BucketTest, EveryOddObjectEndsInAStatus) {
  write("folder/", "");
  write("empty.txt", "");
  write("large.txt", std::string(2000, 'x'));
  write(std::string("odd \n\t\xff\"\\%41+?#&=") + "key.txt", "An odd key of the harbour.\n");
  SyncRequest request;
  request.max_object_bytes = 1000;
  const SyncCounts counts = sync(request);
  EXPECT_EQ(counts.listed, 6U);
  EXPECT_EQ(counts.indexed, 4U);
  EXPECT_EQ(counts.skipped, 2U);
  EXPECT_NE(reasons(counts).find("folder/: skipped: the marker of a folder"), std::string::npos);
  EXPECT_NE(reasons(counts).find("large.txt: skipped: larger than"), std::string::npos);
  const StoreCounts before = source_counts_.counts();
  EXPECT_TRUE(sync().proven_unchanged);
  EXPECT_EQ((source_counts_.counts() - before).of(Operation::kRead).requests, 0U);
}

// A sync that finds nothing to do reads nothing of the source, and of the index the head and, at
// most, the directories: by a new process, which remembers nothing.
TEST_F(BucketTest, AnUnchangedSourceCostsNoReads) {
  for (int i = 0; i < 100; ++i) write(str_cat("more/", i, ".txt"), str_cat("object number ", i));
  sync();
  const StoreCounts source = source_counts_.counts();
  const StoreCounts index = index_counts_.counts();
  const SyncCounts counts = sync();
  EXPECT_TRUE(counts.proven_unchanged);
  const StoreCounts of_source = source_counts_.counts() - source;
  const StoreCounts of_index = index_counts_.counts() - index;
  EXPECT_EQ(of_source.of(Operation::kRead).requests, 0U);
  EXPECT_EQ(of_source.of(Operation::kStat).requests, 0U);
  EXPECT_EQ(of_source.of(Operation::kList).requests, 1U) << "102 keys are a page";
  EXPECT_EQ(of_index.of(Operation::kRead).requests, 1U)
      << "the head, in which a small index has its directories";
  EXPECT_EQ(of_index.requests(), of_index.of(Operation::kRead).requests);
}

// Opening is a round for the head, and one for directories that do not fit into it.
TEST_F(BucketTest, ASearchOpensInOneRoundAndShowsItsBill) {
  sync();
  SearchQuery query;
  query.text = "the bilge pump is reset";
  const StoreCounts index = index_counts_.counts();
  const StoreCounts source = source_counts_.counts();
  const auto found = open()->search(query);
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->explain.rounds_index, 1U);
  EXPECT_EQ(found->explain.rounds_search, 2U);
  const StoreUsage& usage = found->explain.index_usage;
  EXPECT_EQ(usage.reads, (index_counts_.counts() - index).requests());
  EXPECT_EQ(found->explain.source_usage.reads, (source_counts_.counts() - source).requests());
  EXPECT_TRUE(usage.billed);
  EXPECT_NEAR(usage.cost_usd, static_cast<double>(usage.reads) * 0.0004 / 1000, 1e-12);
}

// The forecast of a dry run must be worth something: within a few requests of what the run makes.
TEST_F(BucketTest, ADryRunForecastsTheRequestsOfARun) {
  write("warm.txt", "So that the probe is done.\n");
  sync();
  for (int i = 0; i < 200; ++i) write(str_cat("more/", i, ".txt"), str_cat("object number ", i));
  SyncRequest request;
  request.sources = {kSource};
  request.dry_run = true;
  const std::uint64_t written = index_counts_.counts().bytes_written();
  const StoreUsage forecast = open()->sync(request).value().forecast;
  EXPECT_EQ(index_counts_.counts().bytes_written(), written);
  request.dry_run = false;
  const SyncResult run = open()->sync(request).value();
  EXPECT_EQ(forecast.lists, run.source_usage.lists + run.index_usage.lists);
  EXPECT_NEAR(static_cast<double>(forecast.reads),
              static_cast<double>(run.source_usage.reads + run.index_usage.reads), 12);
  const auto writes = [](const StoreUsage& u) {
    return static_cast<double>(u.puts + u.creates + u.swaps);
  };
  EXPECT_NEAR(writes(forecast), writes(run.index_usage), 6);
  const double cost = run.index_usage.cost_usd + run.source_usage.cost_usd;
  EXPECT_NEAR(forecast.cost_usd, cost, cost / 3);
}

TEST_F(BucketTest, LinksAreGivenForWhatIsTrue) {
  sync();
  const Reference reference = open()->resolve("leave.md", {}).value();
  const StoreCounts before = source_counts_.counts();
  EXPECT_EQ(get({.reference = reference, .presign_seconds = 900}).link,
            "https://bucket.example/leave.md?version=&seconds=900");
  EXPECT_EQ((source_counts_.counts() - before).of(Operation::kRead).requests, 0U);
  EXPECT_EQ(get({.reference = reference, .as_indexed = true, .presign_seconds = 60}).link,
            "https://bucket.example/leave.md?version=v1&seconds=60");
  SearchQuery query;
  query.text = "parental leave lasts";
  query.options.presign_seconds = 3600;
  query.options.k = 1;
  EXPECT_EQ(open()->search(query)->hits.at(0).link,
            "https://bucket.example/leave.md?version=&seconds=3600");
  query.options.presign_seconds = 700'000;
  EXPECT_EQ(open()->search(query).code(), Code::kInvalid);
  write("leave.md", "Parental leave lasts thirty weeks.\n");
  EXPECT_EQ(get({.reference = reference, .presign_seconds = 60}).link, "");
  query.options.presign_seconds = 60;
  EXPECT_EQ(open()->search(query)->hits.at(0).link, "");
  EXPECT_EQ(get({.reference = reference, .as_indexed = true, .presign_seconds = 60}).link,
            "https://bucket.example/leave.md?version=v1&seconds=60");
}

}  // namespace
}  // namespace kedge
