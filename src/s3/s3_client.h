// Requests to one bucket: addressed, signed, sent, their answers told apart. What a request means
// is s3_store's business.
//
// A request that was refused for its region, its time or ended credentials is mended and sent once
// more; nothing else is repeated here. Answers that say "slow down" slow all requests of the kind.
//
// Threads: any method, from any thread.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "s3/endpoint.h"
#include "s3/rate_limiter.h"
#include "s3/s3_error.h"
#include "s3/s3_store.h"

namespace kedge {

// One request to the bucket, or to a key of it.
struct S3Call {
  std::string method = "GET";
  std::string key;  // "" for the bucket itself
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<HttpHeader> headers;
  ByteView body;  // borrowed for the call
  std::uint64_t max_body_bytes = 16ULL << 20;
  bool at_most_once = false;
  bool may_hedge = false;
  bool is_write = false;                            // of the kind that stores throttle as writes
  std::function<void(ByteView body)> arrived = {};  // as HttpRequest's
};

struct S3Answer {
  HttpResponse response;  // 2xx or 304
  Timestamp store_time;   // of its Date header; zero where there is none
  // The newest time of the store that was known when the request went out, in whole seconds.
  Timestamp known_before;
  Duration took{0};  // from the start of the exchange to its end
};

// Why there is no good answer.
struct S3Refusal {
  Error error;
  int status = 0;             // 0: there was no answer
  S3ErrorBody body = {};      // as far as it was told
  Timestamp store_time = {};  // of the Date header
};

struct S3Outcome {
  std::optional<S3Answer> answer;
  S3Refusal refusal;  // if there is no answer
  [[nodiscard]] bool ok() const { return answer.has_value(); }
};

class S3Client {
 public:
  S3Client(std::string bucket, S3Options options, S3Environment environment);

  // One outcome a call, in order; they run in parallel.
  std::vector<S3Outcome> send(std::span<const S3Call> calls, Deadline deadline);
  S3Outcome send_one(const S3Call& call, Deadline deadline);

  // A link to a GET of the key.
  Result<std::string> presign(std::string_view key, std::string_view version_id, Duration valid,
                              Deadline deadline);

  // A time that the store's clock has reached, in whole seconds, from the newest Date header and
  // what has passed since; nullopt before the first answer or where it is older than kFreshTime.
  std::optional<Timestamp> store_time() const;

  // "s3://bucket/key", for messages.
  [[nodiscard]] std::string name_of(std::string_view key) const;
  [[nodiscard]] const S3Options& options() const { return options_; }
  [[nodiscard]] const S3Environment& environment() const { return environment_; }
  [[nodiscard]] const std::string& bucket() const { return bucket_; }

 private:
  Result<HttpRequest> prepare(const S3Call& call, const Credentials* credentials);
  // Sends what `which` names of the calls, signed with `used`, and puts their outcomes in place;
  // the corrections that their refusals ask for.
  std::vector<S3Correction> round(std::span<const S3Call> calls, std::span<const std::size_t> which,
                                  std::vector<S3Outcome>& outcomes, Credentials& used,
                                  Deadline deadline);
  S3Correction take(const S3Call& call, const HttpRequest& request, Result<HttpResponse> response,
                    S3Outcome& outcome);
  bool correct(S3Correction correction, const S3Outcome& outcome, const Credentials& used,
               Deadline deadline);
  bool find_region(const S3Outcome& outcome, Deadline deadline);
  void saw(Timestamp store_time);
  // Where requests go, by what is known of the region, and the time to sign them with.
  Result<S3Endpoint> endpoint(Timestamp* signing_time) const;
  void log(const S3Call& call, const S3Outcome& outcome, Duration took) const;

  const std::string bucket_;
  const S3Options options_;
  const S3Environment environment_;
  RateLimiter reads_;
  RateLimiter writes_;

  mutable std::mutex mutex_;  // guards what follows
  std::string region_;
  Duration clock_offset_{0};  // added to the local clock to sign
  Timestamp seen_time_;
  Duration seen_at_{0};
};

}  // namespace kedge
