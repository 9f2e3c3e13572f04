#include "store/file_key.h"

#include "base/strings.h"
#include "store/range.h"

namespace kedge {
namespace {

Status refuse(std::string_view key, std::string_view reason) {
  return {Code::kInvalid, str_cat("key '", printable(key), "' ", reason)};
}

bool is_index_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-' || c == '/';
}

// Calls check(component) on each piece between slashes; the first error ends it.
template <typename Check>
Status for_each_component(std::string_view key, const Check& check) {
  while (true) {
    const std::size_t slash = key.find('/');
    KEDGE_TRY(check(key.substr(0, slash)));
    if (slash == std::string_view::npos) return {};
    key.remove_prefix(slash + 1);
  }
}

}  // namespace

Status check_index_key(std::string_view key) {
  KEDGE_TRY(check_key_size(key));
  for (const char c : key)
    if (!is_index_byte(c)) return refuse(key, "has a byte that is none of A-Z a-z 0-9 . _ - /");
  return for_each_component(key, [key](std::string_view component) -> Status {
    if (component.empty()) return refuse(key, "has an empty component");
    if (component.front() == '.') return refuse(key, "has a component that begins with '.'");
    if (component.size() > kMaxFileNameBytes) return refuse(key, "has a component over 255 bytes");
    return {};
  });
}

Status check_source_key(std::string_view key) {
  KEDGE_TRY(check_key_size(key));
  if (key.find('\0') != std::string_view::npos) return refuse(key, "has a NUL byte");
  return for_each_component(key, [key](std::string_view component) -> Status {
    if (component.empty()) return refuse(key, "has an empty component");
    if (component == "." || component == "..") return refuse(key, "has a component '.' or '..'");
    if (component.size() > kMaxFileNameBytes) return refuse(key, "has a component over 255 bytes");
    return {};
  });
}

}  // namespace kedge
