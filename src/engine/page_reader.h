// Reads pages of segments: from memory, from the disk cache where there is one, and what is missing
// in one round of coalesced ranges. Every page is checked against its CRC-32C when it enters
// memory.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "commit/head_log.h"
#include "engine/block_cache.h"
#include "engine/index.h"
#include "engine/segment.h"
#include "store/disk_cache.h"

namespace kedge {

struct PageWant {
  const SegmentFile* file = nullptr;
  PageRef page;
  std::string_view what;  // "docs page", for messages
  // Pages of rows are parsed as they enter memory.
  enum class Rows : std::uint8_t { kNone, kCodes, kRefine, kVectors };
  Rows rows = Rows::kNone;
  std::uint32_t first = 0;  // the list; else the first row
};

// Pages by their number in the plane.
PageWant docs_want(const Segment& segment, std::size_t page);
PageWant text_want(const Segment& segment, std::size_t page);
PageWant keys_want(const Segment& segment, std::size_t page);
PageWant attributes_want(const Segment& segment, std::size_t page);
PageWant vectors_want(const Segment& segment, std::size_t block);
PageWant codes_want(const Segment& segment, std::uint32_t list);  // of a list with rows
PageWant refine_want(const Segment& segment, std::size_t block);
// Every page of a plane, in the order of the file; none of a damaged segment.
std::vector<PageWant> plane_wants(const Segment& segment, Plane plane);
// Parses a page of rows whose checksum was right; kCorrupt by the file's name.
Status parse_rows(const PageWant& want, ByteView bytes, VectorBlock* vectors, CodeList* codes);

// Bytes that are read for nothing, to save a request: at most so many between two pages. A round of
// fewer than kFewRequests requests leaves out more, the largest gaps first, down to kMinGap: there
// a request takes longer than the bytes.
inline constexpr std::uint64_t kMaxGap = 256 * 1024;
inline constexpr std::uint64_t kMinGap = 48 * 1024;
inline constexpr std::size_t kFewRequests = 24;
inline constexpr std::uint64_t kMaxRange = 8ULL << 20;  // one request

// What reading them costs in one round, where none is known yet; `wants` in any order.
struct RequestCount {
  std::uint64_t requests = 0, bytes = 0;
};
RequestCount count_requests(std::span<const PageWant> wants);

// The name under which the disk cache has a page.
BlockName block_name(const Id128& file, const PageRef& page);

struct PageRange;  // one request (page_reader.cc)

// Threads: any.
class PageReader {
 public:
  // `disk`: nullptr for none. All outlive the reader. `window_bytes`: as IndexOptions have it.
  PageReader(HeadLog& log, BlockCache& cache, DiskCache* disk, Executor& executor,
             std::uint64_t window_bytes = IndexOptions{}.window_bytes)
      : log_(log), cache_(cache), disk_(disk), executor_(executor), window_bytes_(window_bytes) {}

  // For callers that want many pages: so much of them in one call.
  [[nodiscard]] std::uint64_t window_bytes() const { return window_bytes_; }

  // One result or error a want, in order; in one round of requests for each window of what is read
  // for them. `trace` gets the round, requests and bytes that were
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
  // Which of `missing` are not on the disk either.
  std::vector<std::size_t> find_on_disk(std::span<const PageWant> wants,
                                        const std::vector<std::size_t>& missing,
                                        std::vector<Result<BlockPtr>>& out, SearchTrace* trace);
  void keep_on_disk(std::span<const PageWant> wants, const std::vector<std::size_t>& fetched,
                    const std::vector<Result<BlockPtr>>& out, Keep keep);
  void fetch(const Head& head, std::span<const PageWant> wants,
             const std::vector<std::size_t>& missing, std::vector<Result<BlockPtr>>& out,
             SearchTrace* trace, Deadline deadline);
  void fetch_round(const Head& head, std::span<const PageWant> wants,
                   std::span<const PageRange> ranges, std::vector<Result<BlockPtr>>& out,
                   SearchTrace* trace, Deadline deadline);

  HeadLog& log_;
  BlockCache& cache_;
  DiskCache* disk_;
  Executor& executor_;
  std::uint64_t window_bytes_;
};

}  // namespace kedge
