#include "api/open_store.h"

#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "store/file_store.h"
#include "store/folder_store.h"

namespace kedge {
namespace {

constexpr std::string_view kFileScheme = "file://";

}  // namespace

Result<std::string> local_path(const std::string& url) {
  if (url.starts_with(kFileScheme)) {
    std::string path = url.substr(kFileScheme.size());
    if (!path.starts_with('/'))
      return {Code::kInvalid, str_cat("'", printable(url), "': file:// needs an absolute path")};
    return path;
  }
  const std::size_t scheme = url.find("://");
  if (scheme != std::string::npos) {
    return {Code::kUnsupported,
            str_cat("'", printable(url), "': this version reads and writes local folders; ",
                    printable(url.substr(0, scheme)), ":// is not there yet")};
  }
  if (url.empty()) return {Code::kInvalid, "an empty path"};
  return url;
}

Result<SourcePlace> find_source_place(const std::string& source) {
  const std::string path = KEDGE_TRY(local_path(source));
  char resolved[PATH_MAX];
  struct stat info {};
  if (realpath(path.c_str(), resolved) == nullptr || stat(resolved, &info) != 0) {
    return {errno == EACCES ? Code::kDenied : Code::kNotFound,
            str_cat("source '", printable(source), "': ", std::strerror(errno))};
  }
  SourcePlace out{std::string(kFileScheme) + resolved, ""};
  if (S_ISREG(info.st_mode)) {
    const std::size_t slash = out.uri.rfind('/');
    out.key = out.uri.substr(slash + 1);
    out.uri.resize(slash);
  } else if (!S_ISDIR(info.st_mode)) {
    return {Code::kInvalid,
            str_cat("source '", printable(source), "' is neither a folder nor a file")};
  }
  if (!out.uri.ends_with('/')) out.uri += '/';
  return out;
}

Result<std::unique_ptr<ObjectStore>> open_index_store(const std::string& url, Clock& clock,
                                                      Random& random, Executor& executor,
                                                      bool read_only) {
  FileStoreOptions options;
  options.read_only = read_only;
  return open_file_store(KEDGE_TRY(local_path(url)), clock, random, executor, options);
}

Result<std::unique_ptr<ObjectStore>> open_source_store(const std::string& uri, Clock& clock,
                                                       Executor& executor,
                                                       const SourceStoreOptions& options) {
  FolderStoreOptions folder{.hidden = options.hidden,
                            .gitignore = options.gitignore,
                            .excluded_folder = {},
                            .named = options.named,
                            .only_named = options.only_named};
  const Result<std::string> index = local_path(options.index);
  if (index.ok()) folder.excluded_folder = *index;
  return open_folder_store(KEDGE_TRY(local_path(uri)), clock, executor, std::move(folder));
}

}  // namespace kedge
