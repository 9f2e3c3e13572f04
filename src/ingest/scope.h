// Which keys of a source are indexed: include and exclude globs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kedge {

struct SourceEntry;

// What is in scope: kept in the source's entry; changing it is a change of the source.
struct Scope {
  std::vector<std::string> include = {};  // empty: everything
  std::vector<std::string> exclude = {};  // wins over include
  bool hidden = false;                    // local sources: whether hidden files are listed
  bool gitignore = true;                  // local sources: whether .gitignore is honoured
  bool sidecars = false;                  // NAME.metadata.json is the metadata of NAME
  bool tags = false;                      // the tags of objects are metadata
  bool operator==(const Scope&) const = default;
};

Scope scope_of(const SourceEntry& entry);

// Globs over whole keys: `*` and `?` stop at '/', `**` does not, `[a-z]` and `[!a-z]` are sets, `\`
// quotes. A pattern without '/' is matched against the last component, so that "*.md" means what
// people expect; one that ends with '/' covers everything below it, and one that begins with '/'
// begins at the source.
bool glob_matches(std::string_view pattern, std::string_view key);

bool in_scope(const Scope& scope, std::string_view key);

// The pattern that matches this key and no other.
std::string pattern_of(std::string_view key);
// The keys without '/' that include patterns name one by one, as pattern_of() does; sorted.
struct NamedKeys {
  std::vector<std::string> keys;
  bool all = false;  // there is no other include pattern: nothing else is in scope
};
NamedKeys named_keys(const Scope& scope);

// kInvalid: a pattern that is empty, over kMaxPattern bytes or has an unclosed set; more than
// kMaxScopePatterns.
Status check_scope(const Scope& scope);

inline constexpr std::size_t kMaxScopePatterns = 256;

}  // namespace kedge
