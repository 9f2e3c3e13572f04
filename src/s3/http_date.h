// Dates of HTTP headers.
#pragma once

#include <string_view>

#include "base/clock.h"

namespace kedge {

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), the one form that servers may send now. Zero
// for anything else.
Timestamp parse_http_date(std::string_view text);

}  // namespace kedge
