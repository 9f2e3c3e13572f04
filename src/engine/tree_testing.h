// An index of rows around a few centres, on a tree: for tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/segment.h"
#include "engine/testing.h"

namespace kedge {

inline WorldOptions tree_options(std::uint64_t seed) {
  WorldOptions options;
  options.seed = seed;
  options.dimension = 32;
  options.metric = Metric::kL2;
  options.sources = 1;
  options.index.few_rows = 0;
  options.index.small_rows = 128;
  options.index.tree_rows = 256;
  options.index.least_tree_rows = 128;
  options.index.list_rows = 32;
  return options;
}

// An index of rows around a few centres, as embeddings are; every object has one row.
class Trees : public testing::Test {
 protected:
  explicit Trees(std::uint64_t seed = 11) : world_(tree_options(seed)), index_(world_.create()) {
    for (int c = 0; c < 24; ++c) {
      std::vector<float> centre(kDimension);
      for (float& value : centre) value = static_cast<float>(world_.random.unit() * 8 - 4);
      centres_.push_back(std::move(centre));
    }
  }

  std::vector<float> vector() { return near(world_.random.below(centres_.size())); }
  std::vector<float> near(std::size_t centre) {
    std::vector<float> out = centres_[centre];
    for (float& value : out) value += static_cast<float>(world_.random.unit() - 0.5);
    return out;
  }

  // Whether the newest generation that `index` knows has this plane of every segment in memory.
  static bool in_memory(const Index& index, Plane plane) {
    const auto& segments = index.current()->segments();
    return std::all_of(segments.begin(), segments.end(), [&](const SegmentPtr& segment) {
      return segment->file()->image(plane) != nullptr;
    });
  }

  // From now on rows that are near to none.
  void spread_out() {
    centres_.assign(2000, std::vector<float>(kDimension));
    for (std::vector<float>& centre : centres_) {
      for (float& value : centre) value = static_cast<float>(world_.random.unit() * 8 - 4);
    }
  }

  // Of the lists those that a search looks into for a recall of 0.95.
  static double share_for_950(const TreeEntry& tree) {
    for (const ProbePoint& point : tree.points) {
      if (point.recall == 950) return static_cast<double>(point.probes) / tree.leaves;
    }
    ADD_FAILURE() << "no point for 0.95";
    return 0;
  }

  IndexedObject object(std::size_t number, const std::vector<float>& values) {
    IndexedObject out;
    out.row.source = 1;
    out.row.key = str_cat("k", 100'000 + number);
    out.row.tag = str_cat("t", ++reads_);
    out.row.read_time = at_second(static_cast<std::int64_t>(10 * reads_));
    ChunkRow chunk;
    chunk.begin = number;
    chunk.end = number + 7;
    chunk.line_first = chunk.line_last = number + 1;
    chunk.chunk_hash = Id128::random(world_.random);
    out.chunks = {chunk};
    out.vectors.resize(kDimension);
    kernels().f32_to_f16(values.data(), out.vectors.data(), values.size());
    return out;
  }

  void put(std::size_t first, std::size_t count, Merging merging = Merging::kNow) {
    std::vector<Intent> intents;
    for (std::size_t i = first; i < first + count; ++i) {
      IndexedObject made = object(i, vector());
      model_.put(made);
      intents.emplace_back(PutIntent{std::move(made)});
    }
    must(index_->commit(std::move(intents), {}, {}, world_.soon(), merging));
  }

  SearchRequest request(std::vector<float> query, std::uint32_t probes) {
    SearchRequest out;
    out.query = std::move(query);
    out.space = world_.space().id();
    out.group_by_object = false;
    out.collapse_equal = false;
    out.probes = probes;
    out.detail = Detail::kReference;
    return out;
  }

  // Of the ten nearest, on average over some questions.
  double recall(Index& index, const SearchRequest& like, int questions = 40) {
    const SnapshotPtr snapshot = index.current();
    std::size_t found = 0;
    std::size_t wanted = 0;
    for (int q = 0; q < questions; ++q) {
      SearchRequest request = like;
      request.query = vector();
      const SearchResult result = must(index.search(snapshot, request, world_.soon()));
      const std::vector<Model::Found> nearest = model_.search(request, world_.space());
      wanted += nearest.size();
      for (const Model::Found& near : nearest) {
        found += std::any_of(result.hits.begin(), result.hits.end(),
                             [&](const Hit& hit) { return hit.object.row.key == near.key.key; })
                     ? 1
                     : 0;
      }
    }
    return wanted == 0 ? 1 : static_cast<double>(found) / static_cast<double>(wanted);
  }

  static constexpr std::uint32_t kDimension = 32;
  World world_;
  std::unique_ptr<Index> index_;
  Model model_;
  std::vector<std::vector<float>> centres_;
  std::uint64_t reads_ = 0;
};

}  // namespace kedge
