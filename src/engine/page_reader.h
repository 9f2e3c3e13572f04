// Reads pages of segments: from the cache, and what is missing in one round of coalesced ranges.
// Every page is checked against its CRC-32C once, when it enters memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/executor.h"
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

// Pages by their number in the plane.
PageWant docs_want(const Segment& segment, std::size_t page);
PageWant text_want(const Segment& segment, std::size_t page);
PageWant keys_want(const Segment& segment, std::size_t page);
PageWant vectors_want(const Segment& segment, std::size_t block);

inline constexpr std::uint64_t kMaxGap = 128 * 1024;    // bytes read for nothing, to save a request
inline constexpr std::uint64_t kMaxRange = 8ULL << 20;  // one request
// Pages asked for in one call, for callers that want many: what they hold beside the cache.
inline constexpr std::uint64_t kMaxWindow = 64ULL << 20;

// Threads: any.
class PageReader {
 public:
  PageReader(HeadLog& log, BlockCache& cache, Executor& executor)
      : log_(log), cache_(cache), executor_(executor) {}

  // One result or error a want, in order. `trace` gets the round, requests and bytes that were
  // needed. A page that fails its check is read once more, should only the way here have damaged
  // it. Errors: kExpired or kCorrupt for a file that is not there, by the head that named it;
  // kCorrupt for a bad page; as the store's.
  std::vector<Result<BlockPtr>> read(const Head& head, std::span<const PageWant> wants,
                                     SearchTrace* trace, Deadline deadline,
                                     Keep keep = Keep::kAlways);
  // All or the first error.
  Result<std::vector<BlockPtr>> read_all(const Head& head, std::span<const PageWant> wants,
                                         SearchTrace* trace, Deadline deadline,
                                         Keep keep = Keep::kAlways);
  // A scan of every block of a space begins.
  void begin_scan() { cache_.begin_scan(); }

 private:
  void fetch(const Head& head, std::span<const PageWant> wants,
             const std::vector<std::size_t>& missing, std::vector<Result<BlockPtr>>& out,
             SearchTrace* trace, Deadline deadline);

  HeadLog& log_;
  BlockCache& cache_;
  Executor& executor_;
};

}  // namespace kedge
