#include "store/gitignore.h"

#include <fnmatch.h>

#include <algorithm>

namespace kedge {
namespace {

constexpr std::size_t kMaxComponents = 128;

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> out;
  while (out.size() < kMaxComponents) {
    const std::size_t slash = path.find('/');
    out.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return out;
}

}  // namespace

// Component by component: reachable[j] says whether the patterns so far can have matched the first
// j components.
bool ignore_glob_matches(std::string_view pattern, std::string_view path) {
  const std::vector<std::string> parts = components(path);
  std::vector<bool> reachable(parts.size() + 1, false);
  reachable[0] = true;
  const std::vector<std::string> globs = components(pattern);
  for (std::size_t g = 0; g < globs.size(); ++g) {
    std::vector<bool> next(parts.size() + 1, false);
    if (globs[g] == "**") {
      // At the end it stands for at least one component, elsewhere for none or more.
      bool any = false;
      for (std::size_t j = 0; j <= parts.size(); ++j) {
        const bool last = g + 1 == globs.size();
        if (!last) any = any || reachable[j];
        next[j] = any;
        if (last) any = any || reachable[j];
      }
    } else {
      for (std::size_t j = 0; j < parts.size(); ++j) {
        next[j + 1] = reachable[j] && fnmatch(globs[g].c_str(), parts[j].c_str(), 0) == 0;
      }
    }
    reachable = std::move(next);
  }
  return reachable[parts.size()];
}

IgnoreRules IgnoreRules::parse(std::string_view text) {
  IgnoreRules out;
  text = text.substr(0, kMaxIgnoreBytes);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.pop_back();
    // Trailing spaces do not count unless quoted.
    while (line.size() > 1 && line.back() == ' ' && line[line.size() - 2] != '\\') line.pop_back();
    if (line.empty() || line == " " || line[0] == '#') continue;
    Pattern pattern;
    if (line[0] == '!') {
      pattern.negated = true;
      line.erase(0, 1);
    }
    if (!line.empty() && line.back() == '/') {
      pattern.folders_only = true;
      line.pop_back();
    }
    pattern.anchored = line.find('/') != std::string::npos;
    if (!line.empty() && line[0] == '/') line.erase(0, 1);
    if (line.empty()) continue;
    pattern.glob = std::move(line);
    out.patterns_.push_back(std::move(pattern));
  }
  return out;
}

IgnoreRules::Verdict IgnoreRules::judge(std::string_view path, bool is_folder) const {
  const std::size_t slash = path.rfind('/');
  const std::string_view leaf = slash == std::string_view::npos ? path : path.substr(slash + 1);
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->folders_only && !is_folder) continue;
    if (!ignore_glob_matches(pattern->glob, pattern->anchored ? path : leaf)) continue;
    return pattern->negated ? Verdict::kKept : Verdict::kIgnored;
  }
  return Verdict::kNone;
}

}  // namespace kedge
