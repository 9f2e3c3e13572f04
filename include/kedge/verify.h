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
  // Mends a damaged head and damaged files, syncs what drifted, then looks again. Reads every file
  // of the index, as `full` does.
  bool repair = false;
  bool full = false;  // read every object and every file of the index, and compare hashes
  // With repair: also segments with imported vectors are let go, which nothing brings back.
  bool drop_lost = false;
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
  std::string error;  // why it could not be compared: a damaged file of the index; "": it was
};

// A damaged segment whose rows no source brings back.
struct LostSegment {
  std::string file;
  std::string reason;
  bool let_go = false;            // else it is in the index still, as it is
  std::uint64_t objects = 0;      // at most
  std::vector<std::string> keys;  // as far as they can be read, at most VerifyRequest::max_items
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
  // Files of the index that are lost or damaged, after the repair if one was asked for. Without
  // full and repair: those that opening the index shows.
  std::vector<std::string> damaged_files;
  // By the repair: what was damaged before it, segments that the index names no more, how many
  // objects went with them and how many of these came back, and trees that were made anew.
  std::vector<std::string> mended_files;
  std::vector<std::string> segments_let_go;
  std::uint64_t objects_let_go = 0, objects_back = 0, trees_mended = 0;
  std::vector<LostSegment> not_rebuilt;
  [[nodiscard]] bool clean() const;
};

}  // namespace kedge
