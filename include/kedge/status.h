// What is in an index, and how old it is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kedge/sync.h"

namespace kedge {

struct StatusRequest {
  bool detail = false;  // list what is failed, skipped and pending, by key
  std::size_t max_items = 1000;
};

struct SourceStatus {
  std::string uri;
  std::uint64_t objects = 0, indexed = 0, failed = 0, skipped = 0, pending = 0;
  std::uint64_t withheld_deletes = 0;
  std::string synced_at;  // last complete reconcile; "" if there was none
  std::string set_hash;
  std::vector<std::string> include, exclude;
  std::uint64_t max_object_bytes = 0;
  std::vector<Problem> problems;  // detail: "failed: reason (attempt 2, again after ...)"
};

struct StatusReport {
  std::string index;
  std::uint64_t generation = 0;
  std::string commit_id;
  std::string committed_at;
  std::string space;  // "local/all-MiniLM-L6-v2, 384 dimensions"
  std::uint64_t segments = 0, bytes = 0, chunks = 0, dead_objects = 0, files = 0;
  bool recovered = false;  // the head does not parse; this is the newest history body, read-only
  std::vector<SourceStatus> sources;
};

}  // namespace kedge
