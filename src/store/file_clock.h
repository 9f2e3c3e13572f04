// The clock of the file system that a folder lies on: the modification time that it gives to a file
// touched now. On a network file system that is the server's clock, whoever asks.
//
// Where nothing can be touched (no permission, read-only, disk full): a file system of this kernel
// is stamped with this kernel's own coarse clock, which is then read directly, one tick early at
// most. Any other file system has no clock we could read, and now() says kDenied.
//
// Threads: any method, from any thread.
#pragma once

#include <functional>
#include <mutex>

#include "base/clock.h"
#include "base/result.h"
#include "store/posix_file.h"

namespace kedge {

class FileClock {
 public:
  // `open_scratch` makes a new file on the file system of the store, unlinks it and returns it open
  // for writing; none where that cannot be done.
  using OpenScratch = std::function<UniqueFd()>;

  // At or after the mtime of every write that ended before the call (but for one tick where nothing
  // can be touched), at or before that of every write that begins after it. `root` is the store's
  // folder.
  Result<Timestamp> now(int root, const OpenScratch& open_scratch);

 private:
  Result<Timestamp> touch();

  std::mutex mutex_;
  UniqueFd scratch_;
};

}  // namespace kedge
