// A tree for a space, from a sample of its rows.
#pragma once

#include <vector>

#include "engine/calibrate.h"
#include "engine/index_impl.h"
#include "engine/open_tree.h"

namespace kedge {

struct TrainedTree {
  OpenTreePtr tree;  // its entry has no points yet
  Bytes file;
  std::unique_ptr<Calibration> calibration;
};

// Reads the vectors of a systematic sample of the rows of `segments`, which are of one space, not
// damaged, and have rows: kSampleRowsPerList a list, fewer where they would take more than half
// of IndexOptions::memory_bytes, as f16.
Result<TrainedTree> train_tree(IndexImpl& index, const Snapshot& snapshot,
                               const std::vector<SegmentPtr>& segments, Deadline deadline);

// Rows of `segments`, which are as above, that stand for questions: evenly spread, at most
// Calibration::kQuestions.
Result<std::unique_ptr<Calibration>> sample_questions(IndexImpl& index, const Snapshot& snapshot,
                                                      const std::vector<SegmentPtr>& segments,
                                                      Deadline deadline);

// Rows a list of a tree for so many rows.
std::uint32_t rows_a_list(std::uint64_t rows);

inline constexpr std::uint64_t kSampleRowsPerList = 64;

}  // namespace kedge
