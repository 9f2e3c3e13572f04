// Reads pages of segments: from the cache, and what is missing in one round of coalesced ranges.
// Every page is checked against its CRC-32C once, when it enters memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "commit/head_log.h"
#include "engine/block_cache.h"
#include "engine/index.h"
#include "engine/segment.h"

namespace kedge {

struct PageWant {
  const SegmentFile* file = nullptr;
  PageRef page;
  std::string_view what;  // "docs page", for messages
  std::optional<std::uint32_t> first_row =
      std::nullopt;  // of a block of vectors: parsed as it enters memory
};

inline constexpr std::uint64_t kMaxGap = 128 * 1024;    // bytes read for nothing, to save a request
inline constexpr std::uint64_t kMaxRange = 8ULL << 20;  // one request

// Threads: any.
class PageReader {
 public:
  PageReader(HeadLog& log, BlockCache& cache) : log_(log), cache_(cache) {}

  // One result or error a want, in order. `trace` gets the round, requests and bytes that were
  // needed. Errors: kExpired or kCorrupt for a file that is not there, by the head that named it;
  // kCorrupt for a bad page.
  std::vector<Result<BlockPtr>> read(const Head& head, std::span<const PageWant> wants,
                                     SearchTrace* trace, Deadline deadline);
  // All or the first error.
  Result<std::vector<BlockPtr>> read_all(const Head& head, std::span<const PageWant> wants,
                                         SearchTrace* trace, Deadline deadline);

 private:
  HeadLog& log_;
  BlockCache& cache_;
};

}  // namespace kedge
