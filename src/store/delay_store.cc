#include "store/delay_store.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kedge {

class DelayListing final : public Listing {
 public:
  DelayListing(DelayStore& store, std::unique_ptr<Listing> inner)
      : store_(store), inner_(std::move(inner)) {}

  Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
    store_.wait(1, 0);
    return inner_->next(deadline);
  }
  [[nodiscard]] bool ordered() const override { return inner_->ordered(); }

 private:
  DelayStore& store_;
  const std::unique_ptr<Listing> inner_;
};

Duration DelayStore::draw(std::uint64_t bytes) {
  static constexpr double kNormal99 = 2.3263478740408408;
  const std::lock_guard lock(mutex_);
  const double median = static_cast<double>(latency_.median.count());
  const double spread =
      std::log(static_cast<double>(latency_.p99.count()) / std::max(median, 1.0)) / kNormal99;
  double micros = median * std::exp(std::max(spread, 0.0) * random_.normal());
  if (latency_.bytes_per_second != 0)
    micros += static_cast<double>(bytes) * 1e6 / static_cast<double>(latency_.bytes_per_second);
  return Duration(static_cast<std::int64_t>(micros));
}

void DelayStore::wait(std::size_t requests, std::uint64_t bytes_each) {
  Duration longest{0};
  for (std::size_t i = 0; i < requests; ++i) longest = std::max(longest, draw(bytes_each));
  if (longest.count() > 0) clock_.sleep(longest);
}

std::vector<Result<Blob>> DelayStore::read(std::span<const ReadRequest> requests,
                                           Deadline deadline) {
  auto results = inner().read(requests, deadline);
  Duration longest{0};
  for (const Result<Blob>& blob : results)
    longest = std::max(longest, draw(blob.ok() ? blob->body.size() : 0));
  if (longest.count() > 0) clock_.sleep(longest);
  return results;
}

std::vector<Result<Stat>> DelayStore::stat(std::span<const ReadRequest> requests,
                                           Deadline deadline) {
  wait(requests.size(), 0);
  return inner().stat(requests, deadline);
}

std::vector<Result<ObjectTags>> DelayStore::tags(std::span<const std::string> keys,
                                                 Deadline deadline) {
  wait(keys.size(), 0);
  return inner().tags(keys, deadline);
}

std::vector<Result<Written>> DelayStore::put(std::span<const PutRequest> requests,
                                             Deadline deadline) {
  std::uint64_t largest = 0;
  for (const PutRequest& request : requests)
    largest = std::max<std::uint64_t>(largest, request.body.size());
  wait(requests.size(), largest);
  return inner().put(requests, deadline);
}

Result<Written> DelayStore::create(std::string_view key, ByteView body, Deadline deadline) {
  wait(1, body.size());
  return inner().create(key, body, deadline);
}

Result<Written> DelayStore::swap(std::string_view key, const Tag& expected, ByteView body,
                                 Deadline deadline) {
  wait(1, body.size());
  return inner().swap(key, expected, body, deadline);
}

std::vector<Result<void>> DelayStore::remove(std::span<const std::string> keys, Deadline deadline) {
  wait(keys.size(), 0);
  return inner().remove(keys, deadline);
}

std::unique_ptr<Listing> DelayStore::list(std::string_view prefix, std::string_view start_after) {
  return std::make_unique<DelayListing>(*this, inner().list(prefix, start_after));
}

Result<Timestamp> DelayStore::now(Deadline deadline) {
  wait(1, 0);
  return inner().now(deadline);
}

}  // namespace kedge
