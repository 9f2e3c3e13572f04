// Writing and deleting objects: single PUTs, multipart uploads, DeleteObjects.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "s3/s3_client.h"

namespace kedge {

// What S3 says of keys: 1 to kMaxKeyBytes bytes of UTF-8. kInvalid.
Status check_s3_key(std::string_view key);

// A PUT of the whole body, with the storage class and encryption of the options.
S3Call put_call(const S3Client& client, std::string_view key, ByteView body);
// What a PUT answered. kUnavailable: it carries no tag.
Result<Written> written_of(std::string_view key, const S3Answer& answer);

// Bodies over kSinglePutBytes go in equal parts, and are aborted if one fails. The answer to the
// last step may be lost: the object is looked at then.
std::vector<Result<Written>> put_objects(S3Client& client, std::span<const PutRequest> requests,
                                         Deadline deadline);

// The size of the parts of a body, all but the last of one size.
std::uint64_t part_bytes(std::uint64_t body_bytes);

// In batches of kMaxDeleteKeys; keys that XML cannot carry one by one.
std::vector<Result<void>> remove_objects(S3Client& client, std::span<const std::string> keys,
                                         Deadline deadline);
// The same with version ids ("" for none).
std::vector<Result<void>> remove_versions(
    S3Client& client, std::span<const std::pair<std::string, std::string>> versions,
    Deadline deadline);

}  // namespace kedge
