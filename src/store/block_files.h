// The files of a disk cache in a folder that several processes share. Knows nothing of budgets and
// checksums (disk_cache.h); an interface, so that a test can have a full or failing disk.
//
//   <hh>/<file id>-<offset>-<size>-<crc>   a block: its bytes and nothing else
//   <hh>/tmp-<random>                      one that is being written
//   used                                   as long as the folder holds units: see add_used()
//
// Any of these may go at any time, and the folder too. The folders are 0700 and the files 0600:
// they hold what a bucket shows to its readers only.
//
// Threads and processes: any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace kedge {

struct BlockFile {
  std::string name;  // "<hh>/..."
  std::uint64_t size_bytes = 0;
  Timestamp used;
};

class BlockFiles {
 public:
  virtual ~BlockFiles() = default;
  // The body of a file of exactly this size, which is used now. kNotFound: there is none; kCorrupt:
  // it has another size.
  virtual Result<Bytes> read(const std::string& name, std::uint64_t size_bytes, Timestamp now) = 0;
  // Whether there is one of this size; it is used now, if so.
  virtual bool contains(const std::string& name, std::uint64_t size_bytes, Timestamp now) = 0;
  // Written beside, then renamed: a reader sees all of it or nothing. Not synced: what a power
  // failure leaves behind fails its checksum. The folders are made where they are not there.
  virtual Status write(const std::string& name, ByteView body, Timestamp now) = 0;
  virtual Status remove(const std::string& name) = 0;
  // All blocks, in no order. Removes what writers that died left behind.
  virtual Result<std::vector<BlockFile>> list(Timestamp now) = 0;
  // The count of units that the folder holds, as all processes together kept it, after `units` were
  // added. kNotFound: there is no count (any more), and nothing was added.
  virtual Result<std::uint64_t> add_used(std::int64_t units) = 0;
  // Begins the count, unless another process just did.
  virtual Status begin_used(std::uint64_t units) = 0;
  [[nodiscard]] virtual std::string describe() const = 0;
};

// How old a mark of use may get before a use renews it: a write for each read would cost more than
// the read.
inline constexpr Duration kRenewUse = std::chrono::minutes(10);
inline constexpr Duration kStaleBlockTemporary = std::chrono::hours(1);

// `folder` need not exist. kDenied: it belongs to another user, or others may write to it, so that
// they could put their own bytes there. `random` outlives the files and is used under a lock.
Result<std::unique_ptr<BlockFiles>> open_block_files(std::string folder, Random& random);

}  // namespace kedge
