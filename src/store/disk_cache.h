// Blocks of immutable files on a local disk, so that the next process need not fetch them again.
// One file a block, named by what it holds: nothing is ever invalidated, and indexes, endpoints and
// processes may share a folder, since file ids are random.
//
// * A block is checked against its CRC-32C each time it is read: one that is damaged is removed and
//   counts as missing.
// * The folder stays under its limit: the least recently used go first. The count of what it holds
//   is shared by the processes; a listing puts it right each time it reaches the limit. Over it by
//   at most what other processes are writing in that moment.
// * It may be deleted at any time. Where it cannot be written to, because the disk is full or read
//   only, that is said once, and tried again a minute later.
// * No error reaches the caller: what is not here is read from the store.
//
// Threads and processes: any. No lock is held while files are read or written.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/block_files.h"

namespace kedge {

struct BlockName {
  Id128 file;
  std::uint64_t offset = 0;
  std::uint32_t size_bytes = 0;
  std::uint32_t crc = 0;  // CRC-32C of its bytes
};

struct BlockEntry {
  BlockName name;
  ByteView body;  // borrowed for the call
};

struct DiskCacheCounts {
  std::uint64_t hits = 0, hit_bytes = 0, misses = 0, damaged = 0;
  std::uint64_t written = 0, written_bytes = 0, evicted = 0;
};

// What a file takes on most file systems, and what the count is in.
inline constexpr std::uint64_t kDiskUnitBytes = 4096;
inline constexpr Duration kDiskRetry = std::chrono::minutes(1);
// What a scan does not push out: blocks used since then.
inline constexpr Duration kDiskIdle = std::chrono::hours(24);
// Of the limit: a block that is larger is not kept, and no more is written in one go.
inline constexpr std::uint64_t kDiskShare = 16;

// What may go for a block.
enum class MakeRoom : std::uint8_t {
  kOldest,  // what was not used for longest
  kIdle,    // only what was not used for kDiskIdle: of a scan, which may be of more than fits
};

class DiskCache {
 public:
  // All but `files` outlive it.
  DiskCache(std::unique_ptr<BlockFiles> files, std::uint64_t max_bytes, Clock& clock,
            Executor& executor, Log& log)
      : files_(std::move(files)),
        max_units_(max_bytes / kDiskUnitBytes),
        clock_(clock),
        executor_(executor),
        log_(log) {}

  // One a name, in order: the bytes, checked, or nothing.
  std::vector<std::optional<Bytes>> find(std::span<const BlockName> names);
  // Which of them are there, by name and size alone; they count as used.
  std::vector<bool> contains(std::span<const BlockName> names);
  // Keeps what there is room for, or can be made.
  void insert(std::span<const BlockEntry> entries, MakeRoom room);

  // What fits without anything being pushed out again while it is filled.
  [[nodiscard]] std::uint64_t usable_bytes() const { return low_units() * kDiskUnitBytes; }
  // Whether a block is small enough to be kept at all.
  [[nodiscard]] bool keeps(std::uint64_t size_bytes) const {
    return units_of(size_bytes) <= max_units_ / kDiskShare;
  }
  // What a block of `size_bytes` takes of it.
  static std::uint64_t cost_bytes(std::uint64_t size_bytes) {
    return units_of(size_bytes) * kDiskUnitBytes;
  }
  [[nodiscard]] DiskCacheCounts counts() const;
  [[nodiscard]] std::string describe() const { return files_->describe(); }

 private:
  static std::uint64_t units_of(std::uint64_t size_bytes) {
    return size_bytes / kDiskUnitBytes + 1;
  }
  // Where an eviction ends.
  [[nodiscard]] std::uint64_t low_units() const { return max_units_ - max_units_ / 8; }
  // Counts `units` that are about to be written; whether there is room for them.
  bool reserve(std::uint64_t units, MakeRoom room);
  Result<std::uint64_t> count(std::uint64_t units);
  // Removes what may go until `pending` units, which the count holds already, fit; whether they do.
  Result<bool> evict(std::uint64_t pending, MakeRoom room);
  void write(std::span<const BlockEntry> entries);
  void give_up(const Error& error);

  const std::unique_ptr<BlockFiles> files_;
  const std::uint64_t max_units_;
  Clock& clock_;
  Executor& executor_;
  Log& log_;
  std::atomic<bool> evicting_{false};
  std::atomic<bool> warned_{false};
  std::atomic<std::int64_t> retry_at_micros_{0};  // of the monotonic clock: no writes before
  std::atomic<std::int64_t> scans_at_micros_{0};  // likewise: no writes of scans before
  std::atomic<std::uint64_t> hits_{0}, hit_bytes_{0}, misses_{0}, damaged_{0};
  std::atomic<std::uint64_t> written_{0}, written_bytes_{0}, evicted_{0};
};

}  // namespace kedge
