// A set of listed objects, sorted by key on local disk: listings may come unordered and larger than
// memory. Sorted runs of at most the memory limit are compressed (zstd) into one unlinked temporary
// file and merged when read. Nothing is written while all fits in memory. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/object_store.h"

namespace kedge {

class Spill {
 public:
  // `folder` must exist. `memory_bytes` bounds what is held unsorted; reading takes one frame a run
  // beyond it.
  Spill(std::string folder, std::size_t memory_bytes);
  ~Spill();
  Spill(const Spill&) = delete;
  Spill& operator=(const Spill&) = delete;

  // kExhausted: the disk is full, by name of the folder.
  Status add(ObjectInfo info);
  // No more additions.
  Status seal();
  [[nodiscard]] std::uint64_t size() const { return added_; }  // duplicates included
  [[nodiscard]] std::uint64_t spilled_bytes() const { return file_size_; }

  class Reader {
   public:
    virtual ~Reader() = default;
    // In key order, each key once (of duplicates the one modified last); nullopt at the end.
    virtual Result<std::optional<ObjectInfo>> next() = 0;
  };
  // Any number of readers, after seal(); they must not outlive the spill.
  std::unique_ptr<Reader> read() const;

  struct Frame {
    std::uint64_t offset = 0;
    std::uint32_t stored_bytes = 0;
    std::uint32_t raw_bytes = 0;
  };
  struct Run {
    std::vector<Frame> frames;
    std::string last_key;
  };

 private:
  Status flush();
  Status write_frame(Run& run, ByteView raw);

  std::string folder_;
  std::size_t memory_bytes_;
  std::vector<ObjectInfo> buffer_;
  std::size_t buffer_bytes_ = 0;
  std::vector<Run> runs_;
  std::uint64_t added_ = 0;
  std::uint64_t file_size_ = 0;
  int file_ = -1;
};

}  // namespace kedge
