// Exact search: every live row of the space is scanned (scan.cc). Round A reads the vector blocks,
// round B the docs and text pages of the best candidates; a filter by key costs one round before.
// What is in the cache costs no round.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/lookup.h"
#include "engine/scan.h"

namespace kedge {
namespace {

class Query {
 public:
  Query(IndexImpl& index, SnapshotPtr snapshot, const SearchRequest& request, Deadline deadline)
      : index_(index), snapshot_(std::move(snapshot)), request_(request), deadline_(deadline) {}

  Result<SearchResult> run() {
    Clock& clock = index_.environment().clock;
    const Duration began = clock.monotonic();
    KEDGE_TRY(check());
    std::vector<ScanSegment> segments = KEDGE_TRY(choose_segments());
    out_.trace.segments = segments.size();
    KEDGE_TRY(scan(std::move(segments)));
    // Some of the best may be copies or not wanted: a few more are looked at in the same round.
    std::size_t count = request_.k;
    if (request_.collapse_equal || request_.accept) count += request_.k / 2 + 8;
    while (out_.hits.size() < request_.k && !pool_.empty()) {
      KEDGE_TRY(take_best(count));
      count *= 2;
    }
    out_.trace.seconds = std::chrono::duration<double>(clock.monotonic() - began).count();
    return std::move(out_);
  }

 private:
  // A candidate with its pages read.
  struct Item {
    ScanCandidate candidate;
    Hit hit;
    bool wanted = true;
  };

  Status check() {
    space_ = snapshot_->space(request_.space);
    if (space_ == nullptr) return {Code::kNotFound, "the index has no such space"};
    if (request_.query.size() != space_->dimension) {
      return {Code::kInvalid, str_cat("the query has ", request_.query.size(),
                                      " dimensions, the space ", space_->dimension)};
    }
    double norm = 0;
    for (const float value : request_.query) norm += double{value} * double{value};
    // A sum that f32 cannot hold would make infinities of distances.
    if (!std::isfinite(static_cast<float>(norm)))
      return {Code::kInvalid, "the query holds NaN or infinity, or is too large"};
    if (request_.k == 0 || request_.k > kMaxHits)
      return {Code::kInvalid, str_cat("k is ", request_.k, ", not 1 to ", kMaxHits)};
    query_ = request_.query;
    if (space_->metric != Metric::kCosine) return {};
    if (norm == 0) return {Code::kInvalid, "the query is zero, which has no direction"};
    if (std::abs(norm - 1) > 1e-4) {
      for (float& value : query_) value = static_cast<float>(double{value} / std::sqrt(norm));
    }
    return {};
  }

  // kExpired ends a search whatever it allows: another generation is to be asked.
  Status leave_out(const Error& error) {
    if (!request_.allow_partial || error.code == Code::kExpired) return error;
    out_.partial = true;
    const bool told = std::find(out_.unreadable.begin(), out_.unreadable.end(), error.message) !=
                      out_.unreadable.end();
    if (!told) out_.unreadable.push_back(error.message);
    return {};
  }

  // The segments of the space with what of each is in the scope of the filter.
  Result<std::vector<ScanSegment>> choose_segments() {
    std::vector<SegmentPtr> segments;
    for (const SegmentPtr& segment : snapshot_->segments()) {
      if (segment->entry().space != request_.space || segment->entry().rows == 0) continue;
      if (segment->damage()) {
        KEDGE_TRY(leave_out(*segment->damage()));
      } else {
        segments.push_back(segment);
      }
    }
    std::vector<ScanSegment> chosen;
    if (!request_.source && request_.key_prefix.empty()) {
      for (const SegmentPtr& segment : segments)
        chosen.push_back({segment, {{0, segment->directory().objects}}});
      return chosen;
    }
    std::vector<KeyRange> scope;
    for (const SourceEntry& source : snapshot_->state().sources) {
      if (!request_.source || *request_.source == source.number)
        scope.push_back(range_of(source.number, request_.key_prefix));
    }
    // One by one where some may be left out, so that one bad page costs one segment.
    const std::size_t step = request_.allow_partial ? 1 : std::max<std::size_t>(segments.size(), 1);
    for (std::size_t first = 0; first < segments.size(); first += step) {
      const auto some = std::span(segments).subspan(first, step);
      auto ranges =
          number_ranges(index_.reader(), *snapshot_->head(), some, scope, &out_.trace, deadline_);
      if (!ranges.ok()) {
        KEDGE_TRY(leave_out(ranges.error()));
        continue;
      }
      for (std::size_t i = 0; i < some.size(); ++i) {
        if (!(*ranges)[i].empty()) chosen.push_back({some[i], std::move((*ranges)[i])});
      }
    }
    return chosen;
  }

  Status scan(std::vector<ScanSegment> segments) {
    segments_ = std::move(segments);
    const ScanQuery query{
        .vector = query_, .space = *space_, .by_object = request_.group_by_object};
    ScanResult found = scan_segments(index_.reader(), index_.environment().executor,
                                     *snapshot_->head(), segments_, query, &out_.trace, deadline_);
    for (const Error& error : found.errors) KEDGE_TRY(leave_out(error));
    pool_ = std::move(found.candidates);
    return {};
  }

  // Takes the next `count` of the pool, in order, and makes hits of them.
  Status take_best(std::size_t count) {
    const std::vector<ScanCandidate> batch = take_batch(count);
    std::vector<Item> items = KEDGE_TRY(read_items(batch));
    // Of more than `count` only so many are sure to be the next by key.
    const std::size_t left_out = batch.size() - items.size();
    const std::size_t sure =
        batch.size() <= count ? items.size() : count - std::min(count, left_out);
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
      const ObjectRow& left = a.hit.object.row;
      const ObjectRow& right = b.hit.object.row;
      return std::tie(a.hit.distance, left.source, left.key, a.hit.chunk_number) <
             std::tie(b.hit.distance, right.source, right.key, b.hit.chunk_number);
    });
    for (std::size_t i = 0; i < items.size(); ++i) {
      // What was read only to break ties goes back.
      if (i >= sure) {
        pool_.push_back(items[i].candidate);
        continue;
      }
      if (!items[i].wanted || out_.hits.size() == request_.k) continue;
      if (request_.collapse_equal && !shown_.insert(items[i].hit.chunk.chunk_hash).second) continue;
      out_.hits.push_back(std::move(items[i].hit));
    }
    return {};
  }

  // Moves the best `count` out of the pool, and of those that are as good as the last of them as
  // many of each segment as could be among the best by key: rows of a segment are in key order.
  std::vector<ScanCandidate> take_batch(std::size_t count) {
    if (pool_.size() <= count) return std::exchange(pool_, {});
    const auto nearer = [](const ScanCandidate& a, const ScanCandidate& b) {
      return a.distance < b.distance;
    };
    const auto last = pool_.begin() + static_cast<std::ptrdiff_t>(count - 1);
    std::nth_element(pool_.begin(), last, pool_.end(), nearer);
    const float limit = last->distance;
    const auto ties = std::partition(pool_.begin(), pool_.end(),
                                     [&](const ScanCandidate& c) { return c.distance < limit; });
    const auto worse = std::partition(ties, pool_.end(),
                                      [&](const ScanCandidate& c) { return c.distance == limit; });
    std::sort(ties, worse, [](const ScanCandidate& a, const ScanCandidate& b) {
      return std::tie(a.segment, a.row) < std::tie(b.segment, b.row);
    });
    const std::size_t open = count - static_cast<std::size_t>(ties - pool_.begin());
    std::vector<ScanCandidate> batch(pool_.begin(), ties);
    std::vector<ScanCandidate> rest(worse, pool_.end());
    std::size_t of_segment = 0;
    for (auto tie = ties; tie != worse; ++tie) {
      of_segment = tie != ties && (tie - 1)->segment == tie->segment ? of_segment + 1 : 0;
      (of_segment < open ? batch : rest).push_back(*tie);
    }
    pool_ = std::move(rest);
    return batch;
  }

  // Docs and text pages of a batch in one round.
  Result<std::vector<Item>> read_items(const std::vector<ScanCandidate>& batch) {
    std::vector<PageWant> wants;
    for (const ScanCandidate& candidate : batch) {
      const Segment& segment = *segments_[candidate.segment].segment;
      wants.push_back(docs_want(segment, candidate.object / kDocsPageObjects));
      // One list a segment: the row and the number of a chunk are the same.
      wants.push_back(text_want(segment, candidate.row / kTextPageChunks));
    }
    const std::vector<Result<BlockPtr>> pages =
        index_.reader().read(*snapshot_->head(), wants, &out_.trace, deadline_);
    TextPages texts;
    std::vector<Item> items;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Result<BlockPtr>& docs = pages[2 * i];
      const Result<BlockPtr>& text = pages[2 * i + 1];
      Result<Item> item = !docs.ok()   ? Result<Item>(docs.error())
                          : !text.ok() ? Result<Item>(text.error())
                                       : make_item(batch[i], **docs, **text, texts);
      if (item.ok()) {
        items.push_back(*std::move(item));
      } else {
        KEDGE_TRY(leave_out(item.error()));
      }
    }
    return items;
  }

  using TextPages = std::map<const Block*, std::vector<TextEntry>>;  // parsed once a batch

  Result<Item> make_item(const ScanCandidate& candidate, const Block& docs, const Block& text,
                         TextPages& texts) {
    const Segment& segment = *segments_[candidate.segment].segment;
    const SegmentDirectory& directory = segment.directory();
    const auto named = [&](const Error& error) {
      return Error{error.code, str_cat(segment.file()->key, ": ", error.message)};
    };
    auto entry = parse_docs_entry(docs.bytes, candidate.object % kDocsPageObjects, directory);
    if (!entry.ok()) return named(entry.error());
    const std::uint32_t first = candidate.row / kTextPageChunks * kTextPageChunks;
    auto page = texts.find(&text);
    if (page == texts.end()) {
      auto parsed = parse_text_page(text.bytes, first, directory);
      if (!parsed.ok()) return named(parsed.error());
      page = texts.emplace(&text, *std::move(parsed)).first;
    }
    const TextEntry& chunk = page->second[candidate.row - first];
    if (chunk.row != candidate.row || candidate.row < entry->first_chunk ||
        candidate.row - entry->first_chunk >= entry->chunk_count) {
      return named({Code::kCorrupt,
                    str_cat("row ", candidate.row, " is not that of a chunk of its object")});
    }
    Item item;
    item.candidate = candidate;
    item.hit.object = make_live(segment, candidate.object, *std::move(entry));
    item.hit.chunk = chunk.chunk;
    item.hit.chunk_number = candidate.row - item.hit.object.first_chunk;
    item.hit.distance = candidate.distance;
    item.hit.score =
        space_->metric == Metric::kCosine ? 1 - candidate.distance : -candidate.distance;
    // Rows of a source that the index does not name any more are dead.
    item.wanted = snapshot_->source(item.hit.object.row.source) != nullptr &&
                  (!request_.accept || request_.accept(item.hit.object));
    return item;
  }

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  const SearchRequest& request_;
  Deadline deadline_;
  const Space* space_ = nullptr;
  std::vector<float> query_;
  std::vector<ScanSegment> segments_;
  std::vector<ScanCandidate> pool_;  // not looked at yet
  std::set<Id128> shown_;
  SearchResult out_;
};

}  // namespace

Result<SearchResult> IndexImpl::search(const SnapshotPtr& snapshot, const SearchRequest& request,
                                       Deadline deadline) {
  return Query(*this, snapshot, request, deadline).run();
}

}  // namespace kedge
