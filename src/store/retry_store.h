// The one place that repeats what failed: reads, stats, puts, removes, listings and the clock, on
// kUnavailable only. create and swap pass through untouched, whatever they answer: repeating a
// conditional write is the business of commit/.
//
// Waits are drawn from [0, first_wait * 2^attempt], at most max_wait (full jitter), and never begin
// when they could pass the deadline. A budget shared by all calls keeps a store that is down from
// being asked ever more: each retry takes one token, each success gives a tenth back.
// An ordered listing goes on after the last key it gave; an unordered one can only start again
// while it gave none.
//
// Threads: any method, from any thread.
#pragma once

#include <mutex>

#include "base/clock.h"
#include "base/random.h"
#include "store/wrapped_store.h"

namespace kedge {

struct RetryOptions {
  int max_retries = 7;  // of one request, 0 to 30; seven wait 3 s together on average
  Duration first_wait{50'000};
  Duration max_wait{5'000'000};
  // No retry begins later than this after its request did: a store that lets each try run into its
  // time-out is not asked eight times.
  Duration patience{60'000'000};
  double budget = 100;  // tokens at the start and at most
};

class RetryStore final : public WrappedStore {
 public:
  // `random` is used under a lock of the store's own.
  RetryStore(ObjectStore& inner, Clock& clock, Random& random, RetryOptions options = {})
      : WrappedStore(inner),
        clock_(clock),
        random_(random),
        options_(options),
        tokens_(options.budget) {}

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<ObjectTags>> tags(std::span<const std::string> keys,
                                       Deadline deadline) override;
  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override;
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override;
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override;
  Result<Timestamp> now(Deadline deadline) override;

 private:
  friend class RetryListing;
  // Waits before retry number `attempt` (from 0) of `requests` failed requests that began at
  // `began`. False if it may not be made.
  bool wait(int attempt, std::size_t requests, Duration began, Deadline deadline);
  void succeeded(std::size_t requests);

  template <typename Request, typename Run>
  auto batch(std::span<const Request> requests, Deadline deadline, const Run& run);

  Clock& clock_;
  std::mutex mutex_;  // guards random_ and tokens_
  Random& random_;
  const RetryOptions options_;
  double tokens_;
};

}  // namespace kedge
