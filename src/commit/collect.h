// Garbage collection: the only code that deletes. docs/commit.md, rule 5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/object_store.h"

namespace kedge {

class HeadLog;

inline constexpr std::size_t kMaxRemoveBatch = 1000;
// Names to be removed that are held in memory at once; more are found by listing again.
inline constexpr std::size_t kMaxHeldNames = 100'000;
// Names that the retained generations may have together; more is refused as kExhausted.
inline constexpr std::size_t kMaxMarkedNames = 4'000'000;

struct CollectOptions {
  bool dry_run = false;  // decides and explains, changes nothing (no fence is committed)
  // Called once for every key under the prefix: key (under the prefix), size, whether it goes, and
  // why. May be empty.
  std::function<void(std::string_view key, std::uint64_t size, bool goes, std::string_view why)>
      explain;
  // Whether a relative key has the shape of a file of this index; others are left alone. Must be
  // set. The head and its history are known without it.
  std::function<bool(std::string_view relative)> is_ours;
  // A key that is no file of any generation, and stays while the index is not dropped. May be
  // empty.
  std::string_view standing = {};
  // Folders of the index's files, each ending with '/': what the store keeps of the index's keys in
  // them beside the listing (noncurrent versions, delete markers, unfinished uploads) goes too,
  // once it is older than the floor. The head and its history are known without.
  std::vector<std::string> folders = {};
  // Whether a relative key that is no file of the index is one that the index makes and removes by
  // itself: what the store keeps of it beside the listing goes like that of files. May be empty.
  std::function<bool(std::string_view relative)> is_passing = {};
  std::size_t batch = kMaxRemoveBatch;  // names removed between two looks at the head
  std::size_t held_names = kMaxHeldNames;
};

struct CollectReport {
  std::uint64_t kept = 0;
  std::uint64_t young = 0;    // unnamed, but not older than the floor
  std::uint64_t foreign = 0;  // not of our naming: left alone
  std::uint64_t removed = 0;  // history bodies included; in a dry run: what would be
  std::uint64_t removed_bytes = 0;
  std::uint64_t history_removed = 0;
  Leftovers swept;                  // removed for good; in a dry run: what would be
  std::string not_swept;            // why some of that is left; "" if none is
  Timestamp gc_floor;               // what the fence set, or would set
  std::uint64_t retained_from = 0;  // likewise
  // Why it ended early: the floor moved, the index was dropped, a removal failed; "" if it did not.
  std::string stopped;
};

// Fences, marks, removes. Any number may run at once, beside any writers and readers; a crash
// leaves nothing that the next run does not find. kCorrupt: a file that the head or a retained
// generation names is missing or has another size, or a history body is lost or damaged; nothing
// was removed. kUnavailable: nothing known about the fence, nothing removed.
Result<CollectReport> collect(HeadLog& log, const CollectOptions& options, Deadline deadline);

// Whether `relative` matches a pattern in which {N} stands for N lower-case hexadecimal digits and
// {hh} for two that are also the first two of what follows the next slash: "seg/{hh}/{32}". For
// is_ours.
bool matches_shape(std::string_view relative, std::string_view pattern);

}  // namespace kedge
