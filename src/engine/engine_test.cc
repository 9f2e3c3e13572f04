#include <gtest/gtest.h>

#include <map>

#include "base/executor.h"
#include "base/strings.h"
#include "engine/index.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

constexpr std::uint32_t kDimension = 16;

struct Bench {
  ManualClock clock;
  SeededRandom random{7};
  MemoryStore store{clock};
  Environment environment{store, clock, random, inline_executor(), silent_log()};
  std::unique_ptr<Index> index;

  Space space() {
    Space out;
    out.provider = "test";
    out.model = "unit";
    out.dimension = kDimension;
    out.pooling = "mean";
    out.max_tokens = 64;
    return out;
  }

  void create() {
    auto made = Index::create(environment, {}, Deadline::never());
    ASSERT_TRUE(made.ok()) << made.error().message;
    index = std::move(made).value();
    const StateEdit edit = [&](IndexState& state) -> Status {
      state.spaces.push_back(space());
      SourceEntry source;
      source.number = state.next_source++;
      source.uri = "memory:docs/";
      source.recipe.space = space().id();
      state.sources.push_back(source);
      return {};
    };
    auto done = index->commit({}, edit, {}, Deadline::never());
    ASSERT_TRUE(done.ok()) << done.error().message;
  }

  Intent put(const std::string& key, std::size_t chunks, const std::string& tag) {
    IndexedObject object;
    object.row.source = 1;
    object.row.key = key;
    object.row.tag = tag;
    object.row.size = 100;
    object.row.last_modified = clock.now();
    object.row.read_time = clock.now();
    object.row.content_hash = sha256(as_bytes(key + tag));
    object.row.recipe = Id128::random(random);
    for (std::size_t i = 0; i < chunks; ++i) {
      ChunkRow chunk;
      chunk.begin = i * 10;
      chunk.end = i * 10 + 10;
      chunk.chunk_hash = Id128::random(random);
      chunk.input_hash = Id128::random(random);
      object.chunks.push_back(chunk);
      for (std::uint32_t d = 0; d < kDimension; ++d) {
        object.vectors.push_back(static_cast<std::uint16_t>(0x3000 + random.below(0x800)));
      }
    }
    return PutIntent{std::move(object)};
  }
};

TEST(Engine, CommitsFindsSearchesScansAndMerges) {
  Bench bench;
  bench.create();
  for (int round = 0; round < 12; ++round) {
    bench.clock.advance(std::chrono::seconds(10));
    std::vector<Intent> intents;
    for (int i = 0; i < 5; ++i)
      intents.push_back(bench.put(str_cat("k", (round * 3 + i) % 20), 3, str_cat("t", round)));
    auto done = bench.index->commit(std::move(intents), {}, {}, Deadline::never());
    ASSERT_TRUE(done.ok()) << done.error().message;
    EXPECT_EQ(done->puts, 5U);
    auto merged = bench.index->maintain(4, Deadline::never());
    ASSERT_TRUE(merged.ok()) << merged.error().message;
  }
  const SnapshotPtr snapshot = bench.index->current();
  std::size_t count = 0;
  auto cursor = bench.index->scan(snapshot, 1, "");
  std::string last;
  while (true) {
    auto row = cursor->next(Deadline::never());
    ASSERT_TRUE(row.ok()) << row.error().message;
    if (!*row) break;
    EXPECT_LT(last, (*row)->row.key);
    last = (*row)->row.key;
    ++count;
  }
  EXPECT_EQ(count, snapshot->state().sources[0].live_objects);
  SearchRequest request;
  request.query.assign(kDimension, 0.25F);
  request.space = bench.space().id();
  request.k = 50;
  auto found = bench.index->search(snapshot, request, Deadline::never());
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->hits.size(), count);
  auto damaged = bench.index->check_files(Deadline::never());
  ASSERT_TRUE(damaged.ok()) << damaged.error().message;
  EXPECT_TRUE(damaged->empty()) << damaged->front();
}

}  // namespace
}  // namespace kedge
