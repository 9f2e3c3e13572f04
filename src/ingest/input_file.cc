#include "ingest/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/strings.h"

namespace kedge {
namespace {

Error file_error(const std::string& path, int error) {
  const Code code = error == ENOENT || error == ENOTDIR ? Code::kNotFound
                    : error == EACCES || error == EPERM ? Code::kDenied
                                                        : Code::kUnavailable;
  return {code, str_cat("cannot read ", printable(path), ": ", std::strerror(error))};
}

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  // Not waiting: a pipe of that name has perhaps no writer, and is refused below.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return file_error(path, errno);
  struct stat state = {};
  if (::fstat(file, &state) != 0 || !S_ISREG(state.st_mode)) {
    ::close(file);
    return {Code::kInvalid, str_cat(printable(path), " is not a file")};
  }
  return InputFile(path, file, static_cast<std::uint64_t>(state.st_size));
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      size_(other.size_),
      buffer_(std::move(other.buffer_)),
      buffer_offset_(other.buffer_offset_) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(size_, other.size_);
  std::swap(buffer_, other.buffer_);
  std::swap(buffer_offset_, other.buffer_offset_);
  return *this;
}

InputFile::~InputFile() {
  if (file_ >= 0) ::close(file_);
}

Result<std::size_t> InputFile::read_some(std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(file_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(path_, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<ByteView> InputFile::peek(std::uint64_t offset) {
  const bool inside = offset >= buffer_offset_ && offset - buffer_offset_ < buffer_.size();
  if (!inside) {
    buffer_.resize(kBufferBytes);
    buffer_offset_ = offset;
    const auto got = read_some(offset, buffer_);
    buffer_.resize(got.ok() ? *got : 0);
    if (!got.ok()) return got.error();
  }
  return ByteView(buffer_).subspan(offset - buffer_offset_);
}

Status InputFile::read(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const ByteView ready = KEDGE_TRY(peek(offset));
    if (ready.empty()) {
      return {Code::kInvalid, str_cat(printable(path_), ": ends at byte ", offset)};
    }
    const std::size_t count = std::min(ready.size(), out.size());
    std::memcpy(out.data(), ready.data(), count);
    out = out.subspan(count);
    offset += count;
  }
  return {};
}

Error InputFile::bad(std::string_view where, std::uint64_t offset, std::string_view what) const {
  return {Code::kInvalid, str_cat(printable(path_), ": ", where, " at byte ", offset, ": ", what)};
}

}  // namespace kedge
