// Drift: what differs between the index and its sources, as numbers and keys.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "kedge/sync.h"

namespace kedge {

struct VerifyRequest {
  std::vector<std::string> sources;  // empty: all
  bool repair = false;               // sync what drifted and mend a damaged head, then look again
  bool full = false;  // read every object and every file of the index, and compare hashes
  std::size_t max_items = 1000;
  std::function<void(const Progress&)> progress;
  std::stop_token stop;
};

struct DriftItem {
  std::string kind;  // "missing", "changed", "gone", "unreadable"
  std::string key;
  std::string detail;
};

struct SourceDrift {
  std::string source;
  std::uint64_t listed = 0, indexed = 0;
  std::uint64_t missing = 0, changed = 0, gone = 0, unreadable = 0, unproven = 0;
  bool proven_equal = false;  // by the set hash alone
  std::vector<DriftItem> items;
};

struct VerifyResult {
  std::vector<SourceDrift> sources;  // after the repair, if one was asked for
  std::vector<SyncCounts> repaired;
  // The head could not be read: searches stood on the newest history body. With repair it was made
  // anew from that body and the files that are newer than it.
  bool head_damaged = false;
  bool head_repaired = false;
  std::vector<std::string> recovered;      // by the repair: files newer than that body
  std::vector<std::string> not_recovered;  // by the repair: what is lost, with the reason
  StoreUsage index_usage, source_usage;
  std::vector<std::string> damaged_files;  // full: files of the index that are lost or damaged
  [[nodiscard]] bool clean() const;
};

}  // namespace kedge
