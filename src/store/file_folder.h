// The folder beneath a file store: where it is, and how a body gets under a name durably. Knows
// nothing of tags and requests. For file_store.cc only.
//
// Threads: any method, from any thread.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "store/file_clock.h"
#include "store/file_store.h"
#include "store/posix_file.h"

namespace kedge {

inline constexpr Duration kStaleTemporary = std::chrono::hours(24);
inline constexpr Duration kSweepInterval = std::chrono::hours(1);

class FileFolder {
 public:
  FileFolder(std::string path, Clock& clock, Random& random, FileStoreOptions options)
      : path_(std::move(path)), clock_(clock), random_(random), options_(options) {}

  [[nodiscard]] const std::string& path() const { return path_; }

  // The open folder. kNotFound: it does not exist (yet).
  Result<int> root();
  // kDenied for a read-only store.
  Result<int> root_for_write();

  // The store's clock. For a folder that does not exist yet, that of the nearest folder above.
  Result<Timestamp> now();

  // A body under a name of its own in .tmp, written and synced; removed again unless it was moved.
  class Temporary {
   public:
    Temporary(int folder, std::string name) : folder_(folder), name_(std::move(name)) {}
    ~Temporary();
    Temporary(Temporary&& other) noexcept
        : folder_(std::exchange(other.folder_, -1)),
          name_(std::move(other.name_)),
          mtime(other.mtime) {}
    Temporary& operator=(Temporary&&) = delete;

   private:
    friend class FileFolder;
    int folder_;  // borrowed; -1 once moved
    std::string name_;

   public:
    Timestamp mtime;  // which the key will carry
  };
  // `written`, if it is there, is told of each piece of the body once it is.
  using Written = std::function<void(std::uint64_t offset, ByteView piece)>;
  // `unnamed`: PutRequest::file, which gets the name where it can, so that nothing is written.
  Result<Temporary> write_temporary(ByteView body, const Written& written = {}, int unnamed = -1);

  // Moves the body over the key, or under a key that must not exist (kConflict). An error means
  // that nothing happened. Durable only after sync().
  Status replace(Temporary& body, std::string_view key);
  Status create(Temporary& body, std::string_view key);
  // Whether anything lies under the key.
  Result<bool> exists(std::string_view key);

  // Unlinks the key; fine if it is not there.
  Status remove(std::string_view key);

  // Makes the entries of these folders (parents of keys) durable. Errors by folder; kUnavailable
  // always, since what was asked has happened and may yet be lost.
  std::map<std::string, Status, std::less<>> sync(const std::set<std::string>& folders);
  Status sync_parent(std::string_view key);

  // Holds the lock of the key until the result is closed. kUnavailable: not before the deadline.
  // kUnsupported: the file system has no locks.
  Result<UniqueFd> lock(std::string_view key, Deadline deadline);

  // Removes temporary files older than kStaleTemporary, at most each kSweepInterval.
  void sweep();

 private:
  Result<int> root_locked();
  // The folder that holds the key; made if `make`.
  Result<UniqueFd> open_parent(std::string_view key, bool make);
  Status make_folders(int root, const std::string& folder);
  // A folder of the store's own in the root: ".tmp", ".lock".
  Result<int> own_folder(UniqueFd& held, const char* name);
  Status sync_one(int root, const std::string& folder);
  std::string random_name();

  const std::string path_;
  Clock& clock_;
  Random& random_;
  const FileStoreOptions options_;
  FileClock file_clock_;
  std::mutex mutex_;  // guards everything below and random_
  UniqueFd root_;
  UniqueFd temporary_folder_;
  UniqueFd lock_folder_;
  // Folders whose own entry is known to be durable. Folders are never removed, so it stays true.
  std::set<std::string, std::less<>> durable_;
  Timestamp next_sweep_;
};

}  // namespace kedge
