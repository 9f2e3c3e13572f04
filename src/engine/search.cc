// Exact search: every live row of the space is scanned. Round A reads the vector blocks, round B
// the docs and text pages of the best candidates; a filter by key costs one round before. What is
// in the cache costs no round.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/lookup.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kBlocksPerTask = 32;
// Candidates of equal score that are looked at together, so that ties are broken by key and not by
// place.
constexpr std::size_t kMaxTies = 1024;

// Object numbers in scope, [begin, end).
struct NumberRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

struct Candidate {
  float score = 0;
  std::uint32_t segment = 0;  // position in the snapshot
  std::uint32_t row = 0;
  std::uint32_t object = 0;
};

bool better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  if (a.segment != b.segment) return a.segment < b.segment;
  return a.row < b.row;
}

class Query {
 public:
  Query(IndexImpl& index, SnapshotPtr snapshot, const SearchRequest& request, Deadline deadline)
      : index_(index), snapshot_(std::move(snapshot)), request_(request), deadline_(deadline) {}

  Result<SearchResult> run() {
    const Duration began = index_.environment().clock.monotonic();
    KEDGE_TRY(check());
    KEDGE_TRY(choose_segments());
    KEDGE_TRY(read_blocks());
    scan();
    KEDGE_TRY(complete());
    out_.trace.segments = chosen_.size();
    out_.trace.seconds =
        std::chrono::duration<double>(index_.environment().clock.monotonic() - began).count();
    return std::move(out_);
  }

 private:
  struct Chosen {
    std::uint32_t position = 0;
    SegmentPtr segment;
    std::vector<NumberRange> ranges;  // in scope; one whole range where nothing is filtered
    std::vector<BlockPtr> blocks;
    bool readable = true;
  };

  Status check() {
    const Space* space = snapshot_->space(request_.space);
    if (space == nullptr) return {Code::kInvalid, "the index has no such space"};
    metric_ = space->metric;
    dimension_ = space->dimension;
    if (request_.query.size() != dimension_) {
      return {Code::kInvalid, str_cat("the query has ", request_.query.size(),
                                      " dimensions, the index ", dimension_)};
    }
    for (const float value : request_.query) {
      if (!std::isfinite(value)) return {Code::kInvalid, "the query holds NaN or infinity"};
    }
    if (request_.k == 0) return {Code::kInvalid, "k is 0"};
    return {};
  }

  Status choose_segments() {
    const bool filtered = request_.source.has_value() || !request_.key_prefix.empty();
    for (std::uint32_t i = 0; i < snapshot_->segments().size(); ++i) {
      const SegmentPtr& segment = snapshot_->segments()[i];
      if (segment->entry().space != request_.space || segment->directory().rows == 0) continue;
      Chosen chosen{
          .position = i, .segment = segment, .ranges = {}, .blocks = {}, .readable = true};
      if (!filtered) {
        chosen.ranges.push_back({0, segment->directory().objects});
      } else {
        KEDGE_TRY(ranges_of(*segment, chosen.ranges));
        if (chosen.ranges.empty()) continue;
      }
      chosen_.push_back(std::move(chosen));
    }
    return {};
  }

  Status ranges_of(const Segment& segment, std::vector<NumberRange>& out) {
    for (const SourceEntry& source : snapshot_->state().sources) {
      if (request_.source && source.number != *request_.source) continue;
      const std::string lower = sort_key(source.number, request_.key_prefix);
      const std::optional<std::string> upper = after_prefix(lower);
      NumberRange range{0, segment.directory().objects};
      range.begin = KEDGE_TRY(bound(segment, lower));
      if (upper) range.end = KEDGE_TRY(bound(segment, *upper));
      if (range.begin < range.end) out.push_back(range);
    }
    return {};
  }

  Result<std::uint32_t> bound(const Segment& segment, const std::string& key) {
    return lower_bound_object(index_.reader(), *snapshot_->head(), segment, key, &out_.trace,
                              deadline_);
  }

  Status read_blocks() {
    std::vector<PageWant> wants;
    for (const Chosen& chosen : chosen_) {
      std::uint32_t row = 0;
      for (const PageRef& page : chosen.segment->directory().vectors) {
        wants.push_back({chosen.segment->file().get(), page, "vector block", row});
        row += kVectorBlockRows;
      }
    }
    std::vector<Result<BlockPtr>> blocks =
        index_.reader().read(*snapshot_->head(), wants, &out_.trace, deadline_);
    std::size_t at = 0;
    for (Chosen& chosen : chosen_) {
      const std::size_t count = chosen.segment->directory().vectors.size();
      for (std::size_t i = 0; i < count; ++i, ++at) {
        if (blocks[at].ok()) {
          chosen.blocks.push_back(std::move(blocks[at]).value());
          continue;
        }
        if (!request_.allow_partial) return blocks[at].error();
        if (chosen.readable) out_.unreadable.push_back(blocks[at].error().message);
        chosen.readable = false;
      }
      if (!chosen.readable) out_.partial = true;
    }
    std::erase_if(chosen_, [](const Chosen& chosen) { return !chosen.readable; });
    return {};
  }

  [[nodiscard]] static bool in_ranges(const std::vector<NumberRange>& ranges,
                                      std::uint32_t object) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const NumberRange& range) {
      return range.begin <= object && object < range.end;
    });
  }

  // A run of blocks of one segment: the unit of parallel work.
  struct Task {
    std::size_t chosen = 0;
    std::size_t first_block = 0;
    std::size_t last_block = 0;  // one past
    std::vector<Candidate> found;
    std::uint64_t rows = 0;
  };

  void scan() {
    std::vector<Task> tasks;
    for (std::size_t c = 0; c < chosen_.size(); ++c) {
      const std::size_t count = chosen_[c].blocks.size();
      for (std::size_t first = 0; first < count; first += kBlocksPerTask) {
        tasks.push_back({c, first, std::min(count, first + kBlocksPerTask), {}, 0});
      }
    }
    index_.environment().executor.parallel_for(tasks.size(),
                                               [&](std::size_t i) { run_task(tasks[i]); });
    for (Task& task : tasks) {
      out_.trace.rows_scanned += task.rows;
      for (const Candidate& candidate : task.found) add(candidate);
    }
  }

  // Rows of one object follow each other, also across tasks: only the best of them is kept when
  // grouped.
  void add(const Candidate& candidate) {
    if (request_.group_by_object && !candidates_.empty() &&
        candidates_.back().segment == candidate.segment &&
        candidates_.back().object == candidate.object) {
      if (candidate.score > candidates_.back().score) candidates_.back() = candidate;
      return;
    }
    candidates_.push_back(candidate);
  }

  void run_task(Task& task) {
    const Chosen& chosen = chosen_[task.chosen];
    float scores[kVectorBlockRows];
    for (std::size_t b = task.first_block; b < task.last_block; ++b) {
      const auto first_row = static_cast<std::uint32_t>(b * kVectorBlockRows);
      const VectorBlock& block = chosen.blocks[b]->vectors;
      task.rows += block.row_count();
      score_rows(block, scores);
      for (std::uint32_t r = 0; r < block.row_count(); ++r) {
        const std::uint32_t object = block.row(r).object;
        if (chosen.segment->is_dead(object) || !in_ranges(chosen.ranges, object)) continue;
        const Candidate candidate{scores[r], chosen.position, first_row + r, object};
        if (request_.group_by_object && !task.found.empty() && task.found.back().object == object) {
          if (candidate.score > task.found.back().score) task.found.back() = candidate;
        } else {
          task.found.push_back(candidate);
        }
      }
    }
  }

  void score_rows(const VectorBlock& block, float* scores) const {
    const Kernels& simd = kernels();
    if (metric_ == Metric::kL2) {
      for (std::uint32_t r = 0; r < block.row_count(); ++r) {
        scores[r] = -simd.l2_f16(request_.query.data(), block.row(r).values, dimension_);
      }
      return;
    }
    simd.dot_f16_rows(request_.query.data(), block.values(), block.stride(), block.row_count(),
                      dimension_, scores);
  }

  // Candidates become hits in order of score, a batch at a time, until there are k or none is left.
  Status complete() {
    std::size_t done = 0;
    std::size_t batch =
        request_.k + (request_.collapse_equal || request_.accept ? request_.k / 2 + 8 : 0);
    while (out_.hits.size() < request_.k && done < candidates_.size()) {
      const std::size_t end = select(done, batch);
      KEDGE_TRY(hydrate(std::span(candidates_).subspan(done, end - done)));
      done = end;
      batch *= 2;
    }
    return {};
  }

  // Sorts the next `count` candidates into [done, end) and returns end: more than count where
  // scores are equal.
  std::size_t select(std::size_t done, std::size_t count) {
    const auto first = candidates_.begin() + static_cast<std::ptrdiff_t>(done);
    const std::size_t wanted = std::min(count + kMaxTies, candidates_.size() - done);
    std::partial_sort(first, first + static_cast<std::ptrdiff_t>(wanted), candidates_.end(),
                      better);
    std::size_t end = std::min(done + count, candidates_.size());
    while (end < done + wanted && candidates_[end].score == candidates_[end - 1].score) ++end;
    return end;
  }

  // Docs and text pages of a batch in one round.
  Status hydrate(std::span<const Candidate> batch) {
    std::vector<PageWant> wants;
    for (const Candidate& candidate : batch) {
      const Segment& segment = *snapshot_->segments()[candidate.segment];
      const SegmentDirectory& directory = segment.directory();
      wants.push_back(
          {segment.file().get(), directory.docs[candidate.object / kDocsPageObjects], "docs page"});
      // One list a segment: the row and the number of a chunk are the same.
      wants.push_back(
          {segment.file().get(), directory.text[candidate.row / kTextPageChunks], "text page"});
    }
    const std::vector<Result<BlockPtr>> pages =
        index_.reader().read(*snapshot_->head(), wants, &out_.trace, deadline_);
    std::vector<Hit> hits;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Result<BlockPtr>& docs = pages[2 * i];
      const Result<BlockPtr>& text = pages[2 * i + 1];
      if (!docs.ok() || !text.ok()) {
        const Error& error = docs.ok() ? text.error() : docs.error();
        if (!request_.allow_partial) return error;
        out_.partial = true;
        if (out_.unreadable.empty() || out_.unreadable.back() != error.message)
          out_.unreadable.push_back(error.message);
        continue;
      }
      Hit hit = KEDGE_TRY(make_hit(batch[i], (*docs)->bytes, (*text)->bytes));
      if (!request_.accept || request_.accept(hit.object)) hits.push_back(std::move(hit));
    }
    take(std::move(hits));
    return {};
  }

  Result<Hit> make_hit(const Candidate& candidate, const Bytes& docs, const Bytes& text) {
    const Segment& segment = *snapshot_->segments()[candidate.segment];
    const SegmentDirectory& directory = segment.directory();
    Hit hit;
    hit.object = make_live(
        segment, candidate.object,
        KEDGE_TRY(parse_docs_entry(docs, candidate.object % kDocsPageObjects, directory)));
    const std::uint32_t first = candidate.row / kTextPageChunks * kTextPageChunks;
    std::vector<TextEntry> entries = KEDGE_TRY(parse_text_page(text, first, directory));
    TextEntry& entry = entries[candidate.row - first];
    if (entry.row != candidate.row || candidate.row < hit.object.first_chunk ||
        candidate.row >= hit.object.first_chunk + hit.object.chunk_count) {
      return {Code::kCorrupt, str_cat(segment.file()->key, ": row ", candidate.row,
                                      " is not a chunk of its object")};
    }
    hit.chunk = std::move(entry.chunk);
    hit.chunk_number = candidate.row - hit.object.first_chunk;
    hit.score = candidate.score;
    hit.distance = metric_ == Metric::kCosine ? 1 - candidate.score : -candidate.score;
    return hit;
  }

  void take(std::vector<Hit> hits) {
    std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
      if (a.score != b.score) return a.score > b.score;
      if (a.object.row.source != b.object.row.source)
        return a.object.row.source < b.object.row.source;
      if (a.object.row.key != b.object.row.key) return a.object.row.key < b.object.row.key;
      return a.chunk_number < b.chunk_number;
    });
    for (Hit& hit : hits) {
      if (out_.hits.size() == request_.k) return;
      if (request_.collapse_equal && !shown_.insert(hit.chunk.chunk_hash).second) continue;
      out_.hits.push_back(std::move(hit));
    }
  }

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  const SearchRequest& request_;
  Deadline deadline_;
  Metric metric_ = Metric::kCosine;
  std::size_t dimension_ = 0;
  std::vector<Chosen> chosen_;
  std::vector<Candidate> candidates_;
  std::set<Id128> shown_;
  SearchResult out_;
};

}  // namespace

Result<SearchResult> IndexImpl::search(const SnapshotPtr& snapshot, const SearchRequest& request,
                                       Deadline deadline) {
  return Query(*this, snapshot, request, deadline).run();
}

}  // namespace kedge
