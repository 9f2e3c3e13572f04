// The differential oracle: whatever the history, what the index answers is what looking at
// everything answers.
#include <iostream>

#include "engine/counts.h"
#include "engine/filter_testing.h"
#include "engine/testing.h"

namespace kedge {

namespace {

// Of how many nearest rows how many were found.
struct Recall {
  std::size_t found = 0;
  std::size_t wanted = 0;
};

}  // namespace

void expect_same_search(World& world, Index& index, const SnapshotPtr& snapshot, const Model& model,
                        const SearchRequest& request) {
  const SearchResult result = must(index.search(snapshot, request, world.soon()), "search");
  const std::vector<Model::Found> expected = model.search(request, world.space());
  EXPECT_FALSE(result.partial);
  ASSERT_EQ(result.hits.size(), expected.size()) << "k " << request.k;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Hit& hit = result.hits[i];
    const IndexedObject* object = model.find(expected[i].key);
    ASSERT_EQ(hit.object.row, object->row) << "hit " << i << " of " << expected.size();
    ASSERT_EQ(hit.chunk_number, expected[i].chunk) << "hit " << i;
    ASSERT_EQ(hit.chunk, object->chunks[hit.chunk_number]);
    ASSERT_EQ(hit.distance, expected[i].distance) << "hit " << i;
  }
}

namespace {

void expect_same_rows(World& world, Index& index, const SnapshotPtr& snapshot, const Model& model,
                      std::uint32_t source) {
  const std::vector<const IndexedObject*> live = model.live(source);
  SourceEntry counted = *snapshot->source(source);
  EXPECT_EQ(counted.live_objects, live.size());
  const Timestamp earliest = counted.earliest_retry;
  clear_counts(counted);
  for (const IndexedObject* object : live) add_count(counted, RowCount::of(object->row));
  // A lower bound.
  if (counted.earliest_retry.micros != 0) {
    EXPECT_LE(earliest, counted.earliest_retry);
  }
  counted.earliest_retry = earliest;
  EXPECT_EQ(counted, *snapshot->source(source)) << "source " << source;

  const std::string after = live.empty() || world.random.below(2) == 0
                                ? ""
                                : live[world.random.below(live.size())]->row.key;
  const std::unique_ptr<ObjectCursor> cursor = index.scan(snapshot, source, after);
  for (const IndexedObject* object : live) {
    if (object->row.key <= after) continue;
    const std::optional<LiveObject> got = must(cursor->next(world.soon()), "scan");
    ASSERT_TRUE(got.has_value()) << "the scan ends before " << object->row.key;
    ASSERT_EQ(got->row, object->row);
    if (world.random.below(8) != 0) continue;
    EXPECT_EQ(must(index.chunks(snapshot, *got, world.soon())), object->chunks);
    std::vector<float> vectors(object->vectors.size());
    kernels().f16_to_f32(object->vectors.data(), vectors.data(), vectors.size());
    EXPECT_EQ(must(index.vectors(snapshot, *got, world.soon())), vectors);
  }
  ASSERT_FALSE(must(cursor->next(world.soon())).has_value());
}

SearchRequest random_request(World& world, const std::vector<ObjectKey>& keys) {
  Random& random = world.random;
  SearchRequest request;
  request.query = world.query();
  request.space = world.space().id();
  request.k = 1 + random.below(random.below(4) == 0 ? 500 : 12);
  request.group_by_object = random.below(2) == 0;
  request.collapse_equal = random.below(2) == 0;
  if (random.below(3) == 0)
    request.source = static_cast<std::uint32_t>(1 + random.below(world.options.sources + 1));
  if (random.below(3) == 0) {
    const std::string& key = keys[random.below(keys.size())].key;
    request.key_prefix = key.substr(0, random.below(key.size() + 1));
  }
  if (random.below(2) == 0) {
    const std::string known = keys[random.below(keys.size())].key;
    request.filter = random_filter(
        random, {.keys = {known, known.substr(0, random.below(known.size() + 1)), "a/", "none"},
                 .sources = {source_uri(1), source_uri(2), source_uri(9)},
                 .sizes = {0, static_cast<double>(random.below(1000)), 500},
                 .times = {static_cast<double>(at_second(random.below(1000) - 500'000).micros)}});
  }
  if (random.below(3) == 0) {
    const std::uint64_t share = 1 + random.below(20);
    request.accept = [share](const LiveObject& object) { return object.row.size % share == 0; };
  }
  return request;
}

}  // namespace

void expect_same(World& world, Index& index, const SnapshotPtr& snapshot, const Model& model,
                 const std::vector<ObjectKey>& keys) {
  for (std::uint32_t source = 1; source <= world.options.sources; ++source)
    expect_same_rows(world, index, snapshot, model, source);
  const auto found = must(index.find(snapshot, keys, world.soon()), "find");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const IndexedObject* object = model.find(keys[i]);
    ASSERT_EQ(found[i].has_value(), object != nullptr) << keys[i].source << " " << keys[i].key;
    if (object != nullptr) {
      EXPECT_EQ(found[i]->row, object->row);
    }
  }
  for (int i = 0; i < 4; ++i) {
    SearchRequest request = random_request(world, keys);
    request.exact = true;
    expect_same_search(world, index, snapshot, model, request);
  }
}

// By codes: every hit is a live row at its true distance, there are as many as there can be, and
// `recall` learns how many of the nearest are among them.
void expect_close_search(World& world, Index& index, const SnapshotPtr& snapshot,
                         const Model& model, SearchRequest request, Recall& recall) {
  request.probes = 0;
  request.recall = 0.98;
  const SearchResult result = must(index.search(snapshot, request, world.soon()), "search");
  const std::vector<Model::Found> expected = model.search(request, world.space());
  // Of equal chunks any may be kept, so that groups of them may be counted otherwise.
  if (!request.collapse_equal || !request.group_by_object) {
    ASSERT_EQ(result.hits.size(), expected.size()) << "k " << request.k;
  }
  std::multiset<float> nearest;
  for (const Model::Found& found : expected) nearest.insert(found.distance);
  for (const Hit& hit : result.hits) {
    const ObjectKey key{hit.object.row.source, hit.object.row.key};
    const IndexedObject* object = model.find(key);
    ASSERT_NE(object, nullptr) << key.key;
    ASSERT_EQ(hit.object.row, object->row);
    ASSERT_EQ(hit.chunk, object->chunks.at(hit.chunk_number));
    const float distance = brute_distance(
        request.query,
        object->vectors.data() + std::size_t{hit.chunk_number} * world.space().dimension,
        world.space());
    if (result.exact) {
      ASSERT_EQ(hit.distance, distance);
    }
    if (const auto near = nearest.find(distance); near != nearest.end()) {
      nearest.erase(near);
      ++recall.found;
    }
  }
  recall.wanted += expected.size();
}

namespace {

struct Shape {
  const char* name;
  Metric metric;
  std::uint32_t dimension;
  std::size_t keys;
  std::size_t batch;
  std::uint64_t cache_bytes;
  std::uint32_t list_rows;  // of a tree; 0: the rows stay without one
};

class Oracle : public testing::TestWithParam<std::tuple<Shape, int>> {};

std::vector<ObjectKey> make_keys(World& world, std::size_t count) {
  // Some share more than what the directory keeps of a first key.
  const std::string deep(70, 'd');
  std::vector<ObjectKey> keys;
  for (std::size_t i = 0; i < count; ++i) {
    const auto source = static_cast<std::uint32_t>(1 + i % world.options.sources);
    const char* const folder = i % 3 == 0 ? "a/" : i % 3 == 1 ? "\xC3\xA9/\xFF" : "";
    keys.push_back({source, str_cat(folder, i % 5 < 2 ? deep : "", i)});
  }
  return keys;
}

// One history: puts, absences, replays and stale versions of both, merges, other handles,
// reopening, and looks at old generations.
class History {
 public:
  History(World& world, const Shape& shape)
      : world_(world), shape_(shape), keys_(make_keys(world, shape.keys)), index_(world.create()) {}

  void step() {
    world_.clock.advance(std::chrono::seconds(10));
    now_ += 10;
    switch (world_.random.below(10)) {
      case 0:
        must(index_->maintain(1 + world_.random.below(3), world_.soon()), "maintain");
        break;
      case 1:
        index_ = world_.open();
        break;
      case 3:
        if (shape_.list_rows == 0) break;
        must(index_->compact(world_.random.below(3) == 0, world_.soon()), "compact");
        break;
      case 2:
        other_ = world_.open();
        commit(*other_);
        must(index_->latest(world_.soon()));
        break;
      default:
        commit(*index_);
    }
    const SnapshotPtr snapshot = index_->current();
    expect_same(world_, *index_, snapshot, model_, keys_);
    look_closely(snapshot);
    models_[snapshot->generation()] = model_;
    if (world_.random.below(4) == 0) look_back();
  }

  [[nodiscard]] const Recall& recall() const { return recall_; }
  [[nodiscard]] std::size_t trees() const { return trees_.size(); }

  void finish() {
    while (must(index_->maintain(4, world_.soon())) > 0) {
    }
    expect_same(world_, *index_, index_->current(), model_, keys_);
    const std::vector<std::string> damaged = must(index_->check_files(world_.soon()));
    EXPECT_TRUE(damaged.empty()) << damaged.front();
  }

 private:
  // Times are unique and far apart: ties have tests of their own.
  Timestamp time() {
    const bool stale = world_.random.below(5) == 0;
    const std::int64_t back = stale ? 10 * static_cast<std::int64_t>(world_.random.below(20)) : 0;
    return {at_second(now_ - back).micros + static_cast<std::int64_t>(++ticks_)};
  }

  void commit(Index& index) {
    const std::size_t count = 1 + world_.random.below(shape_.batch);
    std::set<std::size_t> chosen;
    while (chosen.size() < count) chosen.insert(world_.random.below(keys_.size()));
    std::vector<Intent> intents;
    std::uint64_t puts = 0;
    for (const std::size_t k : chosen) {
      if (world_.random.below(4) == 0) {
        const Timestamp proven = time();
        model_.absent(keys_[k], proven);
        intents.emplace_back(AbsentIntent{keys_[k], proven});
      } else if (const auto last = last_.find(k);
                 last != last_.end() && world_.random.below(8) == 0) {
        puts += model_.put(last->second) ? 1 : 0;  // sent again, as after an unknown outcome
        intents.emplace_back(PutIntent{last->second});
      } else {
        const Timestamp read = time();
        IndexedObject object =
            world_.object(keys_[k], str_cat("t", read.micros), read, world_.random.below(5));
        last_[k] = object;
        puts += model_.put(object) ? 1 : 0;
        intents.emplace_back(PutIntent{std::move(object)});
      }
    }
    const CommitReport report = must(index.commit(std::move(intents), {}, {}, world_.soon()));
    EXPECT_EQ(report.puts, puts);
  }

  // By codes, with planes in memory now and then.
  void look_closely(const SnapshotPtr& snapshot) {
    if (shape_.list_rows == 0) return;
    for (const TreeEntry& tree : snapshot->state().trees) trees_.insert(tree.id);
    if (world_.random.below(3) == 0)
      must(index_->load(snapshot, world_.random.below(200'000), world_.soon()), "load");
    for (int i = 0; i < 4; ++i)
      expect_close_search(world_, *index_, snapshot, model_, random_request(world_, keys_),
                          recall_);
  }

  void look_back() {
    auto old = models_.begin();
    std::advance(old, static_cast<std::ptrdiff_t>(world_.random.below(models_.size())));
    const SnapshotPtr snapshot = must(index_->at(old->first, world_.soon()));
    expect_same(world_, *index_, snapshot, old->second, keys_);
  }

  World& world_;
  const Shape& shape_;
  std::vector<ObjectKey> keys_;
  Model model_;
  std::map<std::uint64_t, Model> models_;  // by generation
  std::map<std::size_t, IndexedObject> last_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<Index> other_;
  Recall recall_;
  std::set<Id128> trees_;
  std::int64_t now_ = 1000;
  std::uint64_t ticks_ = 0;
};

TEST_P(Oracle, AnswersAreThoseOfLookingAtEverything) {
  const auto& [shape, seed] = GetParam();
  SCOPED_TRACE(str_cat("seed ", seed));
  WorldOptions options;
  options.seed = static_cast<std::uint64_t>(seed);
  options.dimension = shape.dimension;
  options.metric = shape.metric;
  options.index.cache_bytes = shape.cache_bytes;
  options.index.max_small_segments = 2 + static_cast<std::uint32_t>(seed) % 5;
  options.index.small_rows = 400;
  options.index.max_segment_rows = 900;
  options.index.few_rows = 0;
  options.index.tree_rows = shape.list_rows > 0 ? 8 * shape.list_rows : UINT32_MAX;
  options.index.least_tree_rows = shape.list_rows > 0 ? 4 * shape.list_rows : UINT32_MAX;
  options.index.list_rows = shape.list_rows;
  options.index.memory_bytes = std::uint64_t{1} << (10 + 2 * (seed % 6));
  // From a window an object on.
  options.index.merge_window_bytes = std::uint64_t{1} << (2 * (seed % 6) + 4);
  // From a page a round on.
  options.index.window_bytes = std::uint64_t{1} << (4 * (seed % 4) + 8);
  World world(options);
  const std::unique_ptr<Executor> pool = make_thread_pool(2);
  if (seed % 2 == 0) world.executor = pool.get();
  History history(world, shape);
  for (int step = 0; step < 30 && !testing::Test::HasFailure(); ++step) {
    SCOPED_TRACE(str_cat("step ", step));
    history.step();
  }
  if (!testing::Test::HasFailure()) history.finish();
  if (shape.list_rows == 0) return;
  EXPECT_GE(history.trees(), 2U) << "the history never left its first tree";
  std::cout << "recall " << history.recall().found << " of " << history.recall().wanted << ", "
            << history.trees() << " trees\n";
  EXPECT_GE(static_cast<double>(history.recall().found),
            0.95 * static_cast<double>(history.recall().wanted));
}

INSTANTIATE_TEST_SUITE_P(
    Seeds, Oracle,
    testing::Combine(testing::Values(Shape{"cosine", Metric::kCosine, 8, 60, 20, 1 << 20, 0},
                                     Shape{"wide", Metric::kCosine, 33, 900, 300, 256 << 10, 0},
                                     Shape{"l2", Metric::kL2, 5, 300, 60, 0, 0},
                                     Shape{"dot", Metric::kDot, 16, 40, 6, 1 << 20, 0},
                                     Shape{"cosine_tree", Metric::kCosine, 24, 300, 80, 1 << 20,
                                           12},
                                     Shape{"l2_tree", Metric::kL2, 70, 400, 90, 64 << 10, 20},
                                     Shape{"dot_tree", Metric::kDot, 16, 200, 60, 1 << 20, 8}),
                     testing::Range(1, 7)),
    [](const auto& info) {
      return str_cat(std::get<0>(info.param).name, std::get<1>(info.param));
    });

}  // namespace
}  // namespace kedge
