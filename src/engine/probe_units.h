// Which lists a search looks into: of a tree the nearest, as many as reach the recall that is
// wanted; of a segment without one all.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/probe.h"

namespace kedge {

// One list of one segment.
struct ProbeUnit {
  std::uint32_t segment = 0;
  std::uint32_t list = 0;
  bool ranked = false;  // one of the nearest of a tree
};

struct ChosenUnits {
  std::vector<ProbeUnit> units;  // lists with rows, those that are nearest first
  bool all = true;               // there are no others
  double enough = 0;             // rows in scope that the nearest lists should hold
  std::uint32_t rerank = 0;      // rows to measure exactly
};

// `scratch`: its query is set; `padded`: dimensions of codes.
ChosenUnits choose_units(const Snapshot& snapshot, std::span<const ScanSegment> segments,
                         const ProbePlan& plan, std::uint32_t padded, ProbeScratch& scratch);

}  // namespace kedge
