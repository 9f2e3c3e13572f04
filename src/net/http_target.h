// Where a request goes, from its URL: enough to check it and to name it in messages. Messages show
// neither path nor query, which may hold a signature.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace kedge {

inline constexpr std::size_t kMaxUrlBytes = 16 << 10;

struct HttpTarget {
  std::string host_port;  // as in messages: "127.0.0.1:9", "[::1]:443"; the scheme's port if none
  bool tls = false;
  // An address that means this machine's own metadata services: never asked through a proxy.
  bool link_local = false;
};

// kInvalid: not an absolute http or https URL of printable ASCII, over kMaxUrlBytes, with a user, a
// fragment, or a port that is none. The message shows the URL without its query.
Result<HttpTarget> parse_http_target(std::string_view url);

}  // namespace kedge
