// Reads packs of the embedding cache in few, joined ranges and bounded memory. What is damaged is
// reported and counts as absent: a wrong vector is never returned.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "format/pack.h"
#include "store/object_store.h"

namespace kedge {

// Pieces of one pack that lie closer than this are read as one range, up to kMaxJoinedBytes.
inline constexpr std::uint64_t kMaxPackGap = 64 << 10;
inline constexpr std::uint64_t kMaxJoinedBytes = 4 << 20;
// Hashes looked up together: bounds what one lookup holds in memory.
inline constexpr std::size_t kLookupGroup = 1024;

class PackReader {
 public:
  // `prefix`: of the cache's space, ends with '/'.
  PackReader(ObjectStore& store, std::string prefix, Log& log, std::uint64_t memory_bytes)
      : store_(store), prefix_(std::move(prefix)), log_(log), memory_bytes_(memory_bytes) {}

  using Vectors = std::vector<std::optional<std::vector<std::uint16_t>>>;
  // At most three rounds of reads for each kLookupGroup: heads of packs not seen before, index
  // blocks, rows. kUnavailable and the like as the store's.
  Result<Vectors> lookup(const CacheState& state, std::span<const Id128> hashes, Deadline deadline);

  // Given the rows of a pack in their order, without those that are damaged; none where its head or
  // its index is. Holds the pack and 20 bytes a row.
  using TakeRow = std::function<void(const Id128& hash, std::span<const std::uint16_t> vector)>;
  Status read_whole(const CacheState& state, const PackName& pack, const TakeRow& take,
                    Deadline deadline);

  // Packs that were not there, or whose head is damaged, when they were asked for.
  [[nodiscard]] const std::set<Id128>& missing() const { return missing_; }
  [[nodiscard]] const std::set<Id128>& damaged() const { return damaged_; }
  void forget_missing() { missing_.clear(); }

 private:
  struct Piece {
    std::size_t pack = 0;      // in the state
    std::uint32_t number = 0;  // of a block or a row
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    auto operator<=>(const Piece&) const = default;
  };
  struct Place {  // of a wanted row
    std::size_t pack = 0;
    std::uint32_t row = 0;
  };
  using BlockKey = std::pair<Id128, std::uint32_t>;

  Status load_heads(const CacheState& state, Deadline deadline);
  Status load_blocks(const CacheState& state, std::span<const Id128> hashes, Deadline deadline);
  std::optional<Place> find(const CacheState& state, const Id128& hash) const;
  Status load_rows(const CacheState& state, std::span<const Id128> hashes,
                   std::span<std::optional<std::vector<std::uint16_t>>> out, Deadline deadline);
  // Reads the pieces, joined; `use` gets each one's bytes (shorter if the file ends), and is not
  // called for those of a pack that is missing; what it returns ends the reading. Sorts `pieces`.
  template <typename Use>
  Status read_pieces(const CacheState& state, std::vector<Piece>& pieces, Deadline deadline,
                     Use use);
  const PackHead* head_of(const PackName& pack) const;
  // What is damaged is told and counts as absent. What memory does not suffice for is there: the
  // error is returned, else it would be paid for again, and a compaction would drop it.
  Status leave_out(const PackName& pack, const Error& error);
  void keep_within_memory();

  ObjectStore& store_;
  std::string prefix_;
  Log& log_;
  std::uint64_t memory_bytes_;
  std::map<Id128, PackHead> heads_;
  std::map<BlockKey, std::vector<PackEntry>> blocks_;
  std::uint64_t head_bytes_ = 0;
  std::uint64_t block_bytes_ = 0;
  std::set<Id128> missing_;
  std::set<Id128> damaged_;
};

}  // namespace kedge
