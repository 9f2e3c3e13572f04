// Reads what searches need into the disk cache, before anybody asks.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace kedge {

struct WarmOptions {
  bool dry_run = false;
  std::stop_token stop;
  // Bytes of pages read so far, and of all that are to be read. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t all)> progress;
};

// Pages of one kind, of all segments.
struct WarmPlane {
  std::string name;  // "docs", "text", ...
  std::uint64_t blocks = 0, bytes = 0;
  std::uint64_t blocks_there = 0, bytes_there = 0;        // in the cache already
  std::uint64_t blocks_left_out = 0, bytes_left_out = 0;  // since the limit is less than all
};

struct WarmReport {
  std::vector<WarmPlane> planes;                  // what searches need most first
  std::uint64_t blocks_read = 0, bytes_read = 0;  // or to be read, of a dry run
  std::uint64_t requests = 0, request_bytes = 0;  // likewise, with the gaps between pages
  std::uint64_t blocks_lost = 0;                  // read, and yet not in the cache: it is full, or
                                                  // cannot be written to
  std::vector<std::string> unreadable;            // segments and pages, with the reason
  bool stopped = false;
};

}  // namespace kedge
