// Generations and garbage.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kedge/usage.h"

namespace kedge {

struct GcRequest {
  bool dry_run = false;
  // Every key of the index, its size, whether it goes, and why. May be empty.
  std::function<void(const std::string& key, std::uint64_t size, bool goes, const std::string& why)>
      explain;
};

struct GcReport {
  std::uint64_t kept = 0, young = 0, foreign = 0, removed = 0, removed_bytes = 0,
                history_removed = 0;
  // What a versioned bucket keeps beside what it lists: noncurrent versions, delete markers,
  // unfinished uploads; those of the embedding cache too.
  std::uint64_t versions = 0, markers = 0, uploads = 0, version_bytes = 0;
  std::string not_swept;  // why some of these are left; "" if none are
  bool dropped = false;   // the index has ended, and this takes away what is left of it
  bool held = false;      // dropped, but generations are retained that can be rolled back to
  StoreUsage index_usage;
  std::string stopped;  // why it ended early; "" if it did not
};

struct Generation {
  std::uint64_t generation = 0;
  std::string commit_id;
  std::string committed_at;
  std::uint64_t objects = 0, chunks = 0, segments = 0, bytes = 0;
  std::string pinned_by;  // names, comma-separated
  bool current = false;
  bool dropped = false;  // the index had ended: there is nothing to search or to roll back to
};

struct PinInfo {
  std::string name;
  std::uint64_t generation = 0;
  std::string created;
};

}  // namespace kedge
