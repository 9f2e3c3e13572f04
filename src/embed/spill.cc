#include "embed/spill.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::uint32_t kMagic = 0x3153474B;  // "KGS1"
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kHashBytes = 16;
constexpr std::size_t kCrcBytes = 4;
constexpr std::string_view kSuffix = ".spill";
// How many names are tried for the own file: each is random, so the first is free.
constexpr int kNameTries = 4;

Status sync_folder(const std::string& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return errno_error(errno, "sync", folder);
  return {};
}

// True only for the one process that holds it, as long as it lives.
bool lock(int fd) { return ::flock(fd, LOCK_EX | LOCK_NB) == 0; }

bool has_a_name(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && info.st_nlink > 0;
}

}  // namespace

VectorSpill::~VectorSpill() {
  // An empty file helps nobody; one with records is for whoever comes next.
  if (own_.fd.valid() && end_ == kHeaderBytes) ::unlink(own_.path.c_str());
}

std::size_t VectorSpill::record_bytes(std::uint32_t dimension) {
  return kHashBytes + std::size_t{dimension} * 2 + kCrcBytes;
}

Bytes VectorSpill::header() const {
  ByteWriter out;
  out.put(kMagic);
  out.put(kVersion);
  out.put_zeros(2);
  out.put(dimension_);
  out.put_zeros(4);
  out.put_bytes(space_.bytes);
  out.put_zeros(kHeaderBytes - kCrcBytes - out.size());
  out.put(crc32c(out.view()));
  return std::move(out).take();
}

Result<std::unique_ptr<VectorSpill>> VectorSpill::open(const std::string& folder,
                                                       const Id128& space, std::uint32_t dimension,
                                                       Random& random, Log& log,
                                                       const Adopt& adopt) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return errno_error(error.value(), "make the folder", folder);
  std::unique_ptr<VectorSpill> spill(new VectorSpill(space, dimension));
  KEDGE_TRY(spill->adopt_all(folder, log, adopt));
  KEDGE_TRY(spill->make_own(folder, random));
  return spill;
}

Status VectorSpill::make_own(const std::string& folder, Random& random) {
  for (int i = 0; i < kNameTries; ++i) {
    const std::string path =
        str_cat(folder, "/", space_.hex(), ".", Id128::random(random).hex(), kSuffix);
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.valid() && errno == EEXIST) continue;
    if (!fd.valid()) return errno_error(errno, "create", path);
    // Another process may have found it between its creation and its lock, and taken it for a dead
    // one's.
    if (!lock(fd.get()) || !has_a_name(fd.get())) continue;
    KEDGE_TRY(write_all(fd.get(), header(), path));
    if (::fsync(fd.get()) != 0) return errno_error(errno, "sync", path);
    own_ = {path, std::move(fd)};
    end_ = kHeaderBytes;
    return sync_folder(folder);
  }
  return {Code::kUnavailable, str_cat("cannot make a spill file in '", printable(folder), "'")};
}

Status VectorSpill::adopt_all(const std::string& folder, Log& log, const Adopt& adopt) {
  std::error_code error;
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(space_.hex() + ".") && name.ends_with(kSuffix))
      paths.push_back(entry.path().string());
  }
  if (error) return errno_error(error.value(), "list", folder);
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid() || !lock(fd.get()) || !has_a_name(fd.get())) continue;
    if (!KEDGE_TRY(adopt_one({path, std::move(fd)}, log, adopt))) break;
  }
  return {};
}

// Whether more is wanted. A file that was not read to its end is left as it is.
Result<bool> VectorSpill::adopt_one(File file, Log& log, const Adopt& adopt) {
  struct stat info {};
  if (::fstat(file.fd.get(), &info) != 0) return errno_error(errno, "stat", file.path);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  Bytes found(kHeaderBytes);
  if (size < kHeaderBytes || !read_exactly(file.fd.get(), 0, found, file.path).ok() ||
      found != header()) {
    // Its process died before its first record, or another version wrote it.
    if (size > kHeaderBytes) {
      log.warning(str_cat("not a spill file of this version, left alone: ", printable(file.path)));
    } else {
      ::unlink(file.path.c_str());
    }
    return true;
  }
  Bytes record(record_bytes(dimension_));
  std::uint64_t at = kHeaderBytes;
  for (; at + record.size() <= size; at += record.size()) {
    KEDGE_TRY(read_exactly(file.fd.get(), at, record, file.path));
    ByteReader tail(ByteView(record).last(kCrcBytes));
    if (tail.get<std::uint32_t>() != crc32c(ByteView(record).first(record.size() - kCrcBytes)))
      break;
    Id128 hash;
    std::copy_n(record.begin(), kHashBytes, hash.bytes.begin());
    std::vector<std::uint16_t> vector(dimension_);
    std::memcpy(vector.data(), record.data() + kHashBytes, std::size_t{dimension_} * 2);
    if (!adopt(hash, std::move(vector))) return false;
  }
  if (at != size)
    log.warning(str_cat("spill file ", printable(file.path), ": the last ", size - at,
                        " bytes are unfinished or damaged, dropped; ",
                        (at - kHeaderBytes) / record.size(), " vectors before them are kept"));
  adopted_.push_back(std::move(file));
  return true;
}

Status VectorSpill::append(std::span<const Id128> hashes,
                           std::span<const std::vector<std::uint16_t>> vectors) {
  ByteWriter out;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const std::size_t from = out.size();
    out.put_bytes(hashes[i].bytes);
    out.put_bytes(std::as_bytes(std::span(vectors[i])));
    out.put(crc32c(out.view().subspan(from)));
  }
  // A record that failed half-way is overwritten by the next, not followed by it.
  if (::lseek(own_.fd.get(), static_cast<off_t>(end_), SEEK_SET) < 0)
    return errno_error(errno, "seek", own_.path);
  KEDGE_TRY(write_all(own_.fd.get(), out.view(), own_.path));
  if (::fdatasync(own_.fd.get()) != 0) return errno_error(errno, "sync", own_.path);
  end_ += out.size();
  return {};
}

Status VectorSpill::clear() {
  if (::ftruncate(own_.fd.get(), kHeaderBytes) != 0)
    return errno_error(errno, "truncate", own_.path);
  end_ = kHeaderBytes;
  for (const File& file : adopted_) ::unlink(file.path.c_str());
  adopted_.clear();
  return {};
}

}  // namespace kedge
