// What a bucket keeps beside its objects, and what it says of itself.
#pragma once

#include <string_view>
#include <vector>

#include "s3/s3_client.h"

namespace kedge {

// Noncurrent versions and unfinished uploads from before `request.before`, and delete markers from
// before it that nothing lies under. kMaxSweepPages pages a call bound it; the next call goes on.
Result<Leftovers> sweep_leftovers(S3Client& client, const SweepRequest& request, Deadline deadline);

// Versioning, object lock, whether listing is permitted.
std::vector<StoreFact> bucket_facts(S3Client& client, Deadline deadline);

}  // namespace kedge
