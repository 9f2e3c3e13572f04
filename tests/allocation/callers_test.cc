// What callers do with a parser's "no memory": it is neither damage nor absence, and nothing is
// remembered of it. Code that is no parser throws where memory does not suffice; here that is
// caught, and the next run with memory must be as right as the first.
#include <gtest/gtest.h>

#include <filesystem>
#include <new>

#include "embed/embedder_testing.h"
#include "embed/testing.h"
#include "engine/segment.h"
#include "engine/testing.h"
#include "ingest/sync.h"
#include "store/wrapped_store.h"
#include "tests/allocation/fail_each.h"

namespace kedge {
namespace {

using test::FailingNew;

// The allocations to fail: all, or at most so many, evenly spread.
std::vector<std::size_t> spread(std::size_t count, std::size_t most) {
  std::vector<std::size_t> out;
  const std::size_t step = count / most + 1;
  for (std::size_t n = 0; n < count; n += step) out.push_back(n);
  return out;
}

// Has an input for which memory does not suffice.
class Tight final : public test::WrappedEmbedder {
 public:
  Tight() : WrappedEmbedder(8) {}
  bool tight = false;
  std::size_t count_tokens(std::string_view text) override {
    if (tight && text.find("large") != std::string_view::npos) throw std::bad_alloc();
    return WrappedEmbedder::count_tokens(text);
  }
};

// After a sidecar was read, until the next read, an allocation fails.
class TightSidecars final : public WrappedStore {
 public:
  using WrappedStore::WrappedStore;
  std::size_t fails = FailingNew::kNever;
  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    failing_.reset();
    auto blobs = inner().read(requests, deadline);
    if (fails != FailingNew::kNever && requests[0].key.ends_with(".metadata.json"))
      failing_.emplace(fails);
    return blobs;
  }
  void end() { failing_.reset(); }

 private:
  std::optional<FailingNew> failing_;
};

// A bucket of a few objects, and an index beside it.
struct Source {
  Source() {
    put("a.txt", "a small text");
    put("b.md", "# A heading\n\nand a large text");
    clock.advance(std::chrono::minutes(1));
  }
  void put(const std::string& key, const std::string& text) {
    KEDGE_CHECK(put_one(bucket, key, as_bytes(text), Deadline::never()).ok());
  }
  Result<SyncReport> sync() {
    clock.advance(std::chrono::minutes(1));
    const Environment environment{files, clock, random, inline_executor(), silent_log()};
    auto index = Index::open(environment, {}, Deadline::never());
    if (!index.ok() && index.code() == Code::kNotFound)
      index = Index::create(environment, {}, Deadline::never());
    if (!index.ok()) return index.error();
    SyncOptions options;
    options.source_uri = "memory:bucket/";
    options.scope = Scope{};
    options.scope->sidecars = true;
    return sync_source({.index = **index,
                        .source = read,
                        .embedder = embedder,
                        .cache = nullptr,
                        .clock = clock,
                        .random = random,
                        .executor = inline_executor(),
                        .log = silent_log(),
                        .scratch_folder = std::filesystem::temp_directory_path().string()},
                       options, Deadline::never());
  }
  // Every live row.
  std::string rows() {
    const Environment environment{files, clock, random, inline_executor(), silent_log()};
    const auto index = must(Index::open(environment, {}, Deadline::never()));
    const auto cursor = index->scan(index->current(), 1, "");
    std::string out;
    while (const auto object = must(cursor->next(Deadline::never())))
      out += str_cat(object->row.key, " ", static_cast<int>(object->row.status), " ",
                     object->chunk_count, " ", object->row.metadata.size(), "\n");
    return out;
  }

  ManualClock clock;
  SeededRandom random{5};
  MemoryStore bucket{clock};
  TightSidecars read{bucket};
  MemoryStore files{clock};
  Tight embedder;
};

// It would be tried again only when it changes, were it recorded as failed.
TEST(WithoutMemory, AnObjectStaysPendingAndIsIndexedByTheNextRun) {
  Source source;
  source.embedder.tight = true;
  const SyncReport first = must(source.sync());
  EXPECT_EQ(first.pending, 1U);
  EXPECT_EQ(first.failed, 0U);
  EXPECT_EQ(first.indexed, 1U);
  ASSERT_EQ(first.problems.size(), 1U);
  EXPECT_EQ(first.problems[0].reason, "pending: chunks: no memory");
  source.embedder.tight = false;
  const SyncReport second = must(source.sync());
  EXPECT_EQ(second.pending, 0U);
  EXPECT_EQ(second.indexed, 2U);
  EXPECT_EQ(second.added, 1U);
}

// Its object would be indexed without it for good, were it taken for one that cannot be understood.
TEST(WithoutMemory, ASidecarLeavesItsObjectPending) {
  std::size_t pending = 0;
  for (std::size_t nth = 0; nth < 60; ++nth) {
    SCOPED_TRACE(str_cat("allocation ", nth));
    Source source;
    source.put("b.md.metadata.json",
               R"({"metadataAttributes": {"team of the object": "core, and more", "year": 2020}})");
    source.read.fails = nth;
    try {
      const auto report = source.sync();
      source.read.end();
      if (report.ok()) pending += report->pending;
    } catch (const std::bad_alloc&) {
      source.read.end();
    }
    source.read.fails = FailingNew::kNever;
    must(source.sync());
    ASSERT_EQ(source.rows(), "a.txt 1 1 0\nb.md 1 1 3\n");
  }
  EXPECT_GT(pending, 5U);
}

TEST(WithoutMemory, ASyncIsHealedByTheNext) {
  Source good;
  std::size_t count = 0;
  {
    const FailingNew counted(FailingNew::kNever);
    must(good.sync());
    count = counted.count();
  }
  const std::string expected = good.rows();
  std::size_t thrown = 0;
  for (const std::size_t nth : spread(count, 150)) {
    SCOPED_TRACE(str_cat("allocation ", nth, " of ", count));
    Source source;
    try {
      const FailingNew failing(nth);
      (void)source.sync();
    } catch (const std::bad_alloc&) {
      ++thrown;
    }
    must(source.sync());
    ASSERT_EQ(source.rows(), expected);
  }
  std::printf("note: syncs without one of %zu allocations each: %zu tried, %zu threw\n", count,
              spread(count, 150).size(), thrown);
}

// A repair drops segments that are damaged.
TEST(WithoutMemory, NoSegmentCountsAsDamaged) {
  World world;
  {
    const auto index = world.create();
    std::vector<Intent> puts;
    std::vector<Intent> absent;
    for (int i = 0; i < 800; ++i) {
      const ObjectKey key{1, str_cat("k", i)};
      puts.emplace_back(PutIntent{world.object(key, "t", at_second(10), 1)});
      if (i % 4 != 0) absent.emplace_back(AbsentIntent{key, at_second(100)});
    }
    must(index->commit(std::move(puts), {}, {}, world.soon(), Merging::kLater));
    must(index->commit(std::move(absent), {}, {}, world.soon(), Merging::kLater));
    const auto& segments = index->current()->state().segments;
    ASSERT_TRUE(std::any_of(segments.begin(), segments.end(),
                            [](const SegmentEntry& entry) { return !entry.del_file.is_zero(); }));
  }
  const auto open = [&] {
    return Index::open(world.environment(), world.options.index, world.soon());
  };
  std::size_t count = 0;
  {
    const FailingNew counted(FailingNew::kNever);
    must(open());
    count = counted.count();
  }
  for (const std::size_t nth : spread(count, 600)) {
    SCOPED_TRACE(str_cat("allocation ", nth, " of ", count));
    std::unique_ptr<Index> index;
    try {
      const FailingNew failing(nth);
      auto opened = open();
      if (opened.ok()) {
        index = *std::move(opened);
      } else {
        EXPECT_TRUE(is_memory_error(opened.error())) << opened.error().message;
      }
    } catch (const std::bad_alloc&) {
    }
    if (index == nullptr) continue;
    for (const SegmentPtr& segment : index->current()->segments())
      ASSERT_FALSE(segment->damage()) << segment->damage()->message;
  }
}

// What counts as missing is paid for again.
TEST(WithoutMemory, NoVectorOfTheCacheCountsAsMissing) {
  ManualClock clock;
  MemoryStore store{clock};
  EmbeddingCacheOptions options;
  options.prefix = "ix/cache/";
  options.pack_rows = 8;
  const Space space = test::cache_space(4);
  const test::Batch batch = test::batch_of(0, 40, 4);
  {
    test::CacheProcess writer(store, options, 1, space);
    must(writer.open());
    must(writer.add(batch));
    must(writer.flush());
  }
  const auto look = [&](std::size_t fails, std::size_t& count) {
    test::CacheProcess reader(store, options, 2, space);
    must(reader.open());
    const FailingNew failing(fails);
    auto found = reader.find(batch);
    count = failing.count();
    return found;
  };
  std::size_t count = 0;
  ASSERT_EQ(must(look(FailingNew::kNever, count)), batch.hashes.size());
  for (const std::size_t nth : spread(count, 600)) {
    SCOPED_TRACE(str_cat("allocation ", nth, " of ", count));
    try {
      std::size_t ignored = 0;
      const auto found = look(nth, ignored);
      if (found.ok()) {
        ASSERT_EQ(*found, batch.hashes.size());
      } else {
        ASSERT_TRUE(is_memory_error(found.error())) << found.error().message;
      }
    } catch (const std::bad_alloc&) {
    }
  }
}

}  // namespace
}  // namespace kedge
