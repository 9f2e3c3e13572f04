// ListObjectsV2 as a Listing: pages until the store says that there are no more.
#pragma once

#include <memory>
#include <string_view>

#include "s3/s3_client.h"

namespace kedge {

// A page that cannot be the one asked for (other keys, a token seen before, no word on whether more
// follows) ends the listing with kUnavailable: it proves nothing. Directory buckets and stores
// whose first pages are not sorted are not ordered().
std::unique_ptr<Listing> list_objects(S3Client& client, std::string_view prefix,
                                      std::string_view start_after);

}  // namespace kedge
