// Vectors that a caller made himself, put into an index as records: objects of no source, each with
// its key, one vector and its metadata. docs/vectors.md.
//
// Threads: one a call.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "engine/index.h"
#include "ingest/vector_input.h"

namespace kedge {

// The source that records are of: they lie nowhere but in the index.
inline constexpr std::string_view kRecordsUri = "records:";
// Space::provider of their vectors.
inline constexpr std::string_view kRecordsProvider = "records";

struct ImportOptions {
  Metric metric = Metric::kCosine;
  std::string model;                // what made the vectors, "" if nobody says: part of the space
  std::size_t batch = kMaxIntents;  // records a commit
  std::uint64_t batch_bytes = 128ULL << 20;  // memory of the batches under way, together
  Merging merging = Merging::kLater;         // kNow where no compaction follows
  std::function<void(std::uint64_t records)> on_progress;  // after each commit; may be empty
};

struct ImportReport {
  std::uint64_t records = 0;
  std::uint64_t commits = 0;
  Id128 space;
};

// The space of such vectors.
Space record_space(std::uint32_t dimension, const ImportOptions& options);

// Every record of the input; one of a key that is there already takes its place. kInvalid: a
// record, by its file and row: what was committed before it stays. Cosine: a vector of length zero
// is one too; others are brought to length 1.
Result<ImportReport> import_vectors(Index& index, VectorInput& input, const std::string& name,
                                    const ImportOptions& options, Executor& executor,
                                    Deadline deadline);

}  // namespace kedge
