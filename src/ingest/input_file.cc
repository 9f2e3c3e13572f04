#include "ingest/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/strings.h"

namespace kedge {

Result<InputFile> InputFile::open(const std::string& path) {
  // Not waiting: a pipe of that name has perhaps no writer, and is refused below.
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return errno_error(errno, "read", path);
  struct stat state = {};
  if (::fstat(file.get(), &state) != 0 || !S_ISREG(state.st_mode))
    return {Code::kInvalid, str_cat(printable(path), " is not a file")};
  return InputFile(path, std::move(file), static_cast<std::uint64_t>(state.st_size));
}

Result<std::size_t> InputFile::read_some(std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(file_.get(), out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "read", path_);
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
