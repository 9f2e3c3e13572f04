#include "store/block_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "store/posix_file.h"

namespace kedge {
namespace {

constexpr std::string_view kTemporary = "tmp-";
constexpr std::string_view kHex = "0123456789abcdef";

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

timespec timespec_of(Timestamp time) {
  return {.tv_sec = time.micros / 1'000'000, .tv_nsec = time.micros % 1'000'000 * 1000};
}

// Marks the open file as used; where the file system refuses, it only goes earlier.
void renew(int fd, const struct stat& found, Timestamp now) {
  if (now - timestamp_of(found.st_mtim) < kRenewUse) return;
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, timespec_of(now)};
  (void)::futimens(fd, times);
}

Status make_folders(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return errno_error(errno, "make the folder", part);
    if (at == std::string::npos) return {};
  }
}

// "<hh>" for the 256 values.
std::string shard_name(unsigned shard) { return {kHex[shard / 16], kHex[shard % 16]}; }

bool is_block_name(std::string_view name) {
  return name.size() > 32 && name[32] == '-' &&
         name.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

class FolderBlockFiles final : public BlockFiles {
 public:
  FolderBlockFiles(std::string folder, Random& random)
      : folder_(std::move(folder)), random_(random) {}

  Result<Bytes> read(const std::string& name, std::uint64_t size_bytes, Timestamp now) override {
    const UniqueFd fd(::open(path(name).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!fd.valid()) return errno_error(errno, "open", path(name));
    struct stat found {};
    if (::fstat(fd.get(), &found) != 0) return errno_error(errno, "read", path(name));
    if (!S_ISREG(found.st_mode) || static_cast<std::uint64_t>(found.st_size) != size_bytes)
      return {Code::kCorrupt, str_cat(printable(name), ": not a file of ", size_bytes, " bytes")};
    Bytes body(static_cast<std::size_t>(size_bytes));
    KEDGE_TRY(read_exactly(fd.get(), 0, body, name));
    renew(fd.get(), found, now);
    return body;
  }

  bool contains(const std::string& name, std::uint64_t size_bytes, Timestamp now) override {
    const UniqueFd fd(::open(path(name).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    struct stat found {};
    if (!fd.valid() || ::fstat(fd.get(), &found) != 0) return false;
    if (!S_ISREG(found.st_mode) || static_cast<std::uint64_t>(found.st_size) != size_bytes)
      return false;
    renew(fd.get(), found, now);
    return true;
  }

  Status write(const std::string& name, ByteView body, Timestamp now) override {
    const std::string shard(parent_of(name));
    const std::string temporary = str_cat(shard, "/", kTemporary, random_name());
    UniqueFd fd = create(temporary);
    if (!fd.valid() && errno == ENOENT) {
      KEDGE_TRY(make_folders(path(shard)));
      fd = create(temporary);
    }
    if (!fd.valid()) return errno_error(errno, "write", path(temporary));
    Status written = write_all(fd.get(), body, path(temporary));
    const timespec times[2] = {timespec_of(now), timespec_of(now)};
    (void)::futimens(fd.get(), times);
    fd.reset();
    if (written.ok() && ::rename(path(temporary).c_str(), path(name).c_str()) != 0)
      written = errno_error(errno, "write", path(name));
    if (!written.ok()) (void)::unlink(path(temporary).c_str());
    return written;
  }

  Status remove(const std::string& name) override {
    if (::unlink(path(name).c_str()) != 0 && errno != ENOENT)
      return errno_error(errno, "remove", path(name));
    return {};
  }

  Result<std::vector<BlockFile>> list(Timestamp now) override {
    std::vector<BlockFile> out;
    for (unsigned shard = 0; shard < 256; ++shard) {
      const Status listed = list_shard(shard_name(shard), now, out);
      if (!listed.ok() && listed.code() != Code::kNotFound) return listed.error();
    }
    return out;
  }

  Result<std::uint64_t> add_used(std::int64_t units) override {
    // A byte a unit: appending is the one way to count that needs no lock between processes.
    const UniqueFd fd(
        ::open(path("used").c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!fd.valid()) return errno_error(errno, "open", path("used"));
    if (units > 0) {
      const Bytes zeros(static_cast<std::size_t>(units));
      KEDGE_TRY(write_all(fd.get(), zeros, path("used")));
    }
    struct stat found {};
    if (::fstat(fd.get(), &found) != 0) return errno_error(errno, "read", path("used"));
    if (units >= 0) return static_cast<std::uint64_t>(found.st_size);
    const off_t left = std::max<off_t>(0, found.st_size + units);
    if (::ftruncate(fd.get(), left) != 0) return errno_error(errno, "shorten", path("used"));
    return static_cast<std::uint64_t>(left);
  }

  Status begin_used(std::uint64_t units) override {
    KEDGE_TRY(make_folders(folder_));
    const UniqueFd fd(
        ::open(path("used").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.valid() && errno == EEXIST) return {};
    if (!fd.valid()) return errno_error(errno, "write", path("used"));
    if (::ftruncate(fd.get(), static_cast<off_t>(units)) != 0)
      return errno_error(errno, "write", path("used"));
    return {};
  }

  [[nodiscard]] std::string describe() const override { return folder_; }

 private:
  [[nodiscard]] std::string path(std::string_view name) const {
    return str_cat(folder_, "/", name);
  }

  [[nodiscard]] UniqueFd create(const std::string& name) const {
    return UniqueFd(
        ::open(path(name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  }

  std::string random_name() {
    const std::lock_guard lock(mutex_);
    return Id128::random(random_).hex();
  }

  Status list_shard(const std::string& shard, Timestamp now, std::vector<BlockFile>& out) {
    const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path(shard).c_str()));
    if (folder == nullptr) return errno_error(errno, "list", path(shard));
    while (const dirent* entry = ::readdir(folder.get())) {
      const std::string_view leaf = entry->d_name;
      const bool temporary = leaf.starts_with(kTemporary);
      if (!temporary && !is_block_name(leaf)) continue;
      struct stat found {};
      if (::fstatat(::dirfd(folder.get()), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0)
        continue;  // it went meanwhile
      if (!S_ISREG(found.st_mode)) continue;
      const Timestamp used = timestamp_of(found.st_mtim);
      if (!temporary) {
        out.push_back({str_cat(shard, "/", leaf), static_cast<std::uint64_t>(found.st_size), used});
      } else if (now - used > kStaleBlockTemporary) {
        (void)::unlinkat(::dirfd(folder.get()), entry->d_name, 0);
      }
    }
    return {};
  }

  const std::string folder_;
  std::mutex mutex_;  // guards random_
  Random& random_;
};

}  // namespace

Result<std::unique_ptr<BlockFiles>> open_block_files(std::string folder, Random& random) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  struct stat found {};
  if (::stat(folder.c_str(), &found) == 0) {
    if (!S_ISDIR(found.st_mode))
      return {Code::kDenied, str_cat(printable(folder), " is not a folder")};
    if (found.st_uid != ::geteuid() || (found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
      return {Code::kDenied, str_cat(printable(folder),
                                     " belongs to another user, or others may write to it: what "
                                     "lies there cannot be trusted")};
    }
  } else if (errno != ENOENT) {
    return errno_error(errno, "open", folder);
  }
  return std::unique_ptr<BlockFiles>(std::make_unique<FolderBlockFiles>(std::move(folder), random));
}

}  // namespace kedge
