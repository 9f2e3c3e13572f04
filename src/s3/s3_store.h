// An ObjectStore that is a bucket: AWS S3, or a store that speaks its protocol.
//
// Nothing here repeats a failure (RetryStore does, above), with two exceptions that are corrections
// after a definite refusal: a redirect to the bucket's region, and a signature that was refused for
// its time or for credentials that ended; each once a request.
// create() and swap() are single PUTs on connections of their own, and never hedged.
//
// Threads: any method, from any thread.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "net/http.h"
#include "s3/credentials.h"
#include "s3/s3_options.h"
#include "store/object_store.h"

namespace kedge {

inline constexpr std::uint64_t kSinglePutBytes = 64ULL << 20;  // more goes in parts
inline constexpr std::uint64_t kMinPartBytes = 8ULL << 20;
inline constexpr std::size_t kMaxParts = 10'000;
inline constexpr std::size_t kMaxDeleteKeys = 1'000;

// What a store stands on. All outlive it.
struct S3Environment {
  HttpTransport& transport;
  CredentialProvider& credentials;
  Clock& clock;
  Log& log;  // each request at debug, with the store's request ids and never a secret
};

// `options` are complete (complete_options). Sends nothing. kInvalid: options that cannot be.
Result<std::unique_ptr<ObjectStore>> make_s3_store(std::string bucket, S3Options options,
                                                   S3Environment environment);

}  // namespace kedge
