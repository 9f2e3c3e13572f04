#include "store/folder_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/strings.h"
#include "store/gitignore.h"
#include "store/posix_file.h"

namespace kedge {
namespace {

Tag tag_of(const struct stat& info) {
  ByteWriter out;
  for (const std::int64_t value :
       {static_cast<std::int64_t>(info.st_size), static_cast<std::int64_t>(info.st_mtim.tv_sec),
        static_cast<std::int64_t>(info.st_mtim.tv_nsec),
        static_cast<std::int64_t>(info.st_ctim.tv_sec),
        static_cast<std::int64_t>(info.st_ctim.tv_nsec), static_cast<std::int64_t>(info.st_ino),
        static_cast<std::int64_t>(info.st_dev)}) {
    out.put(value);
  }
  return Tag{xxh3_128(out.view()).hex()};
}

ObjectInfo info_of(std::string key, const struct stat& info) {
  ObjectInfo out;
  out.key = std::move(key);
  out.size = static_cast<std::uint64_t>(info.st_size);
  out.tag = tag_of(info);
  out.last_modified = timestamp_of(info.st_mtim);
  const Timestamp now = kernel_file_clock();
  out.racy =
      now - out.last_modified < kRacyWindow || now - timestamp_of(info.st_ctim) < kStampGranularity;
  return out;
}

Status check_key(const std::string& key) {
  const auto bad = [&] {
    return Status(Code::kInvalid, str_cat("'", printable(key), "' is no key of a folder"));
  };
  if (key.empty() || key.size() > 4096 || key.find('\0') != std::string::npos) return bad();
  std::string_view rest = key;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return bad();
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

// One folder that is being listed.
struct Level {
  DIR* directory = nullptr;
  std::string prefix;  // "" or ends with '/'
  IgnoreRules rules;
};

class FolderListing final : public Listing {
 public:
  FolderListing(int root, std::string prefix, const FolderStoreOptions& options, dev_t skip_device,
                ino_t skip_inode)
      : root_(root),
        prefix_(std::move(prefix)),
        options_(options),
        skip_device_(skip_device),
        skip_inode_(skip_inode) {}
  ~FolderListing() override {
    for (const Level& level : levels_) closedir(level.directory);
  }
  FolderListing(const FolderListing&) = delete;
  FolderListing& operator=(const FolderListing&) = delete;

  Result<std::vector<ObjectInfo>> next(Deadline) override {
    if (failed_) return *failed_;
    std::vector<ObjectInfo> out;
    if (options_.only_named) return std::exchange(started_, true) ? out : named_files();
    Status status = started_ ? Status() : enter(dup(root_), "");
    started_ = true;
    while (status.ok() && !levels_.empty() && out.size() < kMaxListPage) status = step(out);
    if (!status.ok()) {
      failed_ = status.error();
      return *failed_;
    }
    return out;
  }
  [[nodiscard]] bool ordered() const override { return false; }

 private:
  Status enter(int fd, const std::string& prefix) {
    if (fd < 0) return errno_error(errno, "list", prefix);
    if (levels_.size() >= kMaxFolderDepth) {
      close(fd);
      return {Code::kExhausted,
              str_cat("folder '", printable(prefix), "' is nested deeper than ", kMaxFolderDepth)};
    }
    DIR* directory = fdopendir(fd);
    if (directory == nullptr) return errno_error(errno, "list", prefix);
    rewinddir(directory);
    levels_.push_back({directory, prefix, {}});
    if (options_.gitignore)
      levels_.back().rules = KEDGE_TRY(read_rules(::dirfd(directory), prefix));
    return {};
  }

  // Without rules that are there, what they keep out would be read.
  static Result<IgnoreRules> read_rules(int folder, const std::string& prefix) {
    const UniqueFd file(
        openat(folder, ".gitignore", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file.valid()) {
      if (errno == ENOENT || errno == ELOOP || errno == ENXIO) return IgnoreRules();
      return errno_error(errno, "read", prefix + ".gitignore");
    }
    std::string text(kMaxIgnoreBytes, '\0');
    const ssize_t size = pread(file.get(), text.data(), text.size(), 0);
    return IgnoreRules::parse(
        std::string_view(text).substr(0, size > 0 ? static_cast<std::size_t>(size) : 0));
  }

  Result<std::vector<ObjectInfo>> named_files() {
    std::vector<ObjectInfo> out;
    for (const std::string& key : options_.named) {
      if (!key.starts_with(prefix_) || !check_key(key).ok()) continue;
      const UniqueFd file = open_beneath(root_, key, O_PATH | O_NOFOLLOW | O_CLOEXEC);
      struct stat info {};
      const bool seen = file.valid() && fstat(file.get(), &info) == 0;
      if (seen && S_ISREG(info.st_mode)) out.push_back(info_of(key, info));
      // A symlink in its way hides a file as it does in a walk.
      if (seen || errno == ENOENT || errno == ENOTDIR || errno == ELOOP) continue;
      failed_ = errno_error(errno, "look at", key);
      return *failed_;
    }
    return out;
  }

  // One entry of the innermost folder.
  Status step(std::vector<ObjectInfo>& out) {
    Level& level = levels_.back();
    errno = 0;
    const dirent* entry = readdir(level.directory);
    if (entry == nullptr) {
      const int error = errno;
      const std::string name = level.prefix;
      closedir(level.directory);
      levels_.pop_back();
      if (error != 0) return errno_error(error, "list", name);
      return {};
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") return {};
    const std::string path = level.prefix + std::string(name);
    struct stat info {};
    if (fstatat(::dirfd(level.directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};  // gone since the folder was read
      return errno_error(errno, "look at", path);
    }
    const bool is_folder = S_ISDIR(info.st_mode);
    if (!is_folder && !S_ISREG(info.st_mode)) return {};
    const bool named =
        !is_folder && std::binary_search(options_.named.begin(), options_.named.end(), path);
    if (!options_.hidden && !named && name.starts_with('.')) return {};
    if (is_folder && info.st_dev == skip_device_ && info.st_ino == skip_inode_) return {};
    if (!named && ignored(path, is_folder)) return {};
    if (!is_folder) {
      if (path.starts_with(prefix_)) out.push_back(info_of(path, info));
      return {};
    }
    const std::string below = path + "/";
    if (!below.starts_with(prefix_) && !prefix_.starts_with(below)) return {};
    const int fd = openat(::dirfd(level.directory), entry->d_name,
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return {};
    // A folder that may not be read ends the listing: what is in it would look deleted.
    if (fd < 0) return errno_error(errno, "list", path);
    return enter(fd, below);
  }

  [[nodiscard]] bool ignored(const std::string& path, bool is_folder) const {
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
      const auto verdict =
          level->rules.judge(std::string_view(path).substr(level->prefix.size()), is_folder);
      if (verdict != IgnoreRules::Verdict::kNone) return verdict == IgnoreRules::Verdict::kIgnored;
    }
    return false;
  }

  int root_;
  std::string prefix_;
  FolderStoreOptions options_;
  dev_t skip_device_;
  ino_t skip_inode_;
  std::vector<Level> levels_;
  std::optional<Error> failed_;
  bool started_ = false;
};

class FolderStore final : public ObjectStore {
 public:
  FolderStore(std::string path, UniqueFd root, Executor& executor, FolderStoreOptions options)
      : path_(std::move(path)),
        root_(std::move(root)),
        executor_(executor),
        options_(std::move(options)) {}

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests, Deadline) override {
    std::vector<Result<Blob>> out(requests.size(), Result<Blob>(Code::kInternal, "not read"));
    executor_.parallel_for(requests.size(),
                           [&](std::size_t i) { out[i] = read_file(requests[i]); });
    return out;
  }

  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests, Deadline) override {
    std::vector<Result<Stat>> out;
    for (const ReadRequest& request : requests) out.push_back(stat_file(request));
    return out;
  }

  std::vector<Result<Written>> put(std::span<const PutRequest> requests, Deadline) override {
    return std::vector<Result<Written>>(requests.size(), Result<Written>(read_only()));
  }
  Result<Written> create(std::string_view, ByteView, Deadline) override { return read_only(); }
  Result<Written> swap(std::string_view, const Tag&, ByteView, Deadline) override {
    return read_only();
  }
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline) override {
    return std::vector<Result<void>>(keys.size(), Result<void>(read_only()));
  }

  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view) override {
    struct stat skip {};
    if (options_.excluded_folder.empty() || ::stat(options_.excluded_folder.c_str(), &skip) != 0)
      skip = {};
    return std::make_unique<FolderListing>(root_.get(), std::string(prefix), options_, skip.st_dev,
                                           skip.st_ino);
  }

  // The clock that stamps the files: nothing may be written into a source to ask for it.
  Result<Timestamp> now(Deadline) override { return kernel_file_clock(); }
  [[nodiscard]] std::string describe() const override { return "folder " + path_; }

 private:
  [[nodiscard]] Error read_only() const {
    return {Code::kUnsupported, describe() + " is a source: it is read only"};
  }

  Result<UniqueFd> open_file(const ReadRequest& request, struct stat& info) const {
    KEDGE_TRY(check_key(request.key));
    UniqueFd file = open_beneath(root_.get(), request.key, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (!file.valid()) return errno_error(errno, "read", request.key);
    if (fstat(file.get(), &info) != 0) return errno_error(errno, "look at", request.key);
    if (!S_ISREG(info.st_mode)) {
      return Error{Code::kNotFound, str_cat("'", printable(request.key), "' is no regular file")};
    }
    if (request.if_match && *request.if_match != tag_of(info)) {
      return Error{Code::kConflict,
                   str_cat("'", printable(request.key), "' changed: ", info.st_size, " bytes now")};
    }
    return file;
  }

  Result<Blob> read_file(const ReadRequest& request) const {
    struct stat before {};
    const UniqueFd file = KEDGE_TRY(open_file(request, before));
    const auto size = static_cast<std::uint64_t>(before.st_size);
    if (request.offset > size || (request.offset == size && size > 0)) {
      return Error{Code::kInvalid, str_cat("'", printable(request.key), "' has ", size,
                                           " bytes: no range from ", request.offset)};
    }
    const std::uint64_t length = std::min(request.length.value_or(size), size - request.offset);
    if (length > kMaxBodyBytes) {
      return Error{Code::kExhausted,
                   str_cat("'", printable(request.key), "': ", length, " bytes in one read")};
    }
    Blob out;
    out.body.resize(length);
    KEDGE_TRY(read_exactly(file.get(), request.offset, out.body, request.key));
    struct stat after {};
    if (fstat(file.get(), &after) != 0) return errno_error(errno, "look at", request.key);
    if (tag_of(before) != tag_of(after)) {
      return Error{Code::kConflict,
                   str_cat("'", printable(request.key), "' changed while it was read")};
    }
    out.info = info_of(request.key, after);
    out.store_time = kernel_file_clock();
    return out;
  }

  Result<Stat> stat_file(const ReadRequest& request) const {
    struct stat info {};
    KEDGE_TRY(open_file(request, info));
    return Stat{.info = info_of(request.key, info), .store_time = kernel_file_clock()};
  }

  std::string path_;
  UniqueFd root_;
  Executor& executor_;
  FolderStoreOptions options_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_folder_store(const std::string& path, Clock&,
                                                       Executor& executor,
                                                       FolderStoreOptions options) {
  UniqueFd root(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) {
    if (errno == ENOTDIR)
      return Error{Code::kInvalid, str_cat("'", printable(path), "' is not a folder")};
    return errno_error(errno, "open folder", path);
  }
  return std::unique_ptr<ObjectStore>(
      std::make_unique<FolderStore>(path, std::move(root), executor, std::move(options)));
}

}  // namespace kedge
