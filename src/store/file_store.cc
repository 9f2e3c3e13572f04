#include "store/file_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "store/file_folder.h"
#include "store/file_key.h"
#include "store/file_listing.h"
#include "store/parallel.h"
#include "store/posix_file.h"
#include "store/range.h"

namespace kedge {
namespace {

struct OpenFile {
  UniqueFd fd;
  struct stat info {};

  [[nodiscard]] std::uint64_t size() const { return static_cast<std::uint64_t>(info.st_size); }
};

class FileStore final : public ObjectStore {
 public:
  FileStore(std::string path, Clock& clock, Random& random, Executor& executor,
            FileStoreOptions options)
      : folder_(std::move(path), clock, random, options), clock_(clock), executor_(executor) {}

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    const Timestamp time = time_or_zero();
    return parallel_results<Blob>(executor_, requests.size(), [&](std::size_t i) {
      return read_one_of(requests[i], time, deadline);
    });
  }

  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    const Timestamp time = time_or_zero();
    return parallel_results<Stat>(executor_, requests.size(), [&](std::size_t i) -> Result<Stat> {
      const ReadRequest& request = requests[i];
      const OpenFile file = KEDGE_TRY(open(request, deadline));
      Tag tag{KEDGE_TRY(hash_file(file.fd.get(), file.size(), request.key))};
      KEDGE_TRY(check_match(request, tag));
      return Stat{info_of(request, file, std::move(tag)), time};
    });
  }

  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override {
    std::vector<Result<Written>> results = parallel_results<Written>(
        executor_, requests.size(), [&](std::size_t i) -> Result<Written> {
          const PutRequest& request = requests[i];
          KEDGE_TRY(check(request.key, deadline));
          Xxh3Stream hash;
          const auto written = [&](std::uint64_t offset, ByteView piece) {
            hash.update(piece);
            if (request.taken) request.taken(offset, piece.size());
          };
          FileFolder::Temporary temporary =
              KEDGE_TRY(folder_.write_temporary(request.body, written, request.file));
          KEDGE_TRY(folder_.replace(temporary, request.key));
          return Written{{hash.finish().hex()}, temporary.mtime};
        });
    sync_parents<Written>(results, [&](std::size_t i) { return parent_of(requests[i].key); });
    return results;
  }

  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override {
    KEDGE_TRY(check(key, deadline));
    if (KEDGE_TRY(folder_.exists(key)))
      return {Code::kConflict, str_cat("'", printable(key), "' exists already")};
    FileFolder::Temporary temporary = KEDGE_TRY(folder_.write_temporary(body));
    KEDGE_TRY(folder_.create(temporary, key));
    KEDGE_TRY(folder_.sync_parent(key));
    return Written{tag_of(body), temporary.mtime};
  }

  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override {
    KEDGE_TRY(check(key, deadline));
    const UniqueFd lock = KEDGE_TRY(folder_.lock(key, deadline));
    const ReadRequest current{
        .key = std::string(key), .offset = 0, .length = {}, .if_match = {}, .version_id = {}};
    const Result<OpenFile> file = open(current, deadline);
    if (!file.ok()) {
      if (file.code() != Code::kNotFound) return file.error();
      return {Code::kConflict, str_cat("'", printable(key), "' does not exist")};
    }
    if (KEDGE_TRY(hash_file(file->fd.get(), file->size(), key)) != expected.value)
      return {Code::kConflict, str_cat("'", printable(key), "' has another tag")};
    // Written under the lock, so that the mtimes of a head's states never go back.
    FileFolder::Temporary temporary = KEDGE_TRY(folder_.write_temporary(body));
    KEDGE_TRY(folder_.replace(temporary, key));
    KEDGE_TRY(folder_.sync_parent(key));
    return Written{tag_of(body), temporary.mtime};
  }

  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override {
    std::vector<Result<void>> results =
        parallel_results<void>(executor_, keys.size(), [&](std::size_t i) -> Status {
          KEDGE_TRY(check(keys[i], deadline));
          return folder_.remove(keys[i]);
        });
    sync_parents<void>(results, [&](std::size_t i) { return parent_of(keys[i]); });
    folder_.sweep();
    return results;
  }

  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override {
    return make_file_listing(folder_, std::string(prefix), std::string(start_after));
  }

  Result<Timestamp> now(Deadline) override { return folder_.now(); }

  [[nodiscard]] std::string describe() const override {
    return str_cat("folder ", printable(folder_.path()));
  }

 private:
  static Tag tag_of(ByteView body) { return {xxh3_128(body).hex()}; }

  static Status check_match(const ReadRequest& request, const Tag& tag) {
    if (!request.if_match || *request.if_match == tag) return {};
    return {Code::kConflict, str_cat("'", printable(request.key), "' has another tag")};
  }

  static ObjectInfo info_of(const ReadRequest& request, const OpenFile& file, Tag tag) {
    ObjectInfo info;
    info.key = request.key;
    info.size = file.size();
    info.tag = std::move(tag);
    info.last_modified = timestamp_of(file.info.st_mtim);
    return info;
  }

  Timestamp time_or_zero() {
    const Result<Timestamp> time = folder_.now();
    return time.ok() ? *time : Timestamp{};
  }

  Status check(std::string_view key, Deadline deadline) {
    KEDGE_TRY(check_index_key(key));
    if (deadline.passed(clock_))
      return {Code::kUnavailable, str_cat("deadline passed before '", printable(key), "'")};
    return {};
  }

  Result<OpenFile> open(const ReadRequest& request, Deadline deadline) {
    KEDGE_TRY(check(request.key, deadline));
    if (!request.version_id.empty()) return {Code::kUnsupported, "a folder keeps no versions"};
    const Result<int> opened = folder_.root();
    if (!opened.ok())
      return {opened.code(),
              str_cat("cannot open '", printable(request.key), "': ", opened.error().message)};
    const int root = *opened;
    OpenFile file;
    // O_NONBLOCK: a fifo in the place of a key must not block.
    file.fd = open_beneath(root, request.key, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file.fd.valid()) return errno_error(errno, "open", request.key);
    if (::fstat(file.fd.get(), &file.info) != 0) return errno_error(errno, "look at", request.key);
    if (!S_ISREG(file.info.st_mode))
      return {Code::kNotFound, str_cat("'", printable(request.key), "' is not a file")};
    return file;
  }

  // Files are replaced, never changed, so what is open stays as it is while it is read.
  Result<Blob> read_one_of(const ReadRequest& request, Timestamp time, Deadline deadline) {
    const OpenFile file = KEDGE_TRY(open(request, deadline));
    Tag tag;
    if ((request.if_match || request.unless_match) && !is_whole(request)) {
      tag.value = KEDGE_TRY(hash_file(file.fd.get(), file.size(), request.key));
      KEDGE_TRY(check_match(request, tag));
      if (request.unless_match == tag) return unchanged_blob(request, time);
    }
    const Range range = KEDGE_TRY(range_of(request, file.size()));
    if (range.length > kMaxBodyBytes)
      return {Code::kExhausted, str_cat("'", printable(request.key), "' has ", range.length,
                                        " bytes, too many for one read")};
    Bytes body(static_cast<std::size_t>(range.length));
    KEDGE_TRY(read_exactly(file.fd.get(), range.offset, body, request.key));
    if (is_whole(request)) {
      tag = tag_of(body);
      KEDGE_TRY(check_match(request, tag));
      if (request.unless_match == tag) return unchanged_blob(request, time);
    }
    return Blob{std::move(body), info_of(request, file, std::move(tag)), time};
  }

  // Makes what succeeded durable: one fsync a folder, not one a key.
  template <typename T, typename ParentOf>
  void sync_parents(std::vector<Result<T>>& results, const ParentOf& parent) {
    std::set<std::string> folders;
    for (std::size_t i = 0; i < results.size(); ++i)
      if (results[i].ok()) folders.emplace(parent(i));
    if (folders.empty()) return;
    const auto statuses = folder_.sync(folders);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!results[i].ok()) continue;
      const auto status = statuses.find(parent(i));
      if (status != statuses.end() && !status->second.ok()) results[i] = status->second.error();
    }
  }

  FileFolder folder_;
  Clock& clock_;
  Executor& executor_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_file_store(std::string path, Clock& clock, Random& random,
                                                     Executor& executor, FileStoreOptions options) {
  if (path.empty()) return {Code::kInvalid, "the path of a store is empty"};
  if (path.find('\0') != std::string::npos)
    return {Code::kInvalid, "the path of a store has a NUL byte"};
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode))
    return {Code::kInvalid, str_cat("'", printable(path), "' is not a folder")};
  std::unique_ptr<ObjectStore> store =
      std::make_unique<FileStore>(std::move(path), clock, random, executor, options);
  return store;
}

}  // namespace kedge
