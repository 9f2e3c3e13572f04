// What a run asked of its stores, and what that costs.
#pragma once

#include <cstdint>

namespace kedge {

struct StoreUsage {
  // Requests, repeated ones included; lists: pages.
  std::uint64_t reads = 0, stats = 0, puts = 0, creates = 0, swaps = 0, removes = 0, lists = 0;
  // Reads and stats that were sent a second time, since they were late: on top of these.
  std::uint64_t hedges = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  bool billed = false;  // some of them went to a bucket
  // About, of those: at the list prices of AWS in us-east-1, without traffic and storage.
  double cost_usd = 0;
};

}  // namespace kedge
