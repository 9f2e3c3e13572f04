#include "engine/scratch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/errno_text.h"
#include "base/strings.h"

namespace kedge {
namespace {

std::string default_folder() {
  const char* chosen = std::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/tmp";
}

}  // namespace

Scratch::Scratch(std::uint64_t memory_bytes, std::string folder)
    : memory_bytes_(memory_bytes), folder_(folder.empty() ? default_folder() : std::move(folder)) {}

Error Scratch::failed(std::string_view what, int error) const {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return {full ? Code::kExhausted : Code::kUnavailable,
          str_cat("a temporary file in ", folder_, " cannot be ", what, ": ", errno_text(error),
                  full ? "; choose a folder with more room (--scratch)" : "")};
}

Scratch::~Scratch() {
  if (mapped_ != nullptr) ::munmap(mapped_, mapped_bytes_);
  if (file_ >= 0) ::close(file_);
}

Status Scratch::move_to_file() {
  // As other files of this user: a store may give it a name.
  file_ = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (file_ < 0) {
    // A file system without nameless files.
    std::string name = folder_ + "/kedge-XXXXXX";
    file_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (file_ < 0) return failed("made", errno);
    ::unlink(name.c_str());
  }
  const Bytes memory = std::exchange(memory_, {});
  return write(0, memory);
}

Status Scratch::write(std::uint64_t offset, ByteView bytes) {
  if (file_ < 0 && offset + bytes.size() > memory_bytes_) KEDGE_TRY(move_to_file());
  const std::uint64_t end = offset + bytes.size();
  if (file_ < 0) {
    if (memory_.size() < end) {
      if (memory_.capacity() < end)
        memory_.reserve(
            std::min<std::uint64_t>(memory_bytes_, std::max<std::uint64_t>(1 << 16, 2 * end)));
      memory_.resize(end);
    }
    std::copy(bytes.begin(), bytes.end(), memory_.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  while (file_ >= 0 && !bytes.empty()) {
    const ssize_t done = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return failed("written", done < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  size_ = std::max(size_, end);
  return {};
}

Status Scratch::read(std::uint64_t offset, std::span<std::byte> out) const {
  KEDGE_CHECK(offset + out.size() <= size_);
  if (file_ < 0) {
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }
  while (!out.empty()) {
    const ssize_t done = ::pread(file_, out.data(), out.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return failed("read", done < 0 ? errno : EIO);
    out = out.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return {};
}

Result<ByteView> Scratch::view() {
  if (file_ < 0) return ByteView(memory_);
  if (mapped_ == nullptr) {
    void* at = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file_, 0);
    if (at == MAP_FAILED) return failed("mapped", errno);
    mapped_ = at;
    mapped_bytes_ = size_;
  }
  return ByteView(static_cast<const std::byte*>(mapped_), size_);
}

void Scratch::let_go(std::uint64_t offset, std::uint64_t size) {
  if (mapped_ == nullptr) return;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = offset / page * page;
  const std::uint64_t end = std::min(offset + size, mapped_bytes_);
  if (begin < end) ::madvise(static_cast<std::byte*>(mapped_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace kedge
