// Reading ahead: what searches need of an index in a bucket comes to this machine's disk.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "kedge/sync.h"
#include "kedge/usage.h"

namespace kedge {

struct WarmRequest {
  bool dry_run = false;  // only says what would be read
  std::function<void(const Progress&)> progress;
  std::stop_token stop;  // returns with `stopped`; what was read is kept
};

// One kind of blocks of the index, of all its segments.
struct WarmedPlane {
  std::string name;
  std::uint64_t blocks = 0, bytes = 0;
  std::uint64_t blocks_there = 0, bytes_there = 0;        // before
  std::uint64_t blocks_left_out = 0, bytes_left_out = 0;  // since the limit is less than all
};

struct WarmResult {
  std::string folder;  // the disk cache
  std::uint64_t generation = 0;
  std::vector<WarmedPlane> planes;                // what searches need most first
  std::uint64_t blocks_read = 0, bytes_read = 0;  // of a dry run: to be read
  std::uint64_t blocks_lost = 0;  // read, but the cache could not keep them: a full disk, or one
                                  // that cannot be written to
  std::vector<std::string> unreadable;
  StoreUsage index_usage;
  StoreUsage forecast;  // of a dry run: the requests of a run
  double seconds = 0;
  bool stopped = false;
};

}  // namespace kedge
