#include "store/file_listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "store/file_key.h"
#include "store/posix_file.h"

namespace kedge {
namespace {

class FileListing final : public Listing {
 public:
  FileListing(FileFolder& folder, std::string prefix, std::string start_after)
      : folder_(folder), prefix_(std::move(prefix)), after_(std::move(start_after)) {}

  Result<std::vector<ObjectInfo>> next(Deadline) override {
    if (failed_) return *failed_;
    Result<std::vector<ObjectInfo>> page = next_page();
    if (!page.ok()) failed_ = page.error();
    return page;
  }
  [[nodiscard]] bool ordered() const override { return true; }

 private:
  // Sorted by the key it stands for: a folder sorts as its name with '/', which every key in it
  // has.
  struct Entry {
    std::string name;
    [[nodiscard]] bool is_folder() const { return name.back() == '/'; }
    bool operator<(const Entry& other) const { return name < other.name; }
  };
  struct Level {
    UniqueFd fd;
    std::string path;  // "" or ends with '/'
    std::vector<Entry> entries;
    std::size_t at = 0;
  };

  Result<std::vector<ObjectInfo>> next_page() {
    std::vector<ObjectInfo> page;
    if (!started_) {
      started_ = true;
      const Result<int> root = folder_.root();
      if (!root.ok() && root.code() == Code::kNotFound) return page;  // nothing written yet
      root_ = KEDGE_TRY(Result<int>(root));
      KEDGE_TRY(enter(""));
    }
    while (page.size() < kMaxListPage && !levels_.empty()) {
      Level& level = levels_.back();
      if (level.at == level.entries.size()) {
        levels_.pop_back();
        continue;
      }
      const Entry entry = level.entries[level.at++];
      std::string path = level.path + entry.name;
      if (entry.is_folder()) {
        if (may_hold(path)) KEDGE_TRY(enter(path));
      } else if (path.starts_with(prefix_) && path > after_) {
        KEDGE_TRY(describe(level, entry.name, std::move(path), page));
      }
    }
    return page;
  }

  // Whether a key that is wanted can lie in the folder.
  [[nodiscard]] bool may_hold(const std::string& path) const {
    if (!path.starts_with(prefix_) && !prefix_.starts_with(path)) return false;
    return path > after_ || after_.starts_with(path);
  }

  Status describe(const Level& level, const std::string& name, std::string key,
                  std::vector<ObjectInfo>& page) {
    struct stat info {};
    if (::fstatat(level.fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};
      return errno_error(errno, "look at", key);
    }
    if (!S_ISREG(info.st_mode)) return {};
    ObjectInfo object;
    object.key = std::move(key);
    object.size = static_cast<std::uint64_t>(info.st_size);
    object.last_modified = timestamp_of(info.st_mtim);
    page.push_back(std::move(object));
    return {};
  }

  Status enter(const std::string& path) {
    const std::string name = path.empty() ? "." : path.substr(0, path.size() - 1);
    Level level;
    level.path = path;
    level.fd = open_beneath(root_, name, O_RDONLY | O_DIRECTORY);
    if (!level.fd.valid()) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return {};
      return errno_error(errno, "list folder", path);
    }
    KEDGE_TRY(read_entries(level));
    std::ranges::sort(level.entries, {}, &Entry::name);
    levels_.push_back(std::move(level));
    return {};
  }

  static Status read_entries(Level& level) {
    const int copy = ::openat(level.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return errno_error(errno, "list folder", level.path);
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(copy), &::closedir);
    if (entries == nullptr) return errno_error(errno, "list folder", level.path);
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(entries.get());
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (!check_index_key(level.path + name).ok()) continue;
      unsigned char type = entry->d_type;
      if (type == DT_UNKNOWN) {
        struct stat info {};
        if (::fstatat(level.fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        type = static_cast<unsigned char>(IFTODT(info.st_mode));
      }
      if (type != DT_DIR && type != DT_REG) continue;
      if (level.entries.size() == kMaxFolderEntries)
        return {Code::kExhausted, str_cat("folder '", printable(level.path), "' has more than ",
                                          kMaxFolderEntries, " entries")};
      level.entries.push_back({type == DT_DIR ? name + "/" : std::move(name)});
    }
    if (errno != 0) return errno_error(errno, "list folder", level.path);
    return {};
  }

  FileFolder& folder_;
  const std::string prefix_;
  const std::string after_;
  int root_ = -1;
  bool started_ = false;
  std::vector<Level> levels_;
  std::optional<Error> failed_;
};

}  // namespace

std::unique_ptr<Listing> make_file_listing(FileFolder& folder, std::string prefix,
                                           std::string start_after) {
  return std::make_unique<FileListing>(folder, std::move(prefix), std::move(start_after));
}

}  // namespace kedge
