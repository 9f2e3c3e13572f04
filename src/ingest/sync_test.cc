// Sync over stores that fail: nothing is deleted without proof, counts add up, and any end of a run
// is healed by the next.
#include "ingest/sync.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "base/strings.h"
#include "embed/embedder_testing.h"
#include "ingest/listing.h"
#include "store/fault_store.h"
#include "store/memory_store.h"
#include "store/wrapped_store.h"

namespace kedge {
namespace {

// The embedder of tests, which fails as it is told.
class FailingEmbedder final : public test::WrappedEmbedder {
 public:
  enum class Way { kNot, kError, kShort, kNotANumber };
  FailingEmbedder() : WrappedEmbedder(16) {}
  Way way = Way::kNot;

  Result<std::vector<float>> embed_documents(std::span<const std::string> texts) override {
    if (way == Way::kError) return Error{Code::kUnavailable, "429"};
    std::vector<float> out = KEDGE_TRY(WrappedEmbedder::embed_documents(texts));
    if (way == Way::kShort) out.pop_back();
    if (way == Way::kNotANumber) out[0] = std::numeric_limits<float>::quiet_NaN();
    return out;
  }
};

// A store that knows what the writers of objects said of them, and how they tagged them.
class NotedStore final : public WrappedStore {
 public:
  explicit NotedStore(ObjectStore& inner) : WrappedStore(inner) {}
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> notes;
  std::map<std::string, ObjectTags> tagged;
  std::optional<Error> tags_fail;
  std::size_t tags_asked = 0;

  std::vector<Result<ObjectTags>> tags(std::span<const std::string> keys, Deadline) override {
    std::vector<Result<ObjectTags>> out;
    for (const std::string& key : keys) {
      ++tags_asked;
      out.push_back(tags_fail ? Result<ObjectTags>(*tags_fail) : tagged[key]);
    }
    return out;
  }

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    std::vector<Result<Blob>> blobs = inner().read(requests, deadline);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const auto note = notes.find(requests[i].key);
      if (blobs[i].ok() && note != notes.end()) blobs[i]->info.metadata = note->second;
    }
    return blobs;
  }
};

class SyncTest : public testing::Test {
 protected:
  void SetUp() override {
    scratch_ = std::filesystem::temp_directory_path() /
               ("kedge-sync-" + Id128::random(system_random()).hex());
    std::filesystem::create_directory(scratch_);
    for (int i = 0; i < 20; ++i)
      write(str_cat("k", i, ".txt"), str_cat("object number ", i, " of the source"));
  }
  void TearDown() override { std::filesystem::remove_all(scratch_); }

  void write(const std::string& key, const std::string& text) {
    clock_.advance(std::chrono::seconds(10));
    ASSERT_TRUE(put_one(bucket_, key, as_bytes(text), Deadline::never()).ok());
  }
  void erase(const std::string& key) {
    const std::vector<std::string> keys = {key};
    ASSERT_TRUE(bucket_.remove(keys, Deadline::never()).front().ok());
  }

  Environment environment() {
    return {index_store_, clock_, random_, inline_executor(), silent_log()};
  }

  // Opens the index, or makes it.
  Result<std::unique_ptr<Index>> open() {
    Result<std::unique_ptr<Index>> index = Index::open(environment(), {}, Deadline::never());
    if (index.ok() || index.code() != Code::kNotFound) return index;
    return Index::create(environment(), {}, Deadline::never());
  }

  Result<SyncReport> sync(std::optional<std::uint64_t> approve = {}) {
    clock_.advance(std::chrono::seconds(10));
    const std::unique_ptr<Index> index = KEDGE_TRY(open());
    const SyncEnvironment environment{.index = *index,
                                      .source = noted_,
                                      .embedder = embedder_,
                                      .cache = nullptr,
                                      .clock = clock_,
                                      .random = random_,
                                      .executor = inline_executor(),
                                      .log = silent_log(),
                                      .scratch_folder = scratch_.string()};
    SyncOptions options;
    options.source_uri = "memory:bucket/";
    options.approve_deletes = approve;
    options.scope = scope_;
    options.progress = on_progress_;
    options.refresh_tags = refresh_tags_;
    // A stuck store must not hold a test: the simulated clock passes this while the commit backs
    // off.
    return sync_source(environment, options, Deadline::after(clock_, std::chrono::minutes(10)));
  }

  // What is live, by key: the tag and the number of chunks.
  std::map<std::string, std::string> live() {
    std::map<std::string, std::string> out;
    auto index = open();
    EXPECT_TRUE(index.ok()) << index.error().message;
    if (!index.ok()) return out;
    const SnapshotPtr snapshot = (*index)->current();
    const SourceEntry* source = snapshot->source("memory:bucket/");
    if (source == nullptr) return out;
    const auto cursor = (*index)->scan(snapshot, source->number, "");
    while (true) {
      auto row = cursor->next(Deadline::never());
      EXPECT_TRUE(row.ok()) << row.error().message;
      if (!row.ok() || !*row) return out;
      EXPECT_TRUE(
          out.emplace((*row)->row.key, str_cat((*row)->row.tag, "/", (*row)->chunk_count)).second);
    }
  }

  Metadata metadata(const std::string& key) {
    const auto index = open().value();
    const std::vector<ObjectKey> keys = {{1, key}};
    const auto found = index->find(index->current(), keys, Deadline::never());
    return found.value().front().value().row.metadata;
  }

  DriftReport drift(bool full = false) {
    const auto index = open().value();
    DriftOptions options;
    options.full = full;
    options.source_uri = "memory:bucket/";
    options.scratch_folder = scratch_.string();
    return find_drift(*index, noted_, options, Deadline::never()).value();
  }

  std::function<void(const SyncProgress&)> on_progress_;
  std::optional<Scope> scope_;
  bool refresh_tags_ = false;
  ManualClock clock_;
  SeededRandom random_{20261124};
  MemoryStore bucket_{clock_};
  FaultStore source_{bucket_, clock_};
  NotedStore noted_{source_};
  MemoryStore files_{clock_};
  FaultStore index_store_{files_, clock_};
  FailingEmbedder embedder_;
  std::filesystem::path scratch_;
};

TEST_F(SyncTest, AFailedListingDeletesNothing) {
  ASSERT_TRUE(sync().ok());
  erase("k3.txt");
  for (const Code code : {Code::kUnavailable, Code::kDenied}) {
    source_.add({.fault = Fault::kBefore,
                 .times = 1,
                 .operation = Operation::kList,
                 .detail = {.code = code}});
    EXPECT_EQ(sync().code(), code);
    EXPECT_EQ(live().size(), 20U);
  }
  // An empty answer looks like a complete listing: every stat says that the objects are there.
  source_.add({.fault = Fault::kCut, .times = 1, .operation = Operation::kList});
  const auto empty = sync();
  ASSERT_TRUE(empty.ok()) << empty.error().message;
  EXPECT_EQ(empty->deleted, 0U);
  EXPECT_EQ(empty->unproven, 20U);
  EXPECT_EQ(live().size(), 20U);
  EXPECT_EQ(sync()->deleted, 1U) << "a listing that tells the truth";
}

// User metadata becomes the row's, as far as there is room for it, and goes with the version.
TEST_F(SyncTest, UserMetadataIsTheRows) {
  noted_.notes["k1.txt"] = {{"team", "core"}, {"year", "2020"}};
  for (char c = 'a'; c <= 'z'; ++c) {
    for (char d = 'a'; d <= 'd'; ++d) noted_.notes["k2.txt"].emplace_back(std::string{c, d}, "v");
  }
  noted_.notes["k3.txt"] = {{"a", std::string(kMaxMetadataText + 1, 'x')}, {"b", "v"}};
  ASSERT_TRUE(sync().ok());
  EXPECT_EQ(live().size(), 20U);
  EXPECT_EQ(metadata("k1.txt"), (Metadata{{"team", "core"}, {"year", "2020"}}));
  EXPECT_EQ(metadata("k2.txt").size(), kMaxMetadata);
  EXPECT_EQ(metadata("k3.txt"), (Metadata{{"b", "v"}}));
  EXPECT_EQ(metadata("k4.txt"), Metadata{});
  noted_.notes["k1.txt"] = {{"team", "edge"}};
  write("k1.txt", "object number 1 of the source");
  ASSERT_TRUE(sync().ok());
  EXPECT_EQ(metadata("k1.txt"), (Metadata{{"team", "edge"}}));
}

// Tags are metadata where that was asked for: between what the writer said and the sidecar. Nothing
// shows that they changed but asking for them.
TEST_F(SyncTest, TagsAreMetadata) {
  const auto without_own = [&](const std::string& key) {
    Metadata out = metadata(key);
    std::erase_if(out, [](const auto& field) { return field.first == kTagsName; });
    return out;
  };
  noted_.notes["k1.txt"] = {{"team", "edge"}, {"year", "2020"}};
  noted_.tagged["k1.txt"] = {{"kedge.x", "no"}, {"state", "draft"}, {"team", "core"}};
  write("k2.png", std::string("\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16));
  ASSERT_TRUE(sync().ok());
  EXPECT_EQ(noted_.tags_asked, 0U);
  refresh_tags_ = true;
  EXPECT_EQ(sync().code(), Code::kInvalid) << "there are no tags to refresh";
  refresh_tags_ = false;

  // Denied: the run ends, and leaves what is indexed as it was.
  scope_ = Scope{};
  scope_->tags = true;
  noted_.tags_fail = Error{Code::kDenied, "no"};
  EXPECT_EQ(sync().code(), Code::kDenied);
  EXPECT_EQ(live().size(), 21U);
  EXPECT_FALSE(drift().proven_equal) << "they are still to be read";
  noted_.tags_fail.reset();
  noted_.tags_asked = 0;
  const auto first = sync();
  EXPECT_EQ(first->rewritten, 20U);
  EXPECT_EQ(noted_.tags_asked, 21U) << "once each, of what is no text too, for it was read";
  const Metadata expected = {{"state", "draft"}, {"team", "core"}, {"year", "2020"}};
  EXPECT_EQ(without_own("k1.txt"), expected);
  EXPECT_TRUE(sync()->proven_unchanged);
  EXPECT_EQ(drift().items.size(), 0U);

  noted_.tagged["k1.txt"] = {{"state", "final"}};
  noted_.tagged["k3.txt"] = {{"state", "new"}};
  EXPECT_TRUE(sync()->proven_unchanged) << "no listing shows it";
  EXPECT_EQ(drift().items.size(), 0U);
  EXPECT_EQ(drift(true).items.size(), 2U);
  refresh_tags_ = true;
  const auto second = sync();
  EXPECT_EQ(second->rewritten, 2U);
  EXPECT_EQ(second->unchanged, 18U);
  EXPECT_EQ(second->objects_read, 2U);
  EXPECT_EQ(without_own("k1.txt"),
            (Metadata{{"state", "final"}, {"team", "edge"}, {"year", "2020"}}));
  EXPECT_EQ(without_own("k3.txt"), (Metadata{{"state", "new"}}));
  EXPECT_EQ(drift(true).items.size(), 0U);
  EXPECT_EQ(sync()->objects_read, 0U);
  refresh_tags_ = false;
  // A store that does not answer leaves objects for the next run.
  write("k1.txt", "object number 1, written anew");
  noted_.tags_fail = Error{Code::kUnavailable, "down"};
  EXPECT_EQ(sync()->pending, 1U);
  noted_.tags_fail.reset();
  EXPECT_EQ(sync()->changed, 1U);
  scope_->tags = false;
  EXPECT_EQ(sync()->rewritten, 20U);
  EXPECT_EQ(metadata("k1.txt"), (Metadata{{"team", "edge"}, {"year", "2020"}}));
  EXPECT_TRUE(sync()->proven_unchanged);
}

// NAME.metadata.json is the metadata of NAME where that was asked for, and no document; a change of
// it alone is drift, and is healed without a chunk that is new.
TEST_F(SyncTest, SidecarsAreMetadata) {
  scope_ = Scope{};
  scope_->sidecars = true;
  noted_.notes["k1.txt"] = {{"team", "edge"}, {"year", "2020"}};
  // Between an object and its sidecar others may lie.
  write("k1.txt-2", "an object between the two");
  write("k1.txt.metadata.json", R"({"metadataAttributes": {"team": "core", "tags": ["a", "b"],
      "pages": {"value": {"type": "NUMBER", "numberValue": 7}, "includeForEmbedding": true}}})");
  write("alone.metadata.json", "{}");
  const auto first = sync();
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->listed, 21U);
  EXPECT_EQ(first->indexed, 21U);
  EXPECT_EQ(first->sidecars, 1U);
  EXPECT_EQ(first->sidecars_alone, 1U);
  const auto without_own = [&](const std::string& key) {
    Metadata out = metadata(key);
    std::erase_if(out, [](const auto& field) { return field.first == kSidecarName; });
    return out;
  };
  EXPECT_EQ(
      without_own("k1.txt"),
      (Metadata{
          {"pages", 7.0}, {"tags", MetadataList{"a", "b"}}, {"team", "core"}, {"year", "2020"}}));
  EXPECT_EQ(metadata("k2.txt"), Metadata{});
  EXPECT_TRUE(sync()->proven_unchanged);
  EXPECT_EQ(drift().items.size(), 0U);

  write("k1.txt.metadata.json", R"({"team": "shore"})");
  const DriftReport changed = drift();
  ASSERT_EQ(changed.items.size(), 1U);
  EXPECT_EQ(changed.items[0].key, "k1.txt");
  EXPECT_EQ(changed.items[0].detail, "its sidecar");
  const auto second = sync();
  EXPECT_EQ(second->rewritten, 1U);
  EXPECT_EQ(second->changed, 0U);
  EXPECT_EQ(without_own("k1.txt"), (Metadata{{"team", "shore"}, {"year", "2020"}}));

  // What is no sidecar is named; its object is there without, and is not read again and again.
  write("k1.txt.metadata.json", "team: reef");
  const auto third = sync();
  EXPECT_EQ(third->indexed, 21U);
  ASSERT_EQ(third->problems.size(), 1U);
  EXPECT_EQ(third->problems[0].key, "k1.txt.metadata.json");
  EXPECT_EQ(without_own("k1.txt"), (Metadata{{"team", "edge"}, {"year", "2020"}}));
  EXPECT_TRUE(sync()->proven_unchanged);

  // One that cannot be read leaves what is indexed, for the next run.
  write("k1.txt.metadata.json", R"({"team": "reef"})");
  source_.add({.fault = Fault::kBefore,
               .times = 1,
               .operation = Operation::kRead,
               .matches = [](const Call& call) { return call.keys.front().ends_with(".json"); }});
  EXPECT_EQ(sync()->pending, 1U);
  EXPECT_EQ(without_own("k1.txt"), (Metadata{{"team", "edge"}, {"year", "2020"}}));
  EXPECT_EQ(sync()->pending, 0U);
  EXPECT_EQ(without_own("k1.txt"), (Metadata{{"team", "reef"}, {"year", "2020"}}));

  erase("k1.txt.metadata.json");
  EXPECT_EQ(drift().items.size(), 1U);
  ASSERT_TRUE(sync().ok());
  EXPECT_EQ(metadata("k1.txt"), (Metadata{{"team", "edge"}, {"year", "2020"}}));
  EXPECT_TRUE(sync()->proven_unchanged);

  // Without sidecars in the scope they are documents like others.
  scope_->sidecars = false;
  EXPECT_EQ(sync()->indexed, 22U);
}

TEST_F(SyncTest, OnlyNotFoundProvesAbsence) {
  ASSERT_TRUE(sync().ok());
  erase("k3.txt");
  for (const Code code : {Code::kDenied, Code::kUnavailable, Code::kInternal}) {
    source_.add({.fault = Fault::kBefore,
                 .times = 1,
                 .operation = Operation::kStat,
                 .detail = {.code = code}});
    const auto report = sync();
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->deleted, 0U) << code_name(code);
    EXPECT_EQ(report->unproven, 1U) << code_name(code);
  }
  EXPECT_EQ(sync()->deleted, 1U);
  EXPECT_EQ(live().size(), 19U);
}

TEST_F(SyncTest, AModelThatFailsLeavesObjectsPendingAndTheNextRunTakesThem) {
  for (const auto way : {FailingEmbedder::Way::kError, FailingEmbedder::Way::kShort}) {
    embedder_.way = way;
    const auto report = sync();
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->pending, 20U);
    EXPECT_EQ(report->indexed, 0U);
  }
  embedder_.way = FailingEmbedder::Way::kNotANumber;
  EXPECT_EQ(sync()->pending, 1U) << "one vector was no number; the others are good";
  embedder_.way = FailingEmbedder::Way::kNot;
  const auto healed = sync();
  EXPECT_EQ(healed->added, 1U);
  EXPECT_EQ(healed->indexed, 20U);
}

// The bar moves with every batch of the model, though objects are done by windows of many batches,
// and it never moves back.
TEST_F(SyncTest, ProgressMovesWithTheBatches) {
  for (int i = 0; i < 300; ++i)
    write(str_cat("more", i, ".txt"), str_cat("one more object, number ", i));
  std::set<std::uint64_t> seen;
  std::uint64_t last = 0, last_bytes = 0, to_do = 0, bytes = 0;
  on_progress_ = [&](const SyncProgress& progress) {
    if (progress.phase == SyncPhase::kListing) return;
    EXPECT_GE(progress.done, last);
    EXPECT_GE(progress.bytes_done, last_bytes);
    EXPECT_LE(progress.done, progress.to_do);
    last = progress.done;
    last_bytes = progress.bytes_done;
    to_do = progress.to_do;
    bytes = progress.bytes_to_do;
    seen.insert(last);
  };
  const auto report = sync();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->indexed, 320U);
  EXPECT_EQ(last, to_do);
  EXPECT_EQ(last_bytes, bytes);
  EXPECT_GE(seen.size(), 320 / kEmbedBatch);
}

TEST_F(SyncTest, AnObjectThatCannotBeReadIsRecordedAndTheRunGoesOn) {
  source_.add({.fault = Fault::kTorn,
               .times = 1,
               .operation = Operation::kRead,
               .detail = {.code = Code::kDenied, .torn_mask = 1}});
  const auto report = sync();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->failed, 1U);
  EXPECT_EQ(report->indexed, 19U);
  EXPECT_EQ(live().size(), 20U) << "a failed object has a row with its reason";
  EXPECT_EQ(sync()->failed, 1U) << "not yet time to try again";
  clock_.advance(std::chrono::hours(2));
  EXPECT_EQ(sync()->indexed, 20U);
}

// Every single call to the index's store fails, before or after its effect, or is the last of the
// process. The next run ends as an unbroken one, with nothing lost, doubled or deleted.
TEST_F(SyncTest, EveryStoreCallMayFailOrBeTheLast) {
  ASSERT_TRUE(sync().ok());
  write("k1.txt", "object number 1 was written again");
  write("new.txt", "a new object");
  erase("k2.txt");
  const auto keys_of = [&] {
    std::map<std::string, int> keys;
    for (const auto& [key, version] : live()) keys[key] = 1;
    return keys;
  };
  std::uint64_t calls = 0;
  std::uint64_t crashes = 0;
  for (std::uint64_t n = 1; n < 200; ++n) {
    for (const Fault fault : {Fault::kBefore, Fault::kAfter}) {
      SCOPED_TRACE(
          str_cat("call ", n, fault == Fault::kBefore ? " before" : " after", " its effect"));
      const std::uint64_t before = index_store_.calls();
      index_store_.crash_at(before + n, fault);
      const auto broken = sync();  // ends somehow: what counts is the next run
      static_cast<void>(broken.ok());
      calls = std::max(calls, index_store_.calls() - before);
      const bool crashed = index_store_.crashed();
      crashes += crashed ? 1 : 0;
      index_store_.restart();
      index_store_.heal();
      const auto healed = sync();
      ASSERT_TRUE(healed.ok()) << healed.error().message;
      const auto keys = keys_of();
      ASSERT_EQ(keys.size(), 20U);
      ASSERT_TRUE(keys.contains("new.txt"));
      ASSERT_FALSE(keys.contains("k2.txt"));
      if (!crashed && n > 3) {
        EXPECT_GT(crashes, 20U) << "the loop must have covered the calls of a sync";
        return;
      }
      // Something to do for the next round.
      write("k1.txt", str_cat("object number 1, round ", n, fault == Fault::kBefore ? "a" : "b"));
    }
  }
  FAIL() << "no run got through with " << calls << " calls";
}

// The last sync knows where its keys lie, without a request.
TEST_F(SyncTest, ALargeSourceIsSplitIntoEqualParts) {
  for (int i = 0; i < 2000; ++i) write(str_cat("key-", 10'000 + i), str_cat("object ", i));
  ASSERT_TRUE(sync().ok());
  const auto index = open();
  ASSERT_TRUE(index.ok());
  const SnapshotPtr snapshot = (*index)->current();
  SourceEntry entry = snapshot->state().sources.front();
  EXPECT_TRUE(listing_splits(*snapshot, entry).empty()) << "it is small";
  const std::uint64_t calls = index_store_.calls();
  entry.live_objects = 4 * kListingRangeKeys;
  const std::vector<std::string> splits = listing_splits(*snapshot, entry);
  EXPECT_EQ(index_store_.calls(), calls);
  ASSERT_EQ(splits.size(), 3U);
  const auto before = [&](const std::string& split) {
    std::size_t count = 0;
    for (const auto& [key, version] : live()) count += key <= split ? 1 : 0;
    return count;
  };
  for (std::size_t i = 0; i < splits.size(); ++i) {
    // Of 2,020 keys, to the page of 128.
    EXPECT_NEAR(static_cast<double>(before(splits[i])), 505.0 * static_cast<double>(i + 1), 200);
  }
  entry.number += 1;
  EXPECT_TRUE(listing_splits(*snapshot, entry).empty()) << "keys of another source";
}

}  // namespace
}  // namespace kedge
