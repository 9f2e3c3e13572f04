#include "s3/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/strings.h"
#include "store/posix_file.h"

namespace kedge {

Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes) {
  if (path.find('\0') != std::string::npos)
    return {Code::kInvalid, str_cat("path '", printable(path), "' has a NUL byte")};
  // A FIFO would block here without the flag, and is refused below.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return errno_error(errno, "read", path);
  struct stat state = {};
  if (::fstat(fd.get(), &state) != 0) return errno_error(errno, "read", path);
  if (!S_ISREG(state.st_mode) && !S_ISCHR(state.st_mode))
    return {Code::kInvalid, str_cat("cannot read '", printable(path), "': not a regular file")};
  std::string out;
  while (out.size() <= max_bytes) {
    const std::size_t have = out.size();
    out.resize(max_bytes + 1);
    const ssize_t got = ::read(fd.get(), out.data() + have, out.size() - have);
    const int error = errno;
    out.resize(have + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got < 0 && error == EINTR) continue;
    if (got < 0) return errno_error(error, "read", path);
    if (got == 0) return out;
  }
  return {Code::kInvalid, str_cat("'", printable(path), "' is over ", max_bytes, " bytes")};
}

Status replace_private_file(const std::string& path, std::string_view content) {
  std::string temporary = path + ".XXXXXX";
  // mkostemp makes it readable by its owner only.
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return errno_error(errno, "write", path);
  Status done = write_all(fd.get(), as_bytes(content), path);
  if (done.ok() && ::rename(temporary.c_str(), path.c_str()) != 0)
    done = errno_error(errno, "write", path);
  if (!done.ok()) ::unlink(temporary.c_str());
  return done;
}

std::string expand_home(std::string_view path, const std::string& home) {
  if (home.empty() || !(path == "~" || path.starts_with("~/"))) return std::string(path);
  return str_cat(home, path.substr(1));
}

}  // namespace kedge
