// A search: which segments and objects are in scope, the nearest of their rows by codes (probe.cc)
// or exactly (scan.cc), and the docs and text pages that make hits of them. What is in the cache
// costs no round. For search.cc alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "engine/few_objects.h"
#include "engine/filter_eval.h"
#include "engine/index_impl.h"
#include "engine/lookup.h"
#include "engine/probe.h"
#include "engine/scan.h"

namespace kedge {

class Query {
 public:
  Query(IndexImpl& index, SnapshotPtr snapshot, const SearchRequest& request, Deadline deadline)
      : index_(index), snapshot_(std::move(snapshot)), request_(request), deadline_(deadline) {}

  // What comes before any row is looked at. The first step.
  Status prepare() {
    began_ = index_.environment().clock.monotonic();
    KEDGE_TRY(check());
    KEDGE_TRY(choose_segments());
    out_.trace.segments = segments_.size();
    return {};
  }

  // Whether run() begins with a search by codes: job(), whose result set_probe() takes.
  [[nodiscard]] bool by_codes() const {
    return !request_.exact && rows_ > index_.options().few_rows && !few_objects_;
  }
  ProbeJob job() {
    ProbeJob out;
    out.segments = segments_;
    out.plan = plan_of(first_count(), share_);
    out.scratch = index_.scratch().take(snapshot_->rotation(request_.space), space_->metric);
    out.trace = &out_.trace;
    return out;
  }
  void set_probe(ProbeResult found) { probed_ = std::move(found); }

  // Once, after prepare().
  Result<SearchResult> run() {
    std::size_t count = first_count();
    double share = share_;
    while (true) {
      KEDGE_TRY(find_rows(count, share));
      if (!enough_) {
        share /= 2;
        continue;
      }
      KEDGE_TRY(take_hits(count));
      if (out_.hits.size() == request_.k || all_) break;
      // Too few, and there may be more: once more, among more rows in more lists.
      count *= 4;
      share /= 4;
      out_.hits.clear();
      shown_.clear();
    }
    const Duration took = index_.environment().clock.monotonic() - began_;
    out_.trace.seconds = std::chrono::duration<double>(took).count();
    return std::move(out_);
  }

 private:
  // A row with its pages read.
  struct Item {
    RowHit row;
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
    if (!(request_.recall > 0 && request_.recall <= 1))
      return {Code::kInvalid, "recall is not above 0 and at most 1"};
    if (request_.detail != Detail::kChunk && request_.collapse_equal)
      return {Code::kInvalid, "copies are told by the hashes of chunks, which were not asked for"};
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
  Status choose_segments() {
    std::vector<ScanSegment> chosen = KEDGE_TRY(segments_in_scope());
    std::uint64_t objects = 0;
    for (const SegmentPtr& segment : snapshot_->segments()) {
      const SegmentEntry& entry = segment->entry();
      if (entry.space == request_.space && entry.rows > 0 && !segment->damage())
        objects += entry.objects - entry.dead_objects();
    }
    if (request_.filter) chosen = KEDGE_TRY(apply_filter(std::move(chosen)));
    std::uint64_t in_scope = 0;
    for (const ScanSegment& segment : chosen) {
      rows_ += segment.segment->directory().rows;
      in_scope += segment.in_scope;
    }
    if (objects > 0) share_ = static_cast<double>(in_scope) / static_cast<double>(objects);
    few_objects_ =
        rows_ > index_.options().few_rows && in_scope < objects && in_scope <= kFewObjects;
    segments_ = std::move(chosen);
    return {};
  }

  Result<std::vector<ScanSegment>> segments_in_scope() {
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
      for (const SegmentPtr& segment : segments) chosen.push_back(whole_segment(segment));
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
        if (!(*ranges)[i].empty())
          chosen.push_back(part_of_segment(some[i], std::move((*ranges)[i])));
      }
    }
    return chosen;
  }

  // What the filter holds of: segments where it holds of nothing are left out.
  Result<std::vector<ScanSegment>> apply_filter(std::vector<ScanSegment> chosen) {
    std::vector<ScanSegment> out;
    const std::size_t step = request_.allow_partial ? 1 : std::max<std::size_t>(chosen.size(), 1);
    for (std::size_t first = 0; first < chosen.size(); first += step) {
      const auto some = std::span(chosen).subspan(first, step);
      std::vector<SegmentPtr> segments;
      for (const ScanSegment& segment : some) segments.push_back(segment.segment);
      const auto found = matching(index_.reader(), *snapshot_->head(), snapshot_->state().sources,
                                  segments, *request_.filter, &out_.trace, deadline_);
      if (!found.ok()) {
        if (found.code() == Code::kInvalid) return found.error();
        KEDGE_TRY(leave_out(found.error()));
        continue;
      }
      for (std::size_t i = 0; i < some.size(); ++i) {
        ObjectBitmap scope((*found)[i].size());
        for (const NumberRange& range : some[i].ranges) scope.add({range.begin, range.end});
        scope.intersect((*found)[i]);
        ScanSegment segment = objects_of_segment(some[i].segment, scope);
        if (segment.in_scope > 0) out.push_back(std::move(segment));
      }
    }
    return out;
  }

  // Some of the best may be copies or not wanted: a few more are looked for.
  [[nodiscard]] std::size_t first_count() const {
    const bool more = request_.collapse_equal || request_.accept;
    return request_.k + (more ? request_.k / 4 + 2 : 0);
  }

  [[nodiscard]] ProbePlan plan_of(std::size_t count, double share) const {
    return {.vector = query_,
            .space = space_,
            .space_id = request_.space,
            .want = count,
            .by_object = request_.group_by_object,
            .probes = request_.probes,
            .rerank = request_.rerank,
            .recall = static_cast<std::uint32_t>(request_.recall * 1000),
            .docs = request_.detail != Detail::kRow,
            .texts = request_.detail == Detail::kChunk,
            .share = share};
  }

  ProbeResult probe(const ProbePlan& plan) {
    std::unique_ptr<ProbeScratch> scratch =
        index_.scratch().take(snapshot_->rotation(request_.space), space_->metric);
    ProbeResult found = probe_segments(index_.reader(), *snapshot_, segments_, plan, *scratch,
                                       &out_.trace, deadline_);
    index_.scratch().give(std::move(scratch));
    return found;
  }

  // Fills pool_ with the nearest `count` rows or more, all_ if that is every row in scope.
  Status find_rows(std::size_t count, double share) {
    std::vector<Error> errors;
    const ExactScan query{
        .vector = query_, .space = *space_, .by_object = request_.group_by_object};
    std::optional<ScanResult> exact;
    if (few_objects_) {
      exact = scan_few_objects(index_.reader(), *snapshot_->head(), segments_, query, &out_.trace,
                               deadline_);
      few_objects_ = exact.has_value();
    }
    if (!exact && !by_codes())
      exact = scan_segments(index_.reader(), index_.environment().executor, *snapshot_->head(),
                            segments_, query, &out_.trace, deadline_);
    if (exact) {
      pool_ = std::move(exact->rows);
      errors = std::move(exact->errors);
      all_ = true;
      enough_ = true;
      out_.exact = true;
    } else {
      ProbeResult found =
          probed_ ? *std::exchange(probed_, std::nullopt) : probe(plan_of(count, share));
      pool_ = std::move(found.rows);
      errors = std::move(found.errors);
      all_ = found.all;
      enough_ = found.enough;
      out_.exact = found.exact;
    }
    for (const Error& error : errors) KEDGE_TRY(leave_out(error));
    return {};
  }

  Status take_hits(std::size_t count) {
    if (request_.detail == Detail::kRow) {
      std::sort(pool_.begin(), pool_.end());
      for (const RowHit& row : pool_) {
        if (out_.hits.size() == request_.k) break;
        Hit& hit = out_.hits.emplace_back();
        hit.object.segment = segments_[row.segment].segment->id();
        hit.object.number = row.object;
        set_distance(hit, row);
      }
      return {};
    }
    // The rest only where they are needed: by codes, most of their pages were read ahead.
    if (by_codes()) count = request_.k;
    while (out_.hits.size() < request_.k && !pool_.empty()) {
      KEDGE_TRY(take_best(count));
      count *= 2;
    }
    return {};
  }

  void set_distance(Hit& hit, const RowHit& row) const {
    hit.chunk_number = row.chunk;
    hit.distance = row.distance;
    hit.score = space_->metric == Metric::kCosine ? 1 - row.distance : -row.distance;
  }

  // Takes the next `count` of the pool, in order, and makes hits of them.
  Status take_best(std::size_t count) {
    const std::vector<RowHit> batch = take_nearest(pool_, count);
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
        pool_.push_back(items[i].row);
        continue;
      }
      if (!items[i].wanted || out_.hits.size() == request_.k) continue;
      if (request_.collapse_equal && !shown_.insert(items[i].hit.chunk.chunk_hash).second) continue;
      out_.hits.push_back(std::move(items[i].hit));
    }
    return {};
  }

  [[nodiscard]] bool needs_text(const RowHit& row) const {
    return request_.detail == Detail::kChunk || row.begin == kUnknownBegin;
  }

  // Docs and text pages of a batch in one round; on a tree the docs page tells which text page it
  // is, and that costs one more.
  Result<std::vector<Item>> read_items(const std::vector<RowHit>& batch) {
    std::vector<PageWant> wants;
    for (const RowHit& row : batch) {
      const Segment& segment = *segments_[row.segment].segment;
      wants.push_back(docs_want(segment, row.object / kDocsPageObjects));
    }
    for (const RowHit& row : batch) {
      const Segment& segment = *segments_[row.segment].segment;
      if (needs_text(row) && segment.directory().rows_are_chunks())
        wants.push_back(text_want(segment, row.row / kTextPageChunks));
    }
    const std::vector<Result<BlockPtr>> pages = read(wants);
    std::vector<Item> items;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Result<Item> item =
          pages[i].ok() ? make_item(batch[i], **pages[i]) : Result<Item>(pages[i].error());
      if (item.ok()) {
        items.push_back(*std::move(item));
      } else {
        KEDGE_TRY(leave_out(item.error()));
      }
    }
    return add_chunks(std::move(items));
  }

  std::vector<Result<BlockPtr>> read(std::span<const PageWant> wants) {
    return index_.reader().read(*snapshot_->head(), wants, &out_.trace, deadline_);
  }

  static std::uint32_t chunk_of(const Item& item) {
    return item.hit.object.first_chunk + item.hit.chunk_number;
  }

  Result<std::vector<Item>> add_chunks(std::vector<Item> items) {
    std::vector<PageWant> wants;
    std::vector<std::size_t> of;  // of each page its item
    for (std::size_t i = 0; i < items.size(); ++i) {
      Item& item = items[i];
      if (needs_text(item.row)) {
        of.push_back(i);
        wants.push_back(
            text_want(*segments_[item.row.segment].segment, chunk_of(item) / kTextPageChunks));
      } else {
        item.hit.chunk.begin = item.row.begin;
        item.hit.chunk.end = item.row.begin + item.row.length;
      }
    }
    const std::vector<Result<BlockPtr>> pages = read(wants);
    std::vector<Status> done(items.size());
    // Page by page: parsed, one is many times larger than what is wanted of it.
    std::vector<std::size_t> order(of.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const auto place = [&](std::size_t n) {
        return std::tuple(items[of[n]].row.segment, wants[n].page.offset, n);
      };
      return place(a) < place(b);
    });
    TextPage parsed;
    for (const std::size_t n : order) {
      done[of[n]] =
          pages[n].ok() ? take_chunk(items[of[n]], **pages[n], parsed) : Status(pages[n].error());
    }
    std::vector<Item> out;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (done[i].ok()) {
        out.push_back(std::move(items[i]));
      } else {
        KEDGE_TRY(leave_out(done[i].error()));
      }
    }
    return out;
  }

  // The one that was parsed last.
  struct TextPage {
    const Block* block = nullptr;
    std::vector<TextEntry> entries;
  };

  Status take_chunk(Item& item, const Block& text, TextPage& parsed) {
    const Segment& segment = *segments_[item.row.segment].segment;
    const std::uint32_t chunk = chunk_of(item);
    const std::uint32_t first = chunk / kTextPageChunks * kTextPageChunks;
    if (parsed.block != &text) {
      parsed = {};
      auto entries = parse_text_page(text.bytes, first, segment.directory());
      if (!entries.ok()) return named(segment, entries.error());
      parsed = {&text, *std::move(entries)};
    }
    const TextEntry& entry = parsed.entries[chunk - first];
    if (entry.row != item.row.row) {
      return named(segment, {Code::kCorrupt, str_cat("row ", item.row.row,
                                                     " is not that of a chunk of its object")});
    }
    item.hit.chunk = entry.chunk;
    return {};
  }

  static Error named(const Segment& segment, const Error& error) {
    return {error.code, str_cat(segment.file()->key, ": ", error.message)};
  }

  Result<Item> make_item(const RowHit& row, const Block& docs) {
    const Segment& segment = *segments_[row.segment].segment;
    auto entry = parse_docs_entry(docs.bytes, row.object % kDocsPageObjects, segment.directory());
    if (!entry.ok()) return named(segment, entry.error());
    if (row.chunk >= entry->chunk_count) {
      return named(segment, {Code::kCorrupt,
                             str_cat("row ", row.row, " is not that of a chunk of its object")});
    }
    Item item;
    item.row = row;
    item.hit.object = make_live(segment, row.object, *std::move(entry));
    set_distance(item.hit, row);
    // Rows of a source that the index does not name any more are dead.
    item.wanted = snapshot_->source(item.hit.object.row.source) != nullptr &&
                  (!request_.accept || request_.accept(item.hit.object));
    return item;
  }

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  const SearchRequest& request_;
  Deadline deadline_;
  Duration began_{0};
  std::optional<ProbeResult> probed_;  // of the first search by codes, where it was made already
  const Space* space_ = nullptr;
  std::vector<float> query_;
  std::vector<ScanSegment> segments_;
  double share_ = 1;          // of the objects, that are in scope
  bool few_objects_ = false;  // in scope, of many
  std::uint64_t rows_ = 0;    // of the segments
  std::vector<RowHit> pool_;  // not looked at yet
  bool all_ = false;          // there are no others
  bool enough_ = false;       // ProbeResult::enough
  std::set<Id128> shown_;
  SearchResult out_;
};

}  // namespace kedge
