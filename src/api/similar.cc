// Objects like some and unlike others: recommendation from what is indexed, without a model.
//
// score(object) = best pair of chunks (liked, object) - kUnlikeWeight * max(0, best pair (unliked,
// object)). Candidates come from one exact search a liked chunk; an object with many chunks is
// represented by kMaxProbes of them, evenly spaced.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "api/operations.h"
#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::size_t kMaxProbes = 32;    // chunks that represent one liked or unliked object
constexpr std::size_t kMaxExamples = 64;  // objects in all
constexpr double kUnlikeWeight = 0.5;
constexpr std::size_t kOversample =
    4;  // candidates a wanted result: unliked ones may fall out of the best

struct Example {
  LiveObject object;
  std::vector<float> vectors;  // probes x dimension
};

Result<Example> load_example(Session& session, const SnapshotPtr& snapshot, const std::string& name,
                             std::size_t dimension) {
  Example out;
  out.object = KEDGE_TRY(find_object(session, snapshot, name));
  if (out.object.chunk_count == 0) {
    return {Code::kInvalid,
            str_cat("'", printable(name), "' has no text in the index, so nothing can be like it")};
  }
  Index* index = KEDGE_TRY(session.index(false));
  const std::vector<float> all =
      KEDGE_TRY(index->vectors(snapshot, out.object, session.deadline()));
  const std::size_t count = all.size() / dimension;
  const std::size_t probes = std::min(count, kMaxProbes);
  for (std::size_t i = 0; i < probes; ++i) {
    const float* row = all.data() + i * count / probes * dimension;
    out.vectors.insert(out.vectors.end(), row, row + dimension);
  }
  return out;
}

struct Candidate {
  Hit hit;
  double like = 0;
  double unlike = 0;
};

using CandidateKey = std::pair<std::uint32_t, std::string>;

class Search {
 public:
  Search(Session& session, Index& index, SnapshotPtr snapshot, SearchRequest request,
         std::size_t dimension)
      : session_(session),
        index_(index),
        snapshot_(std::move(snapshot)),
        request_(std::move(request)),
        dimension_(dimension) {}

  // The best pair of every object found, by a search for each vector.
  Status run(const Example& example, bool liked) {
    for (std::size_t at = 0; at < example.vectors.size(); at += dimension_) {
      request_.query.assign(example.vectors.begin() + static_cast<std::ptrdiff_t>(at),
                            example.vectors.begin() + static_cast<std::ptrdiff_t>(at + dimension_));
      SearchResult found = KEDGE_TRY(index_.search(snapshot_, request_, session_.deadline()));
      partial_ |= found.partial;
      trace_.rows_scanned += found.trace.rows_scanned;
      trace_.requests += found.trace.requests;
      trace_.bytes += found.trace.bytes;
      trace_.hedges += found.trace.hedges;
      trace_.disk_blocks += found.trace.disk_blocks;
      trace_.disk_bytes += found.trace.disk_bytes;
      trace_.segments = found.trace.segments;
      trace_.rounds = std::max(trace_.rounds, found.trace.rounds);
      trace_.seconds += found.trace.seconds;
      for (Hit& hit : found.hits) merge(std::move(hit), liked);
    }
    return {};
  }

  void merge(Hit hit, bool liked) {
    const CandidateKey key{hit.object.row.source, hit.object.row.key};
    const double score = hit.score;
    if (!liked) {
      const auto known = candidates_.find(key);
      if (known != candidates_.end()) known->second.unlike = std::max(known->second.unlike, score);
      return;
    }
    const auto [at, fresh] = candidates_.try_emplace(key, Candidate{hit, score, 0});
    if (!fresh && score > at->second.like) {
      at->second.like = score;
      at->second.hit = std::move(hit);
    }
  }

  SearchResult best(std::size_t k) {
    std::vector<Candidate> order;
    for (auto& [key, candidate] : candidates_) {
      candidate.hit.score =
          static_cast<float>(candidate.like - kUnlikeWeight * std::max(0.0, candidate.unlike));
      order.push_back(std::move(candidate));
    }
    std::stable_sort(order.begin(), order.end(), [](const Candidate& a, const Candidate& b) {
      return a.hit.score > b.hit.score;
    });
    SearchResult out;
    std::set<Sha256> shown;
    for (Candidate& candidate : order) {
      if (out.hits.size() == k) break;
      const Sha256& content = candidate.hit.object.row.content_hash;
      if (request_.collapse_equal && !shown.insert(content).second) continue;
      out.hits.push_back(std::move(candidate.hit));
    }
    out.partial = partial_;
    out.trace = trace_;
    return out;
  }

 private:
  Session& session_;
  Index& index_;
  SnapshotPtr snapshot_;
  SearchRequest request_;
  std::size_t dimension_;
  std::map<CandidateKey, Candidate> candidates_;
  bool partial_ = false;
  SearchTrace trace_;
};

}  // namespace

Result<SearchResponse> run_similar(Session& session, const SimilarQuery& query) {
  session.begin_search();
  if (query.like.empty())
    return {Code::kInvalid, "similar needs at least one object that is liked"};
  if (query.like.size() + query.unlike.size() > kMaxExamples) {
    return {Code::kInvalid, str_cat("more than ", kMaxExamples, " liked and unliked objects")};
  }
  const SnapshotPtr snapshot = KEDGE_TRY(open_snapshot(session, query.options.generation));
  const Space space = KEDGE_TRY(space_of(*snapshot));
  std::vector<Example> liked;
  std::vector<Example> unliked;
  for (const std::string& name : query.like) {
    liked.push_back(KEDGE_TRY(load_example(session, snapshot, name, space.dimension)));
  }
  for (const std::string& name : query.unlike) {
    unliked.push_back(KEDGE_TRY(load_example(session, snapshot, name, space.dimension)));
  }
  std::set<Sha256> contents;
  for (const auto* examples : {&liked, &unliked}) {
    for (const Example& example : *examples) contents.insert(example.object.row.content_hash);
  }
  SearchRequest request = KEDGE_TRY(engine_request(*snapshot, query.options));
  request.group_by_object = true;
  request.accept = [contents](const LiveObject& object) {
    return !contents.contains(object.row.content_hash);
  };
  request.k = std::min(kMaxResults, query.options.k * kOversample + liked.size() + unliked.size());
  Index* index = KEDGE_TRY(session.index(false));
  Search search(session, *index, snapshot, request, space.dimension);
  for (const Example& example : liked) KEDGE_TRY(search.run(example, true));
  for (const Example& example : unliked) KEDGE_TRY(search.run(example, false));
  SearchResponse out =
      make_response(session, snapshot, search.best(query.options.k), query.options, "");
  KEDGE_TRY(add_links(session, query.options, out));
  return out;
}

}  // namespace kedge
