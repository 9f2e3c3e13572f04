// The patterns of one .gitignore file: gitignore(5).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kedge {

inline constexpr std::size_t kMaxIgnoreBytes =
    1 << 20;  // of one file; the rest of a longer one is not read

class IgnoreRules {
 public:
  // Lines that are no patterns are left out.
  static IgnoreRules parse(std::string_view text);

  enum class Verdict { kNone, kIgnored, kKept };
  // `path`: relative to the folder of the file, without a slash at the end. The last matching
  // pattern decides.
  [[nodiscard]] Verdict judge(std::string_view path, bool is_folder) const;

 private:
  struct Pattern {
    std::string glob;
    bool negated = false;
    bool folders_only = false;
    bool anchored = false;  // matched against the whole path, else against the last component
  };
  std::vector<Pattern> patterns_;
};

// One pattern on one path: `*` and `?` stop at '/', `**` between slashes does not, `[a-z]`, `\`
// quotes.
bool ignore_glob_matches(std::string_view pattern, std::string_view path);

}  // namespace kedge
