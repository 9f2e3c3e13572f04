// Makes another store as slow as a distant one, by the sleep of a Clock: to see rounds and parallel
// requests in the time a query takes.
//
// Threads: any method, from any thread.
#pragma once

#include <mutex>

#include "base/clock.h"
#include "base/random.h"
#include "store/wrapped_store.h"

namespace kedge {

// How long one request takes: lognormal by its median and 99th percentile (median <= p99; equal for
// a constant), then the body at `bytes_per_second` (0: at once).
struct Latency {
  Duration median{30'000};
  Duration p99{100'000};
  std::uint64_t bytes_per_second = 0;
};

class DelayStore final : public WrappedStore {
 public:
  // `random` is used under a lock of the store's own.
  DelayStore(ObjectStore& inner, Clock& clock, Random& random, Latency latency)
      : WrappedStore(inner), clock_(clock), random_(random), latency_(latency) {}

  // A batch takes as long as its slowest request, for they run in parallel.
  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<ObjectTags>> tags(std::span<const std::string> keys,
                                       Deadline deadline) override;
  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override;
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override;
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override;
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override;
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override;
  Result<Timestamp> now(Deadline deadline) override;

 private:
  friend class DelayListing;
  Duration draw(std::uint64_t bytes);
  void wait(std::size_t requests, std::uint64_t bytes_each);

  Clock& clock_;
  std::mutex mutex_;
  Random& random_;
  const Latency latency_;
};

}  // namespace kedge
