// What the emulator is told in JSON while it runs, under /_emulator/.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "emulator/emulator.h"

namespace kedge::emulator {

// kInvalid: what is wrong, by its field. A field that is not known is refused.
// {"clock_offset_seconds": 3600, "latency": "constant:30ms", "bandwidth": 1000000,
//  "redirect_wrong_region": true, "denials": [{"permission": "s3:ListBucket", "bucket": "b",
//  "prefix": ""}], "keys": [{"access_key": "k", "secret_key": "s", "session_token": "",
//  "read_only": false, "expired": false}]}
Result<Settings> parse_settings(std::string_view json);
// {"name": "b", "region": "eu-west-1", "versioned": true, "public_read": true,
//  "requester_pays": true}
Result<std::pair<std::string, BucketOptions>> parse_bucket(std::string_view json);
// {"bucket": "b", "prefix": "p/", "count": 1000000, "size": 100}
Result<FillRequest> parse_fill(std::string_view json);

}  // namespace kedge::emulator
