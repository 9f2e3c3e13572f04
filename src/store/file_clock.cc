#include "store/file_clock.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace kedge {

// UTIME_NOW leaves the time to whoever keeps the file: the server, on a network file system.
Result<Timestamp> FileClock::touch() {
  const timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  struct stat info {};
  if (::futimens(scratch_.get(), times) != 0 || ::fstat(scratch_.get(), &info) != 0)
    return errno_error(errno, "touch", "scratch file");
  return timestamp_of(info.st_mtim);
}

Result<Timestamp> FileClock::now(int root, const OpenScratch& open_scratch) {
  {
    const std::lock_guard lock(mutex_);
    // Twice: a server may have forgotten the file (ESTALE).
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (!scratch_.valid()) scratch_ = open_scratch();
      if (!scratch_.valid()) break;
      if (Result<Timestamp> time = touch(); time.ok()) return time;
      scratch_.reset();
    }
  }
  if (stamped_by_this_kernel(root)) return kernel_file_clock();
  return {Code::kDenied,
          "the clock of this file system cannot be read without permission to write to the folder"};
}

}  // namespace kedge
