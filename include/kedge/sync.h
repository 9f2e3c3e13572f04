// Makes the index equal to its sources.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "kedge/usage.h"

namespace kedge {

struct Progress {
  std::string phase;  // "listing", "indexing", "proving", "checking", "merging", ..., "done"
  std::string source;
  std::string unit = "objects";  // what `objects` counts
  std::uint64_t listed = 0;
  std::uint64_t objects = 0;  // to be looked at, once known
  std::uint64_t objects_done = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t chunks_embedded = 0;
  std::uint64_t chunks_from_cache = 0;
};

struct SyncRequest {
  // URLs or paths of folders, or of files: a file is an object of its folder's source, whose
  // include patterns name it (docs/sync.md). Empty: every source of the index.
  std::vector<std::string> sources;
  // Absent: as recorded in the index, or the default. Present, even empty: replaces what is
  // recorded.
  std::optional<std::vector<std::string>> include;
  std::optional<std::vector<std::string>> exclude;
  std::optional<bool> hidden;
  std::optional<bool> gitignore;
  std::optional<bool> sidecars;  // NAME.metadata.json is the metadata of NAME, and no document
  std::optional<bool> tags;      // the tags of objects are metadata, at a request more an object
  std::optional<std::uint64_t> max_object_bytes;
  std::optional<std::uint64_t> approve_deletes;  // lets exactly this number of withheld deletes go
  bool dry_run = false;
  bool full = false;  // compare every row, even where the set hash proves that nothing changed
  // Asks for the tags of every object, since no listing shows that they changed. kInvalid: a source
  // without tags.
  bool refresh_tags = false;
  std::function<void(const Progress&)> progress;
  std::stop_token stop;  // commits what is finished, then returns with `stopped`
};

struct Problem {
  std::string key;
  std::string reason;
};

// Counts of one source. listed == indexed + failed + skipped + pending + vanished, always.
struct SyncCounts {
  std::string source;
  std::vector<std::string> include, exclude;  // the patterns that it was synced with
  std::uint64_t listed = 0, indexed = 0, failed = 0, skipped = 0, pending = 0, vanished = 0;
  std::uint64_t added = 0, changed = 0, unchanged = 0, rewritten = 0;  // of the indexed
  std::uint64_t deleted = 0, withheld = 0, unproven = 0;               // of the index before
  std::uint64_t sidecars = 0, sidecars_alone = 0;  // of listed objects; beside none, and unused
  std::uint64_t objects_read = 0, bytes_read = 0;
  std::uint64_t chunks = 0, chunks_embedded = 0, chunks_from_cache = 0, tokens = 0,
                split_objects = 0;
  double seconds = 0, model_seconds = 0;
  std::uint64_t commits = 0, generation = 0;
  bool stopped = false;
  bool proven_unchanged = false;
  std::vector<Problem> problems;  // the first 1,000
};

struct SyncResult {
  std::vector<SyncCounts> sources;
  StoreUsage index_usage;
  StoreUsage source_usage;
  double estimated_seconds = 0;  // dry run: of the embedding, by a measured batch; 0 otherwise
  // Dry run: the requests of a run, of sources and index together; measured where the dry run makes
  // the same ones, else by what a run writes.
  StoreUsage forecast;
  bool stopped = false;
};

}  // namespace kedge
