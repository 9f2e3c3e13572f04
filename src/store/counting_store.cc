#include "store/counting_store.h"

#include <utility>

namespace kedge {

class CountingListing final : public Listing {
 public:
  CountingListing(CountingStore& store, std::unique_ptr<Listing> inner, bool counted)
      : store_(store), inner_(std::move(inner)), counted_(counted) {}

  Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
    auto page = inner_->next(deadline);
    // The end of a listing comes with its last page; a listing of nothing is one page.
    const bool asked = !page.ok() || !page->empty() || !any_;
    any_ = true;
    if (counted_ && asked)
      store_.add(Operation::kList,
                 {.calls = 1, .requests = 1, .failed = page.ok() ? 0U : 1U, .bytes = 0});
    return page;
  }
  [[nodiscard]] bool ordered() const override { return inner_->ordered(); }

 private:
  CountingStore& store_;
  const std::unique_ptr<Listing> inner_;
  const bool counted_;
  bool any_ = false;
};

std::uint64_t StoreCounts::requests() const {
  std::uint64_t sum = 0;
  for (const OperationCount& count : by_operation) sum += count.requests;
  return sum;
}

std::uint64_t StoreCounts::bytes_written() const {
  return of(Operation::kPut).bytes + of(Operation::kCreate).bytes + of(Operation::kSwap).bytes;
}

StoreCounts StoreCounts::operator-(const StoreCounts& earlier) const {
  StoreCounts out = *this;
  for (std::size_t i = 0; i < kOperationCount; ++i) {
    out.by_operation[i].calls -= earlier.by_operation[i].calls;
    out.by_operation[i].requests -= earlier.by_operation[i].requests;
    out.by_operation[i].hedges -= earlier.by_operation[i].hedges;
    out.by_operation[i].failed -= earlier.by_operation[i].failed;
    out.by_operation[i].bytes -= earlier.by_operation[i].bytes;
  }
  return out;
}

StoreCounts CountingStore::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void CountingStore::add(Operation operation, const OperationCount& count) {
  if (count.calls == 0) return;
  const std::lock_guard lock(mutex_);
  OperationCount& sum = counts_.by_operation[static_cast<std::size_t>(operation)];
  sum.calls += count.calls;
  sum.requests += count.requests;
  sum.hedges += count.hedges;
  sum.failed += count.failed;
  sum.bytes += count.bytes;
}

std::vector<Result<Blob>> CountingStore::read(std::span<const ReadRequest> requests,
                                              Deadline deadline) {
  auto results = inner().read(requests, deadline);
  OperationCount count;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!is_counted(requests[i].key)) continue;
    count.calls = 1;
    ++count.requests;
    if (results[i].ok()) {
      count.bytes += results[i]->body.size();
      count.hedges += results[i]->hedged ? 1 : 0;
    }
    if (!results[i].ok()) ++count.failed;
  }
  add(Operation::kRead, count);
  return results;
}

std::vector<Result<Stat>> CountingStore::stat(std::span<const ReadRequest> requests,
                                              Deadline deadline) {
  auto results = inner().stat(requests, deadline);
  OperationCount count;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!is_counted(requests[i].key)) continue;
    count.calls = 1;
    ++count.requests;
    if (results[i].ok()) count.hedges += results[i]->hedged ? 1 : 0;
    if (!results[i].ok()) ++count.failed;
  }
  add(Operation::kStat, count);
  return results;
}

std::vector<Result<ObjectTags>> CountingStore::tags(std::span<const std::string> keys,
                                                    Deadline deadline) {
  auto results = inner().tags(keys, deadline);
  OperationCount count;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!is_counted(keys[i])) continue;
    count.calls = 1;
    ++count.requests;
    if (!results[i].ok()) ++count.failed;
  }
  add(Operation::kTags, count);
  return results;
}

std::vector<Result<Written>> CountingStore::put(std::span<const PutRequest> requests,
                                                Deadline deadline) {
  auto results = inner().put(requests, deadline);
  OperationCount count;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!is_counted(requests[i].key)) continue;
    count.calls = 1;
    ++count.requests;
    count.bytes += requests[i].body.size();
    if (!results[i].ok()) ++count.failed;
  }
  add(Operation::kPut, count);
  return results;
}

Result<Written> CountingStore::create(std::string_view key, ByteView body, Deadline deadline) {
  auto result = inner().create(key, body, deadline);
  if (is_counted(key))
    add(Operation::kCreate,
        {.calls = 1, .requests = 1, .failed = result.ok() ? 0U : 1U, .bytes = body.size()});
  return result;
}

Result<Written> CountingStore::swap(std::string_view key, const Tag& expected, ByteView body,
                                    Deadline deadline) {
  auto result = inner().swap(key, expected, body, deadline);
  if (is_counted(key))
    add(Operation::kSwap,
        {.calls = 1, .requests = 1, .failed = result.ok() ? 0U : 1U, .bytes = body.size()});
  return result;
}

std::vector<Result<void>> CountingStore::remove(std::span<const std::string> keys,
                                                Deadline deadline) {
  auto results = inner().remove(keys, deadline);
  OperationCount count;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!is_counted(keys[i])) continue;
    count.calls = 1;
    ++count.requests;
    if (!results[i].ok()) ++count.failed;
  }
  add(Operation::kRemove, count);
  return results;
}

std::unique_ptr<Listing> CountingStore::list(std::string_view prefix,
                                             std::string_view start_after) {
  return std::make_unique<CountingListing>(*this, inner().list(prefix, start_after),
                                           is_counted(prefix));
}

Result<Timestamp> CountingStore::now(Deadline deadline) {
  auto result = inner().now(deadline);
  add(Operation::kNow, {.calls = 1, .requests = 0, .failed = result.ok() ? 0U : 1U, .bytes = 0});
  return result;
}

}  // namespace kedge
