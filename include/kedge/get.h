// The raw bytes of references, only if they are still what was indexed.
#pragma once

#include <optional>
#include <string>

#include "kedge/reference.h"

namespace kedge {

enum class GetStatus { kOk, kChanged, kGone, kArchived, kDenied, kError };
const char* get_status_name(GetStatus status);  // "ok", "changed", ...

struct GetRequest {
  Reference reference;
  bool whole_object = true;  // else the bytes of the reference's chunk
  // The recorded version, though another may be current: for sources that keep versions. Of others
  // the current state is meant, as without it.
  bool as_indexed = false;
  // A link instead of the bytes, which reads the object for so long with the rights of whoever
  // asked; 0: none. At most 7 days. A reference that is not true any more gets none.
  double presign_seconds = 0;
};

struct GetOutcome {
  GetStatus status = GetStatus::kError;
  std::string bytes;   // kOk only; never those of another version
  std::string detail;  // what differs, or the error
  // kChanged and kGone on a source that keeps versions: whether as_indexed would give the recorded
  // one; absent where there are none, or it could not be told.
  std::optional<bool> version_readable;
  std::string link;  // kOk only, if one was asked for
};

}  // namespace kedge
