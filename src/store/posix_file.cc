#include "store/posix_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

#include "base/errno_text.h"
#include "base/hash.h"
#include "base/strings.h"

namespace kedge {
namespace {

// Component by component, for kernels before 5.6 and sandboxes that hide openat2.
UniqueFd open_by_walking(int root, const std::string& path, int flags, mode_t mode) {
  UniqueFd folder;
  std::size_t at = 0;
  while (true) {
    const std::size_t slash = path.find('/', at);
    const int base = folder.valid() ? folder.get() : root;
    if (slash == std::string::npos)
      return UniqueFd(::openat(base, path.c_str() + at, flags | O_NOFOLLOW | O_CLOEXEC, mode));
    const std::string component = path.substr(at, slash - at);
    UniqueFd next(::openat(base, component.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.valid()) {
      // O_DIRECTORY reports a symlink as ENOTDIR; say what it is.
      struct stat found {};
      const int error = errno;
      const bool link = ::fstatat(base, component.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISLNK(found.st_mode);
      errno = link ? ELOOP : error;
      return next;
    }
    folder = std::move(next);
    at = slash + 1;
  }
}

Code code_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
      return Code::kDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return Code::kExhausted;
    case ENAMETOOLONG:
      return Code::kInvalid;
    default:
      return Code::kUnavailable;
  }
}

}  // namespace

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Error errno_error(int error, std::string_view action, std::string_view name) {
  std::string reason = error == ELOOP ? "it is or lies behind a symbolic link" : errno_text(error);
  return {code_of(error), str_cat("cannot ", action, " '", printable(name), "': ", reason)};
}

UniqueFd open_beneath(int root, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
  // EPERM: what seccomp filters answer for calls they do not know. The walk gives the true error.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EAGAIN))
    return open_by_walking(root, path, flags, mode);
  return UniqueFd(static_cast<int>(fd));
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view leaf_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

Status read_exactly(int fd, std::uint64_t offset, std::span<std::byte> out, std::string_view name) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "read", name);
    if (got == 0)
      return {Code::kUnavailable, str_cat("'", printable(name), "' ended at byte ", offset + done,
                                          " while it was read")};
    done += static_cast<std::size_t>(got);
  }
  return {};
}

Status write_all(int fd, ByteView body, std::string_view name) {
  while (!body.empty()) {
    const ssize_t put = ::write(fd, body.data(), body.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno_error(errno, "write", name);
    body = body.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<std::string> hash_file(int fd, std::uint64_t size, std::string_view name) {
  static constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  Bytes piece(static_cast<std::size_t>(std::min<std::uint64_t>(size, kPieceBytes)));
  Xxh3Stream hash;
  for (std::uint64_t at = 0; at < size;) {
    const auto part = std::span(piece).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(size - at, piece.size())));
    KEDGE_TRY(read_exactly(fd, at, part, name));
    hash.update(part);
    at += part.size();
  }
  return hash.finish().hex();
}

Timestamp timestamp_of(const timespec& time) {
  return {static_cast<std::int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000};
}

bool stamped_by_this_kernel(int fd) {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) return false;
  static constexpr std::uint32_t kXfs = 0x58465342;
  static constexpr std::uint32_t kZfs = 0x2FC12FC1;
  static constexpr std::uint32_t kBcachefs = 0xCA451A4E;
  static constexpr std::uint32_t kErofs = 0xE0F5E1E2;
  switch (static_cast<std::uint32_t>(info.f_type)) {
    case EXT4_SUPER_MAGIC:
    case kXfs:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case SQUASHFS_MAGIC:
    case ISOFS_SUPER_MAGIC:
    case MSDOS_SUPER_MAGIC:
    case kZfs:
    case kBcachefs:
    case kErofs:
      return true;
    default:
      return false;
  }
}

Timestamp kernel_file_clock() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return timestamp_of(time);
}

}  // namespace kedge
