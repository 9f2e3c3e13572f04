#include "ingest/scope.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "format/index_state.h"

namespace kedge {
namespace {

// The end of the set that begins at pattern[at] == '[' (the index of its ']'), or npos.
std::size_t set_end(std::string_view pattern, std::size_t at) {
  std::size_t i = at + 1;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) ++i;
  if (i < pattern.size() && pattern[i] == ']') ++i;  // a ']' that comes first is a member
  return pattern.find(']', i);
}

bool set_contains(std::string_view set, char c) {
  bool negated = false;
  std::size_t i = 0;
  if (!set.empty() && (set[0] == '!' || set[0] == '^')) {
    negated = true;
    i = 1;
  }
  bool found = false;
  for (; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      found |= set[i] <= c && c <= set[i + 2];
      i += 2;
    } else {
      found |= set[i] == c;
    }
  }
  return found != negated;
}

// How many pattern bytes match exactly one character c, or nothing if they do not match it.
std::optional<std::size_t> match_one(std::string_view pattern, std::size_t at, char c) {
  switch (pattern[at]) {
    case '?':
      return c == '/' ? std::nullopt : std::optional<std::size_t>(1);
    case '[': {
      const std::size_t end = set_end(pattern, at);
      if (end == std::string_view::npos || c == '/') return std::nullopt;
      if (!set_contains(pattern.substr(at + 1, end - at - 1), c)) return std::nullopt;
      return end - at + 1;
    }
    case '\\':
      if (at + 1 < pattern.size())
        return pattern[at + 1] == c ? std::optional<std::size_t>(2) : std::nullopt;
      return c == '\\' ? std::optional<std::size_t>(1) : std::nullopt;
    default:
      return pattern[at] == c ? std::optional<std::size_t>(1) : std::nullopt;
  }
}

// Where to go on after a mismatch: behind a star that takes one character more.
struct Star {
  std::size_t pattern = std::string_view::npos;  // just behind the star
  std::size_t text = 0;                          // where its match ends so far
};

// Two stars suffice, the last `*` and the last `**`: a later star makes every earlier one of its
// kind settled. So the time is O(pattern x text), whatever the pattern.
bool match_whole(std::string_view pattern, std::string_view text) {
  Star single;
  Star deep;
  std::size_t p = 0;
  std::size_t t = 0;
  while (true) {
    if (p < pattern.size() && pattern[p] == '*') {
      const bool is_deep = p + 1 < pattern.size() && pattern[p + 1] == '*';
      p += is_deep ? 2 : 1;
      if (is_deep) {
        // "**/" also matches no folder at all.
        deep = {p, t};
        single = {};
        if (p < pattern.size() && pattern[p] == '/' && (t == 0 || text[t - 1] == '/')) ++p;
      } else {
        single = {p, t};
      }
      continue;
    }
    if (p == pattern.size() && t == text.size()) return true;
    if (p < pattern.size() && t < text.size()) {
      if (const auto used = match_one(pattern, p, text[t])) {
        p += *used;
        ++t;
        continue;
      }
    }
    if (single.pattern != std::string_view::npos && single.text < text.size() &&
        text[single.text] != '/') {
      t = ++single.text;
      p = single.pattern;
    } else if (deep.pattern != std::string_view::npos && deep.text < text.size()) {
      t = ++deep.text;
      p = deep.pattern;
      single = {};
      if (p < pattern.size() && pattern[p] == '/' && text[t - 1] == '/') ++p;
    } else {
      return false;
    }
  }
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view key) {
  if (pattern.starts_with('/') && pattern.size() > 1) {
    pattern.remove_prefix(1);
    if (!pattern.ends_with('/')) return match_whole(pattern, key);
  }
  if (pattern.ends_with('/')) return match_whole(str_cat(pattern, "**"), key);
  if (pattern.find('/') == std::string_view::npos) {
    const std::size_t slash = key.rfind('/');
    return match_whole(pattern, slash == std::string_view::npos ? key : key.substr(slash + 1));
  }
  return match_whole(pattern, key);
}

bool in_scope(const Scope& scope, std::string_view key) {
  for (const std::string& pattern : scope.exclude) {
    if (glob_matches(pattern, key)) return false;
  }
  if (scope.include.empty()) return true;
  for (const std::string& pattern : scope.include) {
    if (glob_matches(pattern, key)) return true;
  }
  return false;
}

std::string pattern_of(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (std::string_view("*?[\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

NamedKeys named_keys(const Scope& scope) {
  NamedKeys out;
  for (const std::string& pattern : scope.include) {
    std::string key;
    for (std::size_t i = 1; i < pattern.size(); ++i) {
      if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
      key += pattern[i];
    }
    if (key.find('/') == std::string::npos && pattern_of(key) == pattern)
      out.keys.push_back(std::move(key));
  }
  std::sort(out.keys.begin(), out.keys.end());
  out.all = !out.keys.empty() && out.keys.size() == scope.include.size();
  return out;
}

Status check_scope(const Scope& scope) {
  for (const auto* patterns : {&scope.include, &scope.exclude}) {
    if (patterns->size() > kMaxScopePatterns) {
      return {Code::kInvalid,
              str_cat("more than ", kMaxScopePatterns, " include or exclude patterns")};
    }
    for (const std::string& pattern : *patterns) {
      if (pattern.empty() || pattern.size() > kMaxPattern) {
        return {Code::kInvalid, str_cat("pattern '", printable(pattern), "' is empty or too long")};
      }
      for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '\\') {
          ++i;
        } else if (pattern[i] == '[') {
          i = set_end(pattern, i);
          if (i == std::string::npos) {
            return {Code::kInvalid,
                    str_cat("pattern '", printable(pattern), "' has an unclosed [")};
          }
        }
      }
    }
  }
  return {};
}

Scope scope_of(const SourceEntry& entry) {
  return {.include = entry.include,
          .exclude = entry.exclude,
          .hidden = entry.hidden,
          .gitignore = entry.gitignore,
          .sidecars = entry.sidecars,
          .tags = entry.tags};
}

}  // namespace kedge
