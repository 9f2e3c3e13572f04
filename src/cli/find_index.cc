#include "cli/find_index.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexFolder = ".kedge";
constexpr std::string_view kLastIndex = "last-index";
constexpr std::string_view kFileScheme = "file://";

}  // namespace

bool is_local(const std::string& url) {
  return url.starts_with(kFileScheme) || url.find("://") == std::string::npos;
}

Result<IndexChoice> find_index(const Environment& environment) {
  std::error_code ignored;
  for (fs::path folder = environment.folder; !folder.empty(); folder = folder.parent_path()) {
    const fs::path candidate = folder / kIndexFolder;
    // The head makes a folder an index: settings of another program may have the same name.
    if (fs::exists(candidate / "head", ignored)) return IndexChoice{candidate.string()};
    if (folder == folder.parent_path()) break;
  }
  const fs::path state = environment.state_folder();
  if (!state.empty()) {
    std::ifstream file(state / kLastIndex);
    std::string line;
    if (std::getline(file, line) && !line.empty()) return IndexChoice{line, true};
  }
  return {Code::kNotFound,
          "no index here: run `kedge sync FOLDER` first, or name one with --index"};
}

Result<std::string> default_index(const Environment& environment,
                                  const std::vector<std::string>& sources) {
  std::string folder;
  for (const std::string& source : sources) {
    if (source.empty()) return {Code::kInvalid, "SOURCE is an empty text"};
    if (!is_local(source))
      return {Code::kInvalid,
              "the source " + visible(source) + " needs --index: a path or URL for the index"};
    std::string own = source;
    while (own.size() > 1 && own.ends_with('/')) own.pop_back();
    const bool is_url = own.starts_with(kFileScheme);
    const fs::path path = is_url ? own.substr(kFileScheme.size()) : own;
    std::error_code ignored;
    // A file belongs to its folder, so that all files of one folder have one index.
    if (fs::is_regular_file(environment.folder / path, ignored)) {
      const std::size_t slash = own.rfind('/');
      own = slash == std::string::npos ? "." : own.substr(0, std::max<std::size_t>(slash, 1));
    }
    if (folder.empty()) folder = own;
    if (own != folder)
      return {Code::kInvalid, "several sources need --index: a path or URL for the index"};
  }
  return (folder == "/" ? "" : folder) + "/" + std::string(kIndexFolder);
}

std::string absolute_index(const Environment& environment, const std::string& index) {
  if (!is_local(index) || index.starts_with(kFileScheme)) return index;
  std::error_code error;
  const fs::path whole = environment.folder / index;
  const fs::path resolved = fs::weakly_canonical(whole, error);
  return (error ? whole.lexically_normal() : resolved).string();
}

Status remember_index(const Environment& environment, const std::string& index) {
  const fs::path state = environment.state_folder();
  if (state.empty()) return {};
  std::error_code error;
  fs::create_directories(state, error);
  // Written aside and renamed: another process never reads half a name.
  const fs::path aside = state / (std::string(kLastIndex) + "." + std::to_string(::getpid()));
  std::ofstream file(aside, std::ios::trunc);
  file << absolute_index(environment, index) << '\n';
  file.close();
  if (!file) error = std::make_error_code(std::errc::io_error);
  if (!error) fs::rename(aside, state / kLastIndex, error);
  if (!error) return {};
  std::error_code ignored;
  fs::remove(aside, ignored);
  return {Code::kUnavailable,
          "cannot write " + (state / kLastIndex).string() + ": " + error.message()};
}

}  // namespace kedge::cli
