#include "store/retry_store.h"

#include <algorithm>
#include <utility>

namespace kedge {

class RetryListing final : public Listing {
 public:
  RetryListing(RetryStore& store, std::string_view prefix, std::string_view start_after)
      : store_(store),
        prefix_(prefix),
        after_(start_after),
        inner_(store.inner().list(prefix, start_after)) {}

  Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
    const Duration began = store_.clock_.monotonic();
    for (int attempt = 0;; ++attempt) {
      auto page = inner_->next(deadline);
      if (page.ok()) {
        store_.succeeded(1);
        if (!page->empty()) {
          after_ = page->back().key;
          gave_ = true;
        }
        return page;
      }
      const bool may_resume = inner_->ordered() || !gave_;
      if (page.code() != Code::kUnavailable || !may_resume ||
          !store_.wait(attempt, 1, began, deadline))
        return page;
      inner_ = store_.inner().list(prefix_, after_);
    }
  }
  [[nodiscard]] bool ordered() const override { return inner_->ordered(); }

 private:
  RetryStore& store_;
  const std::string prefix_;
  std::string after_;
  bool gave_ = false;
  std::unique_ptr<Listing> inner_;
};

bool RetryStore::wait(int attempt, std::size_t requests, Duration began, Deadline deadline) {
  if (attempt >= options_.max_retries) return false;
  const std::int64_t longest =
      std::min(options_.first_wait.count() << std::min(attempt, 30), options_.max_wait.count());
  Duration duration{0};
  {
    const std::lock_guard lock(mutex_);
    if (tokens_ < static_cast<double>(requests)) return false;
    duration =
        Duration(static_cast<std::int64_t>(random_.unit() * static_cast<double>(longest + 1)));
    if (clock_.monotonic() + duration - began >= options_.patience) return false;
    if (deadline.at != Duration::max() && clock_.monotonic() + duration >= deadline.at)
      return false;
    tokens_ -= static_cast<double>(requests);
  }
  clock_.sleep(duration);
  return true;
}

void RetryStore::succeeded(std::size_t requests) {
  const std::lock_guard lock(mutex_);
  tokens_ = std::min(options_.budget, tokens_ + 0.1 * static_cast<double>(requests));
}

// Asks again for what was unavailable, and only that.
template <typename Request, typename Run>
auto RetryStore::batch(std::span<const Request> requests, Deadline deadline, const Run& run) {
  const Duration began = clock_.monotonic();
  auto results = run(requests);
  for (int attempt = 0;; ++attempt) {
    std::vector<std::size_t> failed;
    for (std::size_t i = 0; i < results.size(); ++i)
      if (!results[i].ok() && results[i].code() == Code::kUnavailable) failed.push_back(i);
    succeeded(attempt == 0 ? results.size() - failed.size() : 0);
    if (failed.empty() || !wait(attempt, failed.size(), began, deadline)) return results;
    std::vector<Request> again;
    again.reserve(failed.size());
    for (const std::size_t i : failed) again.push_back(requests[i]);
    auto answers = run(std::span<const Request>(again));
    for (std::size_t i = 0; i < failed.size(); ++i) results[failed[i]] = std::move(answers[i]);
  }
}

std::vector<Result<Blob>> RetryStore::read(std::span<const ReadRequest> requests,
                                           Deadline deadline) {
  return batch(requests, deadline, [&](auto some) { return inner().read(some, deadline); });
}

std::vector<Result<Stat>> RetryStore::stat(std::span<const ReadRequest> requests,
                                           Deadline deadline) {
  return batch(requests, deadline, [&](auto some) { return inner().stat(some, deadline); });
}

std::vector<Result<ObjectTags>> RetryStore::tags(std::span<const std::string> keys,
                                                 Deadline deadline) {
  return batch(keys, deadline, [&](auto some) { return inner().tags(some, deadline); });
}

std::vector<Result<Written>> RetryStore::put(std::span<const PutRequest> requests,
                                             Deadline deadline) {
  return batch(requests, deadline, [&](auto some) { return inner().put(some, deadline); });
}

std::vector<Result<void>> RetryStore::remove(std::span<const std::string> keys, Deadline deadline) {
  return batch(keys, deadline, [&](auto some) { return inner().remove(some, deadline); });
}

std::unique_ptr<Listing> RetryStore::list(std::string_view prefix, std::string_view start_after) {
  return std::make_unique<RetryListing>(*this, prefix, start_after);
}

Result<Timestamp> RetryStore::now(Deadline deadline) {
  const Duration began = clock_.monotonic();
  for (int attempt = 0;; ++attempt) {
    auto time = inner().now(deadline);
    if (time.ok() || time.code() != Code::kUnavailable || !wait(attempt, 1, began, deadline))
      return time;
  }
}

}  // namespace kedge
