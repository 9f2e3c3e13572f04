// From hits and rows to the public references, and to requests for their raw bytes.
#pragma once

#include <string>

#include "engine/index.h"
#include "ingest/fetch.h"
#include "kedge/reference.h"
#include "kedge/search.h"

namespace kedge {

Reference make_reference(const Snapshot& snapshot, const LiveObject& object, const ChunkRow* chunk,
                         std::uint32_t chunk_number);

// kInvalid, with the field: a reference that came from outside is not trusted.
Result<FetchRequest> whole_object_request(const Reference& reference);
Result<FetchRequest> chunk_request(const Reference& reference);

Proof proof_of(FetchOutcome outcome);

}  // namespace kedge
