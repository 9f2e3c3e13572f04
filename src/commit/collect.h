// Garbage collection: the only code that deletes. docs/commit.md, rule 5.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace kedge {

class HeadLog;

struct CollectOptions {
  bool dry_run = false;  // decides and explains, changes nothing (no fence is committed)
  // Called for every key under the prefix: key, size, whether it goes, and why. May be empty.
  std::function<void(std::string_view key, std::uint64_t size, bool goes, std::string_view why)>
      explain;
  // Whether a relative key has the shape of a file of this index; others are left alone. Must be
  // set.
  std::function<bool(std::string_view relative)> is_ours;
};

struct CollectReport {
  std::uint64_t kept = 0;
  std::uint64_t young = 0;    // unnamed, but not older than the floor
  std::uint64_t foreign = 0;  // not of our naming: left alone
  std::uint64_t removed = 0;
  std::uint64_t removed_bytes = 0;
  std::uint64_t history_removed = 0;
  std::string
      stopped;  // why it ended early: the floor moved, the index was dropped; "" if it did not
};

Result<CollectReport> collect(HeadLog& log, const CollectOptions& options, Deadline deadline);

}  // namespace kedge
