// The steps of one search by codes: probe.cc takes one search through them, probe_together.cc
// several at once.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/few_objects.h"
#include "engine/probe.h"
#include "engine/probe_units.h"
#include "simd/kernels.h"

namespace kedge {

// Standard deviations below its estimate at which a row is given up: of rows that belong to the
// result fewer than one in a hundred lies there, and calibration counts them.
inline constexpr float kBoundFactor = 2.2F;
// Of the rows in scope expected in the nearest lists: with fewer they lie elsewhere, or by chance.
inline constexpr double kEnough = 0.75;
inline constexpr std::uint32_t kStepRows = ProbeScratch::kHits;
// The same above its estimate, where rows wait for refine rows: what is within it of the best is
// read with them. All estimates together are too high, so that it need not be far.
inline constexpr float kAboveFactor = 0.5F;
// And for the docs pages that are read in the same round: of at most so many rows, those that may
// well be among the best.
inline constexpr float kDocsFactor = 1.75F;
inline constexpr std::size_t kDocsAhead = 128;
// Of a list in memory, while the one before is scanned.
inline constexpr std::size_t kFetchedBytes = 5120;
// Rows a search may take to the refine round when their codes cannot tell them apart.
inline constexpr std::size_t kMaxRefined = 4096;

// A hit of the scan that waits for its refine row.
struct WaitingRow {
  float distance = 0;
  float bound = 0;
  float dot = 0;
  float add = 0;  // of the list
  RowHit hit;
};

class Probe {
 public:
  // `together`: so many share a window of what is read.
  Probe(PageReader& reader, const Snapshot& snapshot, std::span<const ScanSegment> segments,
        const ProbePlan& plan, ProbeScratch& scratch, SearchTrace* trace, Deadline deadline,
        std::size_t together = 1)
      : reader_(reader),
        snapshot_(snapshot),
        segments_(segments),
        plan_(plan),
        scratch_(scratch),
        trace_(trace),
        deadline_(deadline),
        simd_(kernels()),
        padded_(padded_dimension(plan.space->dimension)),
        window_bytes_(reader.window_bytes() / together) {}

  ProbeResult run() {
    begin();
    if (in_memory()) {
      for (std::size_t u = 0; u < chosen_.units.size(); ++u) {
        if (u + 1 < chosen_.units.size()) fetch_begin(chosen_.units[u + 1]);
        scan_in_place(chosen_.units[u]);
      }
    } else {
      while (wants_codes()) take_codes(read(codes_wanted()));
      while (wants_refine()) take_refine(read(refine_wanted()));
    }
    return end();
  }

  // ---- the steps of run(), for who takes several searches through them together

  void begin() {
    failed_.resize(segments_.size());
    scratch_.query.set(plan_.vector.data());
    chosen_ = choose_units(snapshot_, segments_, plan_, padded_, scratch_);
    out_.all = chosen_.all;
    const std::size_t kept = std::max<std::size_t>(plan_.want, chosen_.rerank);
    scratch_.top.reset(kept, plan_.by_object);
    if (!in_memory()) upper_.reset(kept, plan_.by_object);
  }

  // All planes of codes and refine rows that it needs are whole in memory.
  [[nodiscard]] bool in_memory() const {
    return std::all_of(segments_.begin(), segments_.end(),
                       [](const ScanSegment& s) { return s.segment->file()->codes_in_memory(); });
  }

  // The lists, those that are nearest first.
  [[nodiscard]] std::span<const ProbeUnit> units() const { return chosen_.units; }
  [[nodiscard]] const Segment& segment_of(const ProbeUnit& unit) const {
    return *segments_[unit.segment].segment;
  }

  void scan_in_place(const ProbeUnit& unit) {
    const ScanSegment& segment = segments_[unit.segment];
    const SegmentFile& file = *segment.segment->file();
    const ListRef& list = file.directory.lists[unit.list];
    const std::byte* run = file.image(Plane::kCodes)->at(list.offset);
    const std::byte* blocks = run + 2 * std::size_t{padded_};
    count_in_scope(unit, blocks, list.rows);
    float distance = 0;
    const float add =
        scratch_.query.list_add(reinterpret_cast<const std::uint16_t*>(run), &distance);
    const ScanQuery query = scratch_.query.for_list(add, distance, kBoundFactor);
    for (std::uint32_t first = 0; first < list.rows; first += kStepRows) {
      const std::size_t count =
          scan_step(segment, blocks, first, list.rows, query, scratch_.top.limit());
      refine_in_place(unit, list, blocks, count, add);
    }
  }

  // Round A: the codes of all lists, or of as many as a window has room for; hits wait for their
  // refine rows.
  [[nodiscard]] bool wants_codes() const { return scanned_ < chosen_.units.size(); }
  [[nodiscard]] std::vector<PageWant> codes_wanted() const {
    std::vector<PageWant> wants;
    std::uint64_t bytes = 0;
    for (std::size_t u = scanned_; u < chosen_.units.size(); ++u) {
      wants.push_back(codes_want(segment_of(chosen_.units[u]), chosen_.units[u].list));
      bytes += wants.back().page.size;
      if (bytes > window_bytes_ && wants.size() > 1) {
        wants.pop_back();
        break;
      }
    }
    return wants;
  }
  // What codes_wanted() asked for.
  void take_codes(std::span<const Result<BlockPtr>> runs) {
    for (const Result<BlockPtr>& run : runs) {
      const ProbeUnit& unit = chosen_.units[scanned_++];
      if (run.ok()) {
        scan_run(unit, (*run)->codes);
      } else {
        fail(unit.segment, run.error());
      }
    }
    keep_best_waiting();
  }

  // Of the rows that wait, in order, those that may still be among the best.
  void keep_best_waiting() {
    const float limit = upper_.limit();
    std::erase_if(waiting_, [&](const WaitingRow& w) {
      return failed_[w.hit.segment].has_value() || !(w.bound < limit);
    });
    if (waiting_.size() > kMaxRefined) {
      std::nth_element(
          waiting_.begin(), waiting_.begin() + kMaxRefined, waiting_.end(),
          [](const WaitingRow& a, const WaitingRow& b) { return a.distance < b.distance; });
      waiting_.resize(kMaxRefined);
    }
    std::sort(waiting_.begin(), waiting_.end(), [](const WaitingRow& a, const WaitingRow& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.hit < b.hit;
    });
  }

  // Round B: refine blocks of what is left, and beside the first of them the docs pages of the
  // best.
  [[nodiscard]] bool wants_refine() const { return refined_ < waiting_.size(); }
  [[nodiscard]] std::vector<PageWant> refine_wanted() const {
    std::vector<PageWant> wants;
    const std::size_t end = refine_end();
    for (std::size_t i = refined_; i < end; ++i) {
      const RowHit& hit = waiting_[i].hit;
      wants.push_back(refine_want(*segments_[hit.segment].segment, hit.row / kCodeBlockRows));
    }
    if (refined_ > 0) return wants;
    for (const std::size_t i : docs_ahead()) {
      const RowHit& hit = waiting_[i].hit;
      const Segment& segment = *segments_[hit.segment].segment;
      wants.push_back(docs_want(segment, hit.object / kDocsPageObjects));
      if (!plan_.texts) continue;
      if (segment.directory().rows_are_chunks()) {
        wants.push_back(text_want(segment, hit.row / kTextPageChunks));
      } else if (segment.directory().objects == segment.directory().rows) {
        // Most likely of one chunk each: then an object's number is its chunk's.
        wants.push_back(text_want(segment, hit.object / kTextPageChunks));
      }
    }
    return wants;
  }
  // Of the rows that wait: as many as are wanted by their estimates, and those that may take the
  // place of the last of these.
  [[nodiscard]] std::vector<std::size_t> docs_ahead() const {
    std::vector<std::size_t> out;
    if (!plan_.docs || waiting_.empty()) return out;
    const float last = waiting_[std::min(waiting_.size(), plan_.want) - 1].distance;
    const std::size_t most = std::max(kDocsAhead, plan_.want);
    for (std::size_t i = 0; i < waiting_.size() && out.size() < most; ++i) {
      const WaitingRow& w = waiting_[i];
      if (w.distance - kDocsFactor / kBoundFactor * (w.distance - w.bound) <= last)
        out.push_back(i);
    }
    return out;
  }
  // What refine_wanted() asked for.
  void take_refine(std::span<const Result<BlockPtr>> blocks) {
    const std::size_t first = refined_;
    refined_ = refine_end();
    for (std::size_t i = first; i < refined_; ++i) {
      const WaitingRow& w = waiting_[i];
      const Result<BlockPtr>& block = blocks[i - first];
      if (!block.ok()) {
        fail(w.hit.segment, block.error());
        continue;
      }
      const std::byte* row =
          (*block)->bytes.data() + w.hit.row % kCodeBlockRows * refine_row_bytes(padded_);
      ScanHit scanned;
      scanned.dot = w.dot;
      take_refined(scanned, w.hit.segment, w.hit.row, w.hit.object, row, w.add);
    }
  }

  ProbeResult end() {
    scratch_.top.take(scratch_.found);
    finish();
    return std::move(out_);
  }

 private:
  // ---- what both ways share

  // Under a filter: how many rows in its scope the lists hold.
  void count_in_scope(const ProbeUnit& unit, const std::byte* blocks, std::uint32_t rows) {
    if (!unit.ranked || plan_.share >= 1) return;
    const std::uint64_t* excluded = segments_[unit.segment].excluded;
    for (std::uint32_t row = 0; row < rows; ++row) {
      const std::uint32_t object = object_of(blocks, row);
      in_scope_ += ~(excluded[object / 64] >> (object % 64)) & 1;
    }
  }

  // Scans rows [first, first + kStepRows) of the list; hits are in scratch_.hits, those that are
  // excluded taken out.
  std::size_t scan_step(const ScanSegment& segment, const std::byte* blocks, std::uint32_t first,
                        std::uint32_t rows, const ScanQuery& query, float limit) {
    const std::byte* at = blocks + first / kCodeBlockRows * code_block_bytes(padded_);
    const std::size_t found =
        simd_.scan_codes(at, std::min(kStepRows, rows - first), query, limit, scratch_.hits.data());
    if (trace_ != nullptr) trace_->rows_scanned += std::min(kStepRows, rows - first);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < found; ++i) {
      ScanHit hit = scratch_.hits[i];
      const std::uint32_t object = object_of(at, hit.row);
      if ((segment.excluded[object / 64] >> (object % 64) & 1) != 0) continue;
      hit.row += first;
      scratch_.hits[kept++] = hit;
    }
    return kept;
  }

  [[nodiscard]] std::uint32_t object_of(const std::byte* blocks, std::uint32_t row) const {
    const std::byte* at = blocks + row / kCodeBlockRows * code_block_bytes(padded_) +
                          4 * std::size_t{padded_} + 256 + 4 * std::size_t{row % kCodeBlockRows};
    std::uint32_t object = 0;
    std::memcpy(&object, at, sizeof object);
    return object;
  }

  void take_refined(const ScanHit& scanned, std::uint32_t segment, std::uint32_t row,
                    std::uint32_t object, const std::byte* refine_bytes, float add) {
    const RefineRow refine = refine_row(refine_bytes);
    RowHit hit;
    hit.distance =
        scratch_.query.refine(scanned.dot, refine.extra, refine.add, refine.rescale, add);
    if (!(hit.distance < scratch_.top.limit())) return;
    hit.segment = segment;
    hit.row = row;
    hit.object = object;
    hit.chunk = refine.chunk;
    hit.begin = refine.begin;
    hit.length = refine.length;
    scratch_.top.add(hit);
  }

  // ---- all in memory

  void refine_in_place(const ProbeUnit& unit, const ListRef& list, const std::byte* blocks,
                       std::size_t count, float add) {
    const SegmentFile& file = *segments_[unit.segment].segment->file();
    const std::byte* plane = file.image(Plane::kRefine)->at(file.directory.refine[0].offset);
    const std::size_t stride = refine_row_bytes(padded_);
    const std::size_t block_bytes = refine_block_bytes(kCodeBlockRows, padded_);
    ScanHit* const hits = scratch_.hits.data();
    const auto place = [&](std::uint32_t row) {
      const std::uint32_t in_plane = list.first_row + row;
      return plane + in_plane / kCodeBlockRows * block_bytes + in_plane % kCodeBlockRows * stride;
    };
    std::size_t begin = 0;
    // The first rows of a search all pass: the best of them make a bound for the rest.
    if (!scratch_.top.full() && count > 2 * plan_.want) {
      std::nth_element(hits, hits + 2 * plan_.want, hits + count,
                       [](const ScanHit& a, const ScanHit& b) { return a.distance < b.distance; });
      for (; begin < 2 * plan_.want; ++begin) {
        take_refined(hits[begin], unit.segment, list.first_row + hits[begin].row,
                     object_of(blocks, hits[begin].row), place(hits[begin].row), add);
      }
    }
    constexpr std::size_t kAhead = 4;
    for (std::size_t i = begin; i < count; ++i) {
      if (i + kAhead < count) prefetch(place(hits[i + kAhead].row), stride);
      if (!(hits[i].bound < scratch_.top.limit())) continue;
      take_refined(hits[i], unit.segment, list.first_row + hits[i].row,
                   object_of(blocks, hits[i].row), place(hits[i].row), add);
    }
  }

  // What a scan waits for where nothing has announced it: the first rows of its list.
  void fetch_begin(const ProbeUnit& unit) const {
    const SegmentFile& file = *segments_[unit.segment].segment->file();
    const ListRef& list = file.directory.lists[unit.list];
    const auto run = static_cast<std::size_t>(code_list_bytes(list.rows, padded_));
    prefetch(file.image(Plane::kCodes)->at(list.offset), std::min(run, kFetchedBytes));
  }

  static void prefetch(const std::byte* at, std::size_t bytes) {
    for (std::size_t line = 0; line < bytes; line += 64) __builtin_prefetch(at + line);
  }

  // ---- in rounds

  void scan_run(const ProbeUnit& unit, const CodeList& codes) {
    const ScanSegment& segment = segments_[unit.segment];
    const ListRef& list = segment.segment->directory().lists[unit.list];
    count_in_scope(unit, codes.blocks(), codes.rows());
    float distance = 0;
    const float add = scratch_.query.list_add(codes.centroid(), &distance);
    const ScanQuery query = scratch_.query.for_list(add, distance, kBoundFactor);
    for (std::uint32_t first = 0; first < codes.rows(); first += kStepRows) {
      const std::size_t count =
          scan_step(segment, codes.blocks(), first, codes.rows(), query, upper_.limit());
      for (std::size_t i = 0; i < count; ++i) {
        const ScanHit& hit = scratch_.hits[i];
        if (!(hit.bound < upper_.limit())) continue;
        WaitingRow waiting;
        waiting.distance = hit.distance;
        waiting.bound = hit.bound;
        waiting.dot = hit.dot;
        waiting.add = add;
        waiting.hit.segment = unit.segment;
        waiting.hit.row = list.first_row + hit.row;
        waiting.hit.object = codes.object(hit.row);
        waiting_.push_back(waiting);
        RowHit above = waiting.hit;
        above.distance = hit.distance + kAboveFactor / kBoundFactor * (hit.distance - hit.bound);
        if (above.distance < upper_.limit()) upper_.add(above);
      }
    }
  }

  // As if each row's block were another.
  [[nodiscard]] std::size_t refine_end() const {
    const std::size_t blocks = window_bytes_ / refine_block_bytes(kCodeBlockRows, padded_);
    return std::min(waiting_.size(), refined_ + std::max<std::size_t>(1, blocks));
  }

  std::vector<Result<BlockPtr>> read(std::span<const PageWant> wants) {
    return reader_.read(*snapshot_.head(), wants, trace_, deadline_);
  }

  void fail(std::uint32_t segment, const Error& error) {
    if (!failed_[segment]) failed_[segment] = error;
  }

  // ---- the end

  // Exact distances of the best, where asked for; then distances of the metric, in order.
  void finish() {
    std::vector<RowHit>& found = scratch_.found;
    if (chosen_.rerank > 0) {
      found.resize(
          std::min<std::size_t>(found.size(), std::max<std::size_t>(chosen_.rerank, plan_.want)));
      measure(found);
      std::sort(found.begin(), found.end());
    } else if (plan_.space->metric == Metric::kCosine) {
      for (RowHit& hit : found) hit.distance /= 2;
    }
    std::erase_if(found, [&](const RowHit& hit) { return failed_[hit.segment].has_value(); });
    if (found.size() > plan_.want) found.resize(plan_.want);
    if (found.size() == plan_.want) out_.all = false;
    out_.exact = chosen_.rerank > 0;
    out_.enough = plan_.share >= 1 || static_cast<double>(in_scope_) >= kEnough * chosen_.enough;
    out_.rows = found;
    for (std::optional<Error>& error : failed_) {
      if (error) out_.errors.push_back(*std::move(error));
    }
  }

  // Distances on the vectors plane: in place, or after one round more.
  void measure(std::vector<RowHit>& rows) {
    std::vector<std::optional<Error>> errors = measure_rows(
        reader_, *snapshot_.head(), segments_, plan_.vector, *plan_.space, rows, trace_, deadline_);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (errors[i]) fail(rows[i].segment, *errors[i]);
    }
  }

  PageReader& reader_;
  const Snapshot& snapshot_;
  std::span<const ScanSegment> segments_;
  const ProbePlan& plan_;
  ProbeScratch& scratch_;
  SearchTrace* trace_;
  Deadline deadline_;
  const Kernels& simd_;
  std::uint32_t padded_;
  std::uint64_t window_bytes_;
  ChosenUnits chosen_;
  std::uint64_t in_scope_ = 0;  // rows that the ranked lists hold
  std::size_t scanned_ = 0;     // of the units
  TopRows upper_;  // what a row's lower bound has to beat: the upper bounds of the best
  std::vector<WaitingRow> waiting_;
  std::size_t refined_ = 0;  // of these
  std::vector<std::optional<Error>> failed_;
  ProbeResult out_;
};

}  // namespace kedge
