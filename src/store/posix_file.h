// What the stores on file systems share: descriptors, errors, opening beneath a folder, whole reads
// and writes. Nothing here follows a symlink below the folder it is given.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace kedge {

// Owns a file descriptor; -1 for none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// An errno as an error: "cannot <action> '<name>': <reason>". ENOENT and ENOTDIR are kNotFound;
// EACCES, EPERM, EROFS and ELOOP (a symlink) kDenied; ENOSPC, EDQUOT, EFBIG and no more
// descriptors kExhausted; ENAMETOOLONG kInvalid; anything else kUnavailable.
Error errno_error(int error, std::string_view action, std::string_view name);

// The largest body that one read returns: more than any file of an index, and a guard against
// sparse giants.
inline constexpr std::uint64_t kMaxBodyBytes = std::uint64_t{2} << 30;

// Opens `path`, relative and without "." or "..", beneath `root`: no component may be a symlink.
// Negative with errno set on failure (ELOOP for a symlink); close-on-exec always.
UniqueFd open_beneath(int root, const std::string& path, int flags, mode_t mode = 0);

// "a/b" of "a/b/c", "" of "c"; and "c" of both.
std::string_view parent_of(std::string_view path);
std::string_view leaf_of(std::string_view path);

// Reads exactly `out.size()` bytes at `offset`. kUnavailable if the file ends before.
Status read_exactly(int fd, std::uint64_t offset, std::span<std::byte> out, std::string_view name);
Status write_all(int fd, ByteView body, std::string_view name);

// The XXH3-128 of a whole file, read in pieces, as hexadecimal.
Result<std::string> hash_file(int fd, std::uint64_t size, std::string_view name);

Timestamp timestamp_of(const timespec& time);

// Whether the file system of `fd` is one of those that this kernel itself keeps and stamps with its
// own coarse clock (ext4, xfs, btrfs, tmpfs, overlay ...). False for network file systems, FUSE and
// what is not known.
bool stamped_by_this_kernel(int fd);

// The clock that this kernel stamps files with.
Timestamp kernel_file_clock();

}  // namespace kedge
