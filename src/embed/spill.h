// The embedding cache's local spill: vectors just paid for, appended and synced to disk before
// their pack is on the store. One file a process, locked while it lives; the file of a process that
// died is adopted by the next that opens the folder.
//
//   <folder>/<space id>.<random>.spill
//   header   64 bytes: magic "KGS1", version u16, zero u16, dimension u32, zero u32, space id,
//            zeros, CRC-32C of the 60 bytes before
//   records  hash (16), vector (dimension halves), CRC-32C of both
//
// A torn tail, or anything that fails its checksum, ends the file: what was acknowledged lies
// before.
//
// Threads: one at a time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "store/posix_file.h"

namespace kedge {

class VectorSpill {
 public:
  // Takes a vector that a dead process has left; false: no more are wanted now.
  using Adopt = std::function<bool(const Id128& hash, std::vector<std::uint16_t> vector)>;

  // Makes `folder` where it is missing, adopts, and makes this process's own file.
  static Result<std::unique_ptr<VectorSpill>> open(const std::string& folder, const Id128& space,
                                                   std::uint32_t dimension, Random& random,
                                                   Log& log, const Adopt& adopt);
  ~VectorSpill();
  VectorSpill(const VectorSpill&) = delete;
  VectorSpill& operator=(const VectorSpill&) = delete;

  // Appends and syncs. After an error nothing of this call may be relied on.
  Status append(std::span<const Id128> hashes, std::span<const std::vector<std::uint16_t>> vectors);
  static std::size_t record_bytes(std::uint32_t dimension);
  // Everything appended and adopted is on the store: empties the own file, removes the adopted.
  Status clear();

 private:
  struct File {
    std::string path;
    UniqueFd fd;
  };
  VectorSpill(Id128 space, std::uint32_t dimension) : space_(space), dimension_(dimension) {}

  Status make_own(const std::string& folder, Random& random);
  Status adopt_all(const std::string& folder, Log& log, const Adopt& adopt);
  Result<bool> adopt_one(File file, Log& log, const Adopt& adopt);
  [[nodiscard]] Bytes header() const;

  Id128 space_;
  std::uint32_t dimension_;
  File own_;
  std::uint64_t end_ = 0;  // of the own file's good records
  std::vector<File> adopted_;
};

}  // namespace kedge
