// What the tests of engine/ share: a store and a clock of the test's own, objects made from a seed,
// and a model that answers everything by brute force.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/strings.h"
#include "engine/filter_testing.h"
#include "engine/index.h"
#include "simd/kernels.h"
#include "store/counting_store.h"
#include "store/fault_store.h"
#include "store/memory_store.h"

namespace kedge {

inline Timestamp at_second(std::int64_t second) {
  return {1'700'000'000'000'000 + second * 1'000'000};
}

template <typename T>
T must(Result<T> result, const char* what = "") {
  EXPECT_TRUE(result.ok()) << what << ": " << result.error().message;
  KEDGE_CHECK(result.ok());
  return std::move(result).value();
}
inline void must(const Status& status) {
  EXPECT_TRUE(status.ok()) << status.error().message;
  KEDGE_CHECK(status.ok());
}

inline std::string source_uri(std::uint32_t number) {
  return str_cat("memory:source", number, "/");
}

struct WorldOptions {
  std::uint64_t seed = 1;
  std::uint32_t dimension = 8;
  Metric metric = Metric::kCosine;
  std::uint32_t sources = 2;
  IndexOptions index;
};

// A store with faults and counts, and an index on it with a space and some sources.
struct World {
  explicit World(WorldOptions chosen = {})
      : options(std::move(chosen)), random(options.seed), ids(options.seed * 7919 + 1) {
    options.index.prefix = "ix/";
  }

  Environment environment() { return {counting, clock, ids, *executor, silent_log()}; }
  Environment environment_on(ObjectStore& store, Random& own_ids) {
    return {store, clock, own_ids, *executor, silent_log()};
  }
  Deadline soon() { return Deadline::after(clock, std::chrono::minutes(60)); }

  Space space() const {
    Space out;
    out.provider = "test";
    out.model = "unit";
    out.dimension = options.dimension;
    out.metric = options.metric;
    out.normalised = false;
    out.pooling = "mean";
    out.max_tokens = 64;
    return out;
  }

  StateEdit registration() const {
    return [this](IndexState& state) -> Status {
      state.spaces.push_back(space());
      for (std::uint32_t s = 1; s <= options.sources; ++s) {
        SourceEntry source;
        source.number = state.next_source++;
        source.uri = source_uri(s);
        source.recipe.space = space().id();
        state.sources.push_back(source);
      }
      return {};
    };
  }

  std::unique_ptr<Index> create() {
    std::unique_ptr<Index> index = must(Index::create(environment(), options.index, soon()));
    must(index->commit({}, registration(), {}, soon()));
    return index;
  }
  std::unique_ptr<Index> open() { return must(Index::open(environment(), options.index, soon())); }

  // A chunk from a small pool, so that some are equal.
  void add_chunk(IndexedObject& object) {
    const std::uint64_t content = random.below(64);
    SeededRandom of_content(content + 1);
    ChunkRow chunk;
    chunk.begin = object.chunks.size() * 10;
    chunk.end = chunk.begin + 10;
    chunk.chunk_hash = Id128::random(of_content);
    chunk.input_hash = Id128::random(of_content);
    object.chunks.push_back(chunk);
    std::vector<float> vector(options.dimension);
    for (float& value : vector) value = static_cast<float>(of_content.unit() * 2 - 1);
    std::vector<std::uint16_t> halves(options.dimension);
    kernels().f32_to_f16(vector.data(), halves.data(), halves.size());
    object.vectors.insert(object.vectors.end(), halves.begin(), halves.end());
  }

  IndexedObject object(const ObjectKey& key, std::string tag, Timestamp read_time,
                       std::size_t chunks) {
    IndexedObject out;
    out.row.source = key.source;
    out.row.key = key.key;
    out.row.tag = std::move(tag);
    out.row.size = random.below(1000);
    out.row.last_modified = read_time - std::chrono::seconds(random.below(1'000'000));
    out.row.read_time = read_time;
    out.row.racy = random.below(10) == 0;
    out.row.media_type = random.below(2) == 0 ? "text/plain" : "text/html";
    out.row.content_hash = sha256(as_bytes(str_cat(key.key, out.row.tag)));
    out.row.metadata = random_metadata(random);
    for (std::size_t i = 0; i < chunks; ++i) add_chunk(out);
    if (chunks > 0 || random.below(2) == 0) return out;
    out.row.status = static_cast<ObjectStatus>(2 + random.below(3));
    out.row.reason = "a reason";
    if (out.row.status == ObjectStatus::kFailed)
      out.row.retry_after = read_time + std::chrono::seconds(random.below(1000));
    return out;
  }

  std::vector<float> query() {
    std::vector<float> out(options.dimension);
    for (float& value : out) value = static_cast<float>(random.unit() * 2 - 1);
    return out;
  }

  WorldOptions options;
  SeededRandom random;  // of the test
  SeededRandom ids;     // of the index
  ManualClock clock;
  MemoryStore memory{clock};
  FaultStore faults{memory, clock};
  CountingStore counting{faults};
  Executor* executor = &inline_executor();
};

// Every key's newest version, by rule 6; answers by looking at everything.
class Model {
 public:
  struct State {
    Timestamp time;
    std::optional<IndexedObject> object;  // none: absent
  };

  // Whether it takes effect.
  bool put(const IndexedObject& object) {
    const ObjectKey key{object.row.source, object.row.key};
    const auto known = states_.find(key);
    if (known != states_.end() && object.row.read_time < known->second.time) return false;
    states_[key] = {object.row.read_time, object};
    return true;
  }
  bool absent(const ObjectKey& key, Timestamp proven_at) {
    const auto known = states_.find(key);
    const bool wins = known == states_.end() || known->second.time < proven_at;
    if (wins) states_[key] = {proven_at, std::nullopt};
    return wins;
  }

  [[nodiscard]] const IndexedObject* find(const ObjectKey& key) const {
    const auto known = states_.find(key);
    return known == states_.end() || !known->second.object ? nullptr : &*known->second.object;
  }
  [[nodiscard]] std::vector<const IndexedObject*> live(std::uint32_t source) const {
    std::vector<const IndexedObject*> out;
    for (const auto& [key, state] : states_) {
      if (key.source == source && state.object) out.push_back(&*state.object);
    }
    return out;
  }

  struct Found {
    ObjectKey key;
    std::uint32_t chunk = 0;
    float distance = 0;
    Id128 hash;
  };
  [[nodiscard]] std::vector<Found> search(const SearchRequest& request, const Space& space) const;

 private:
  std::map<ObjectKey, State> states_;
};

// One row at a time, by the kernel that has tests of its own: to the bit what a scan gives.
inline float brute_distance(std::vector<float> query, const std::uint16_t* row,
                            const Space& space) {
  if (space.metric == Metric::kL2) return kernels().l2_f16(query.data(), row, query.size());
  double rows = 0;
  double queries = 0;
  std::vector<float> values(query.size());
  kernels().f16_to_f32(row, values.data(), values.size());
  for (std::size_t i = 0; i < query.size(); ++i) {
    rows += double{values[i]} * double{values[i]};
    queries += double{query[i]} * double{query[i]};
  }
  if (space.metric == Metric::kDot) return -kernels().dot_f16(query.data(), row, query.size());
  for (float& value : query) value = static_cast<float>(double{value} / std::sqrt(queries));
  const float dot = kernels().dot_f16(query.data(), row, query.size());
  return 1 - static_cast<float>(double{dot} / std::sqrt(rows));
}

inline std::vector<Model::Found> Model::search(const SearchRequest& request,
                                               const Space& space) const {
  std::vector<Found> all;
  for (const auto& [key, state] : states_) {
    if (!state.object || (request.source && *request.source != key.source)) continue;
    if (!key.key.starts_with(request.key_prefix)) continue;
    LiveObject object;
    object.row = state.object->row;
    if (request.accept && !request.accept(object)) continue;
    if (request.filter && !matches(*request.filter, object.row, source_uri(key.source))) continue;
    for (std::uint32_t c = 0; c < state.object->chunks.size(); ++c) {
      all.push_back({.key = key,
                     .chunk = c,
                     .distance = brute_distance(
                         request.query,
                         state.object->vectors.data() + std::size_t{c} * space.dimension, space),
                     .hash = state.object->chunks[c].chunk_hash});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Found& a, const Found& b) {
    return std::tie(a.distance, a.key, a.chunk) < std::tie(b.distance, b.key, b.chunk);
  });
  std::vector<Found> out;
  std::set<ObjectKey> objects;
  std::set<Id128> hashes;
  for (const Found& found : all) {
    if (out.size() == request.k) break;
    if (request.group_by_object && !objects.insert(found.key).second) continue;
    if (request.collapse_equal && !hashes.insert(found.hash).second) continue;
    out.push_back(found);
  }
  return out;
}

// Everything that a snapshot can be asked, against the model.
void expect_same(World& world, Index& index, const SnapshotPtr& snapshot, const Model& model,
                 const std::vector<ObjectKey>& keys);
// One search, hit by hit.
void expect_same_search(World& world, Index& index, const SnapshotPtr& snapshot, const Model& model,
                        const SearchRequest& request);

}  // namespace kedge
