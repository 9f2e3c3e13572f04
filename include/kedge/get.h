// The raw bytes of references, only if they are still what was indexed.
#pragma once

#include <string>

#include "kedge/reference.h"

namespace kedge {

enum class GetStatus { kOk, kChanged, kGone, kArchived, kDenied, kError };
const char* get_status_name(GetStatus status);  // "ok", "changed", ...

struct GetRequest {
  Reference reference;
  bool whole_object = true;  // else the bytes of the reference's chunk
};

struct GetOutcome {
  GetStatus status = GetStatus::kError;
  std::string bytes;   // kOk only; never those of another version
  std::string detail;  // what differs, or the error
};

}  // namespace kedge
