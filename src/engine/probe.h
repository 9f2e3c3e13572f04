// Search by codes: the lists whose centroids are nearest are scanned at one bit a dimension, what
// passes the bound is measured at five, and the best of that, if asked for, on the vectors plane.
//
// Planes that are whole in memory (PlaneImage) are read in place, a list after the other with a
// bound that tightens; what is not is read in one round of codes and one of refine blocks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ann/rabitq.h"
#include "ann/ranker.h"
#include "base/executor.h"
#include "engine/index.h"
#include "engine/page_reader.h"
#include "engine/scan.h"
#include "engine/segment.h"
#include "engine/top_rows.h"

namespace kedge {

struct ProbePlan {
  std::span<const float> vector;  // of length 1 for cosine
  const Space* space = nullptr;
  Id128 space_id;
  std::size_t want = 10;  // rows
  bool by_object = false;
  std::uint32_t probes = 0;    // lists of each tree; 0: what reaches `recall`
  std::uint32_t rerank = 0;    // with probes: rows to measure exactly
  std::uint32_t recall = 950;  // in thousandths
  bool docs = true;            // what follows needs the docs pages of the best,
  bool texts = true;           // and their text pages: they are read ahead
  // Of the rows in the scope of the filter; less than 1 makes a search look into more lists.
  double share = 1;
};

// What one search needs in memory; kept from one to the next.
struct ProbeScratch {
  ProbeScratch(std::shared_ptr<const Rotation> its_rotation, Metric metric)
      : rotation(std::move(its_rotation)), query(*rotation, metric), hits(kHits) {}
  static constexpr std::size_t kHits = 256;  // rows scanned at a time
  std::shared_ptr<const Rotation> rotation;
  QueryCodes query;
  std::vector<Ranked> ranked;
  std::vector<ScanHit> hits;
  TopRows top;
  std::vector<RowHit> found;
};

// Hands out scratch to searches. Threads: any, without a lock.
class ProbeScratchPool {
 public:
  ~ProbeScratchPool();
  std::unique_ptr<ProbeScratch> take(const std::shared_ptr<const Rotation>& rotation,
                                     Metric metric);
  void give(std::unique_ptr<ProbeScratch> scratch);

 private:
  std::array<std::atomic<ProbeScratch*>, 16> slots_{};
};

struct ProbeResult {
  std::vector<RowHit> rows;  // best first; distances of the metric
  bool all = false;          // every row in scope was looked at, and `rows` has what there is
  bool exact = false;        // distances are those of the vectors plane
  // As many rows in scope were looked at as would have been rows without a filter, roughly: false
  // where they lie far from the question, so that a smaller share finds nearer ones.
  bool enough = true;
  std::vector<Error> errors;  // one for each segment that could not be read
};

ProbeResult probe_segments(PageReader& reader, const Snapshot& snapshot,
                           std::span<const ScanSegment> segments, const ProbePlan& plan,
                           ProbeScratch& scratch, SearchTrace* trace, Deadline deadline);

// One of several searches.
struct ProbeJob {
  std::span<const ScanSegment> segments;
  ProbePlan plan;
  std::unique_ptr<ProbeScratch> scratch;  // its own
  SearchTrace* trace = nullptr;           // not nullptr
  ProbeResult result;                     // what probe_segments() gives
};

// Several searches of one snapshot at once, on all threads of the executor. Of planes in memory a
// list that many of them look into is scanned for all while it is in the processor's cache; of
// others the rounds are shared, and a page that several want is read once.
void probe_together(PageReader& reader, const Snapshot& snapshot, std::span<ProbeJob> jobs,
                    Executor& executor, Deadline deadline);

}  // namespace kedge
