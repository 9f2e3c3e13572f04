// The second step of the pattern: from references to raw bytes, only if they are still what was
// indexed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/index.h"
#include "store/object_store.h"

namespace kedge {

enum class FetchOutcome : std::uint8_t { kOk, kChanged, kGone, kArchived, kDenied, kError };
std::string_view fetch_outcome_name(FetchOutcome outcome);  // "ok", "changed", ...

struct FetchRequest {
  std::string key;
  std::string tag;         // as indexed
  std::string version_id;  // "" where the source keeps no versions
  std::uint64_t size = 0;
  std::optional<Extent> range;         // a chunk's bytes; absent: the whole object
  std::optional<Id128> chunk_hash;     // checked where the range is a chunk: a mismatch is kChanged
  std::optional<Sha256> content_hash;  // checked where the whole object is read
  // The recorded version is meant, whatever is current; where there are no versions, the current
  // one.
  bool as_indexed = false;
};

struct Fetched {
  FetchOutcome outcome = FetchOutcome::kError;
  Bytes body;          // kOk only
  std::string detail;  // what differs, or the error
  Timestamp store_time;
  // Of what is changed or gone, if it was asked: whether the recorded version is still there.
  std::optional<bool> version_readable;
};

// One result a request, all in parallel; never the bytes of another version; one bad reference
// fails nobody else.
std::vector<Fetched> fetch(ObjectStore& source, std::span<const FetchRequest> requests,
                           Deadline deadline);

// Proof of a reference without its bytes: kOk, kChanged, kGone, kArchived, kDenied or kError by a
// stat.
std::vector<Fetched> prove(ObjectStore& source, std::span<const FetchRequest> requests,
                           Deadline deadline);

// Asks, for what is changed or gone, whether the recorded version is still there: one more round,
// and none where there are no versions. `fetched` is of the same requests.
void ask_for_versions(ObjectStore& source, std::span<const FetchRequest> requests,
                      std::vector<Fetched>& fetched, Deadline deadline);

}  // namespace kedge
