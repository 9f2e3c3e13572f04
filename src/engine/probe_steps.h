// The steps of one search by codes: probe.cc takes one search through them, probe_together.cc
// several at once.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/calibrate.h"
#include "engine/few_objects.h"
#include "engine/open_tree.h"
#include "engine/probe.h"
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

// One list of one segment.
struct ProbeUnit {
  std::uint32_t segment = 0;
  std::uint32_t list = 0;
  bool ranked = false;  // one of the nearest of a tree
};

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
  Probe(PageReader& reader, const Snapshot& snapshot, std::span<const ScanSegment> segments,
        const ProbePlan& plan, ProbeScratch& scratch, SearchTrace* trace, Deadline deadline)
      : reader_(reader),
        snapshot_(snapshot),
        segments_(segments),
        plan_(plan),
        scratch_(scratch),
        trace_(trace),
        deadline_(deadline),
        simd_(kernels()),
        padded_(padded_dimension(plan.space->dimension)) {}

  ProbeResult run() {
    begin();
    if (in_memory()) {
      for (std::size_t u = 0; u < units_.size(); ++u) {
        if (u + 1 < units_.size()) fetch_begin(units_[u + 1]);
        scan_in_place(units_[u]);
      }
    } else {
      take_codes(read(codes_wanted()));
      take_refine(read(refine_wanted()));
    }
    return end();
  }

  // ---- the steps of run(), for who takes several searches through them together

  void begin() {
    failed_.resize(segments_.size());
    scratch_.query.set(plan_.vector.data());
    if (plan_.probes != 0) {
      rerank_ = plan_.rerank;
    } else {
      want_rerank(rerank_for(plan_.recall, padded_));
    }
    choose_units();
    const std::size_t kept = std::max<std::size_t>(plan_.want, rerank_);
    scratch_.top.reset(kept, plan_.by_object);
  }

  // All planes of codes and refine rows that it needs are whole in memory.
  [[nodiscard]] bool in_memory() const {
    return std::all_of(segments_.begin(), segments_.end(),
                       [](const ScanSegment& s) { return s.segment->file()->codes_in_memory(); });
  }

  // The lists, those that are nearest first.
  [[nodiscard]] std::span<const ProbeUnit> units() const { return units_; }
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

  // Round A: the codes of all lists; hits wait for their refine rows.
  [[nodiscard]] std::vector<PageWant> codes_wanted() const {
    std::vector<PageWant> wants;
    for (const ProbeUnit& unit : units_) wants.push_back(codes_want(segment_of(unit), unit.list));
    return wants;
  }
  void take_codes(std::span<const Result<BlockPtr>> runs) {
    // The distance that a row's upper bound has to beat, of as many rows as are wanted.
    TopRows upper;
    upper.reset(std::max<std::size_t>(plan_.want, rerank_), plan_.by_object);
    for (std::size_t u = 0; u < units_.size(); ++u) {
      const ProbeUnit& unit = units_[u];
      if (!runs[u].ok()) {
        fail(unit.segment, runs[u].error());
        continue;
      }
      scan_run(unit, (*runs[u])->codes, upper);
    }
    const float limit = upper.limit();
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

  // Round B: refine blocks of what is left, and beside them the docs pages of the best.
  [[nodiscard]] std::vector<PageWant> refine_wanted() const {
    std::vector<PageWant> wants;
    for (const WaitingRow& w : waiting_)
      wants.push_back(refine_want(*segments_[w.hit.segment].segment, w.hit.row / kCodeBlockRows));
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
  void take_refine(std::span<const Result<BlockPtr>> blocks) {
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      const WaitingRow& w = waiting_[i];
      if (!blocks[i].ok()) {
        fail(w.hit.segment, blocks[i].error());
        continue;
      }
      const std::byte* row =
          (*blocks[i])->bytes.data() + w.hit.row % kCodeBlockRows * refine_row_bytes(padded_);
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
  // More of them where more rows are wanted.
  void want_rerank(std::uint32_t rows) {
    if (rows == 0) return;
    const std::size_t least = plan_.want + plan_.want / 2;
    rerank_ = std::max(rerank_, static_cast<std::uint32_t>(std::max<std::size_t>(rows, least)));
  }

  // ---- which lists

  void choose_units() {
    out_.all = true;
    for (std::uint32_t s = 0; s < segments_.size(); ++s) {
      const SegmentEntry& entry = segments_[s].segment->entry();
      if (entry.tree.is_zero() || snapshot_.tree(entry.tree) == nullptr) {
        const auto lists =
            static_cast<std::uint32_t>(segments_[s].segment->directory().lists.size());
        for (std::uint32_t l = 0; l < lists; ++l) add_unit({s, l, false});
      }
    }
    for (const TreeEntry& tree : snapshot_.state().trees) {
      const OpenTreePtr open = snapshot_.tree(tree.id);
      if (open == nullptr || tree.space != plan_.space_id) continue;
      choose_lists(tree, *open);
    }
  }

  void choose_lists(const TreeEntry& entry, const OpenTree& tree) {
    std::vector<std::uint32_t> on_tree;
    for (std::uint32_t s = 0; s < segments_.size(); ++s) {
      if (segments_[s].segment->entry().tree == entry.id) on_tree.push_back(s);
    }
    if (on_tree.empty()) return;
    const std::uint32_t probes = probes_of(entry);
    if (probes < entry.leaves) {
      out_.all = false;
      double rows = 0;
      for (const SegmentPtr& segment : snapshot_.segments()) {
        const SegmentEntry& of = segment->entry();
        if (of.tree == entry.id && !segment->damage())
          rows += of.rows * (1.0 - 1.0 * of.dead_objects() / of.objects);
      }
      enough_ += probes * plan_.share * rows / entry.leaves;
    }
    tree.ranker.rank(scratch_.query, probes, scratch_.ranked);
    for (const Ranked& ranked : scratch_.ranked) {
      for (const std::uint32_t s : on_tree) {
        if (ranked.leaf < segments_[s].segment->directory().lists.size())
          add_unit({s, ranked.leaf, true});
      }
    }
  }

  void add_unit(const ProbeUnit& unit) {
    if (segments_[unit.segment].segment->directory().lists[unit.list].rows > 0)
      units_.push_back(unit);
  }

  // Lists enough for the recall wanted; more of them for more rows, and for a filter as many as
  // hold the rows in its scope that would have been looked at without one.
  std::uint32_t probes_of(const TreeEntry& tree) {
    double probes = plan_.probes;
    if (plan_.probes == 0) {
      ProbePoint point{.recall = 1000, .probes = tree.leaves, .rerank = kExactRows};
      const ProbePoint* below = nullptr;
      for (const ProbePoint& known : tree.points) {
        if (known.recall >= plan_.recall) {
          point = known;
          break;
        }
        below = &known;
      }
      probes = point.probes;
      // Between two points, so much of the way between their logarithms.
      if (below != nullptr && point.recall > plan_.recall) {
        const double way = static_cast<double>(plan_.recall - below->recall) /
                           static_cast<double>(point.recall - below->recall);
        probes = below->probes * std::pow(probes / below->probes, way);
      }
      probes *= std::pow(std::max(1.0, static_cast<double>(plan_.want) / 10), 0.4);
      want_rerank(point.rerank);
    }
    probes = std::ceil(probes / std::max(plan_.share, 1e-6));
    return static_cast<std::uint32_t>(std::clamp<double>(probes, 1, tree.leaves));
  }

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

  void scan_run(const ProbeUnit& unit, const CodeList& codes, TopRows& upper) {
    const ScanSegment& segment = segments_[unit.segment];
    const ListRef& list = segment.segment->directory().lists[unit.list];
    count_in_scope(unit, codes.blocks(), codes.rows());
    float distance = 0;
    const float add = scratch_.query.list_add(codes.centroid(), &distance);
    const ScanQuery query = scratch_.query.for_list(add, distance, kBoundFactor);
    for (std::uint32_t first = 0; first < codes.rows(); first += kStepRows) {
      const std::size_t count =
          scan_step(segment, codes.blocks(), first, codes.rows(), query, upper.limit());
      for (std::size_t i = 0; i < count; ++i) {
        const ScanHit& hit = scratch_.hits[i];
        if (!(hit.bound < upper.limit())) continue;
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
        if (above.distance < upper.limit()) upper.add(above);
      }
    }
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
    if (rerank_ > 0) {
      found.resize(std::min<std::size_t>(found.size(), std::max<std::size_t>(rerank_, plan_.want)));
      measure(found);
      std::sort(found.begin(), found.end());
    } else if (plan_.space->metric == Metric::kCosine) {
      for (RowHit& hit : found) hit.distance /= 2;
    }
    std::erase_if(found, [&](const RowHit& hit) { return failed_[hit.segment].has_value(); });
    if (found.size() > plan_.want) found.resize(plan_.want);
    if (found.size() == plan_.want) out_.all = false;
    out_.exact = rerank_ > 0;
    out_.enough = plan_.share >= 1 || static_cast<double>(in_scope_) >= kEnough * enough_;
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

  static constexpr std::uint32_t kExactRows = 100;

  PageReader& reader_;
  const Snapshot& snapshot_;
  std::span<const ScanSegment> segments_;
  const ProbePlan& plan_;
  ProbeScratch& scratch_;
  SearchTrace* trace_;
  Deadline deadline_;
  const Kernels& simd_;
  std::uint32_t padded_;
  std::uint32_t rerank_ = 0;
  double enough_ = 0;           // rows in scope that the nearest lists should hold
  std::uint64_t in_scope_ = 0;  // that they hold
  std::vector<ProbeUnit> units_;
  std::vector<WaitingRow> waiting_;
  std::vector<std::optional<Error>> failed_;
  ProbeResult out_;
};

}  // namespace kedge
