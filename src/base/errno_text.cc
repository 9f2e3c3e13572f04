#include "base/errno_text.h"

#include <sys/resource.h>

#include <cerrno>
#include <system_error>

#include "base/strings.h"

namespace kedge {

std::uint64_t open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

std::string errno_text(int error) {
  std::string text = std::generic_category().message(error);
  if (error != EMFILE) return text;
  return str_cat(text, ": this process may have ", open_files_limit(),
                 "; raise that limit with `ulimit -n`");
}

}  // namespace kedge
