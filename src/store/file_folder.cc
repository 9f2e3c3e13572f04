#include "store/file_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/hash.h"
#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::size_t kMaxDurableFolders = 65'536;
constexpr std::uint64_t kPieceBytes = 8ULL << 20;
constexpr Duration kFirstLockWait{100};
constexpr Duration kMaxLockWait{10'000};

std::string lexical_parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// As `mkdir -p`, each new entry made durable.
Status make_root(const std::string& path, bool sync) {
  if (::mkdir(path.c_str(), 0777) != 0) {
    if (errno == EEXIST) return {};
    if (errno != ENOENT) return errno_error(errno, "make folder", path);
    const std::string parent = lexical_parent(path);
    if (parent == path) return errno_error(ENOENT, "make folder", path);
    KEDGE_TRY(make_root(parent, sync));
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST)
      return errno_error(errno, "make folder", path);
  }
  if (!sync) return {};
  const UniqueFd parent(::open(lexical_parent(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid() || ::fsync(parent.get()) != 0) {
    // A folder that may be entered but not read cannot be synced; its owner made it durable.
    if (errno != EACCES) return errno_error(errno, "sync folder", lexical_parent(path));
  }
  return {};
}

// Whether the file, which has none, has this name now. Not where it lies in another file system.
bool give_name(int file, std::uint64_t size, int folder, const std::string& name) {
  struct stat info {};
  if (file < 0 || ::fstat(file, &info) != 0) return false;
  if (static_cast<std::uint64_t>(info.st_size) != size) return false;
  return ::linkat(AT_FDCWD, str_cat("/proc/self/fd/", file).c_str(), folder, name.c_str(),
                  AT_SYMLINK_FOLLOW) == 0;
}

}  // namespace

FileFolder::Temporary::~Temporary() {
  if (folder_ >= 0) ::unlinkat(folder_, name_.c_str(), 0);
}

Result<int> FileFolder::root_locked() {
  if (root_.valid()) return root_.get();
  root_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root_.valid()) return root_.get();
  if (errno == ENOTDIR)
    return {Code::kInvalid, str_cat("'", printable(path_), "' is not a folder")};
  return errno_error(errno, "open folder", path_);
}

Result<int> FileFolder::root() {
  const std::lock_guard lock(mutex_);
  return root_locked();
}

Result<int> FileFolder::root_for_write() {
  if (options_.read_only)
    return {Code::kDenied, str_cat("folder '", printable(path_), "' was opened read-only")};
  const std::lock_guard lock(mutex_);
  Result<int> root = root_locked();
  if (root.ok() || root.code() != Code::kNotFound) return root;
  KEDGE_TRY(make_root(path_, options_.sync));
  return root_locked();
}

std::string FileFolder::random_name() {
  const std::lock_guard lock(mutex_);
  return Id128::random(random_).hex();
}

Result<int> FileFolder::own_folder(UniqueFd& held, const char* name) {
  const int root = KEDGE_TRY(root_for_write());
  const std::lock_guard lock(mutex_);
  if (held.valid()) return held.get();
  held = open_beneath(root, name, O_RDONLY | O_DIRECTORY);
  if (!held.valid() && errno == ENOENT) {
    if (::mkdirat(root, name, 0777) != 0 && errno != EEXIST)
      return errno_error(errno, "make folder", name);
    held = open_beneath(root, name, O_RDONLY | O_DIRECTORY);
  }
  if (!held.valid()) return errno_error(errno, "open folder", name);
  return held.get();
}

Result<Timestamp> FileFolder::now() {
  Result<int> opened = root();
  if (!opened.ok() && opened.code() == Code::kNotFound) {
    std::string above = path_;
    UniqueFd folder;
    while (!folder.valid() && above != "/" && above != ".") {
      above = lexical_parent(above);
      folder = UniqueFd(::open(above.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    if (folder.valid() && stamped_by_this_kernel(folder.get())) return kernel_file_clock();
  }
  const int folder = KEDGE_TRY(std::move(opened));
  return file_clock_.now(folder, [this] {
    Result<int> scratch = own_folder(temporary_folder_, ".tmp");
    if (!scratch.ok()) return UniqueFd();
    const std::string name = random_name();
    UniqueFd file(::openat(*scratch, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.valid()) ::unlinkat(*scratch, name.c_str(), 0);
    return file;
  });
}

Result<FileFolder::Temporary> FileFolder::write_temporary(ByteView body, const Written& written,
                                                          int unnamed) {
  const int folder = KEDGE_TRY(own_folder(temporary_folder_, ".tmp"));
  std::string name = random_name();
  const bool named = give_name(unnamed, body.size(), folder, name);
  const UniqueFd file(
      named ? ::fcntl(unnamed, F_DUPFD_CLOEXEC, 0)
            : ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.valid()) return errno_error(errno, "create temporary file in", path_);
  Temporary temporary(folder, std::move(name));
  for (std::uint64_t at = 0; at < body.size(); at += kPieceBytes) {
    const ByteView piece = body.subspan(at, std::min<std::uint64_t>(kPieceBytes, body.size() - at));
    if (!named) KEDGE_TRY(write_all(file.get(), piece, temporary.name_));
    if (written) written(at, piece);
  }
  // It was written to before it came, and what is in a store has the time at which it did.
  if (named && ::futimens(file.get(), nullptr) != 0)
    return errno_error(errno, "date temporary file in", path_);
  if (options_.sync && ::fsync(file.get()) != 0)
    return errno_error(errno, "sync temporary file in", path_);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0)
    return errno_error(errno, "look at temporary file in", path_);
  temporary.mtime = timestamp_of(info.st_mtim);
  return temporary;
}

Status FileFolder::make_folders(int root, const std::string& folder) {
  for (std::size_t slash = 0; slash != std::string::npos;) {
    slash = folder.find('/', slash + 1);
    const std::string path = folder.substr(0, slash);
    const UniqueFd parent = open_beneath(
        root, path == leaf_of(path) ? "." : std::string(parent_of(path)), O_PATH | O_DIRECTORY);
    if (!parent.valid()) return errno_error(errno, "open folder above", path);
    if (::mkdirat(parent.get(), std::string(leaf_of(path)).c_str(), 0777) != 0 && errno != EEXIST)
      return errno_error(errno, "make folder", path);
  }
  return {};
}

Result<UniqueFd> FileFolder::open_parent(std::string_view key, bool make) {
  const int root = KEDGE_TRY(make ? root_for_write() : this->root());
  const std::string folder = parent_of(key).empty() ? "." : std::string(parent_of(key));
  UniqueFd parent = open_beneath(root, folder, O_PATH | O_DIRECTORY);
  if (!parent.valid() && errno == ENOENT && make) {
    KEDGE_TRY(make_folders(root, folder));
    parent = open_beneath(root, folder, O_PATH | O_DIRECTORY);
  }
  if (parent.valid()) return parent;
  if (errno == ENOTDIR && make)
    return {Code::kInvalid, str_cat("a part of '", printable(key), "' is a key of its own")};
  return errno_error(errno, "open the folder of", key);
}

Status FileFolder::replace(Temporary& body, std::string_view key) {
  const UniqueFd parent = KEDGE_TRY(open_parent(key, true));
  const std::string leaf(leaf_of(key));
  if (::renameat(body.folder_, body.name_.c_str(), parent.get(), leaf.c_str()) != 0) {
    if (errno == EISDIR)
      return {Code::kInvalid, str_cat("'", printable(key), "' is a part of other keys")};
    // ENOENT: the temporary file is gone, swept away by another process after a day.
    if (errno == ENOENT)
      return {Code::kUnavailable, str_cat("cannot write '", printable(key), "': it took too long")};
    return errno_error(errno, "write", key);
  }
  body.folder_ = -1;
  return {};
}

Status FileFolder::create(Temporary& body, std::string_view key) {
  const UniqueFd parent = KEDGE_TRY(open_parent(key, true));
  const std::string leaf(leaf_of(key));
  if (::linkat(body.folder_, body.name_.c_str(), parent.get(), leaf.c_str(), 0) == 0) return {};
  if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) {
    // File systems without hard links.
    if (::syscall(SYS_renameat2, body.folder_, body.name_.c_str(), parent.get(), leaf.c_str(),
                  RENAME_NOREPLACE) == 0) {
      body.folder_ = -1;
      return {};
    }
  }
  if (errno == EEXIST) {
    struct stat found {};
    if (::fstatat(parent.get(), leaf.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(found.st_mode))
      return {Code::kInvalid, str_cat("'", printable(key), "' is a part of other keys")};
    return {Code::kConflict, str_cat("'", printable(key), "' exists already")};
  }
  if (errno == ENOENT)
    return {Code::kUnavailable, str_cat("cannot create '", printable(key), "': it took too long")};
  return errno_error(errno, "create", key);
}

Result<bool> FileFolder::exists(std::string_view key) {
  Result<UniqueFd> parent = open_parent(key, false);
  if (!parent.ok()) {
    if (parent.code() == Code::kNotFound) return false;
    return std::move(parent).error();
  }
  struct stat found {};
  return ::fstatat(parent->get(), std::string(leaf_of(key)).c_str(), &found, AT_SYMLINK_NOFOLLOW) ==
             0 &&
         !S_ISDIR(found.st_mode);
}

Status FileFolder::remove(std::string_view key) {
  if (options_.read_only)
    return {Code::kDenied, str_cat("folder '", printable(path_), "' was opened read-only")};
  Result<UniqueFd> parent = open_parent(key, false);
  if (!parent.ok()) {
    if (parent.code() == Code::kNotFound) return {};
    return std::move(parent).error();
  }
  // EISDIR: the name is a folder, so it is not there as a key.
  if (::unlinkat(parent->get(), std::string(leaf_of(key)).c_str(), 0) != 0 && errno != ENOENT &&
      errno != EISDIR)
    return errno_error(errno, "remove", key);
  return {};
}

Status FileFolder::sync_one(int root, const std::string& folder) {
  const UniqueFd opened = open_beneath(root, folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
  if (opened.valid() && ::fsync(opened.get()) == 0) return {};
  if (errno == ENOENT) return {};  // remove() of a key whose folder never was
  return {Code::kUnavailable, errno_error(errno, "sync folder", folder).message};
}

std::map<std::string, Status, std::less<>> FileFolder::sync(const std::set<std::string>& folders) {
  std::map<std::string, Status, std::less<>> statuses;
  if (!options_.sync) return statuses;
  const Result<int> root = this->root();
  if (!root.ok()) return statuses;  // nothing was ever written
  for (const std::string& folder : folders) {
    Status status = sync_one(*root, folder);
    // Its own entry may be new, made by us or by another process a moment ago.
    for (std::string above = folder; status.ok() && !above.empty();) {
      {
        const std::lock_guard lock(mutex_);
        if (durable_.contains(above)) break;
      }
      above = parent_of(above);
      status = sync_one(*root, above);
    }
    if (status.ok()) {
      const std::lock_guard lock(mutex_);
      if (durable_.size() >= kMaxDurableFolders) durable_.clear();
      durable_.insert(folder);
    }
    statuses.emplace(folder, std::move(status));
  }
  return statuses;
}

Status FileFolder::sync_parent(std::string_view key) {
  for (auto& [folder, status] : sync({std::string(parent_of(key))}))
    if (!status.ok()) return status;
  return {};
}

Result<UniqueFd> FileFolder::lock(std::string_view key, Deadline deadline) {
  const int folder = KEDGE_TRY(own_folder(lock_folder_, ".lock"));
  const std::string name = xxh3_128(as_bytes(key)).hex();
  UniqueFd file(::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!file.valid()) return errno_error(errno, "open the lock of", key);
  // Polled, for flock has no deadline and the holder may be a process that was stopped.
  for (Duration wait = kFirstLockWait;; wait = std::min(wait * 2, kMaxLockWait)) {
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
    if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
      return {Code::kUnsupported,
              str_cat("the file system of '", printable(path_), "' has no locks (flock)")};
    if (errno != EWOULDBLOCK && errno != EINTR) return errno_error(errno, "lock", key);
    if (deadline.passed(clock_))
      return {Code::kUnavailable,
              str_cat("'", printable(key), "' was locked by another writer until the deadline")};
    clock_.sleep(wait);
  }
}

void FileFolder::sweep() {
  const Result<Timestamp> time = now();
  if (!time.ok()) return;
  {
    const std::lock_guard lock(mutex_);
    if (*time < next_sweep_) return;
    next_sweep_ = *time + kSweepInterval;
  }
  const Result<int> folder = own_folder(temporary_folder_, ".tmp");
  if (!folder.ok()) return;
  const int copy = ::openat(*folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(copy), &::closedir);
  if (entries == nullptr) {
    ::close(copy);
    return;
  }
  while (const dirent* entry = ::readdir(entries.get())) {
    struct stat info {};
    if (::fstatat(*folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(info.st_mode) && timestamp_of(info.st_mtim) < *time - kStaleTemporary)
      ::unlinkat(*folder, entry->d_name, 0);
  }
}

}  // namespace kedge
