#include "store/hook_store.h"

#include <utility>

namespace kedge {

class HookListing final : public Listing {
 public:
  HookListing(HookStore& store, std::unique_ptr<Listing> inner, std::string_view prefix)
      : store_(store), inner_(std::move(inner)), call_(call_of(Operation::kList, prefix)) {}

  Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
    return store_.around(call_, [&] { return inner_->next(deadline); });
  }
  [[nodiscard]] bool ordered() const override { return inner_->ordered(); }

 private:
  HookStore& store_;
  const std::unique_ptr<Listing> inner_;
  const Call call_;
};

std::vector<Result<Blob>> HookStore::read(std::span<const ReadRequest> requests,
                                          Deadline deadline) {
  return around_batch(
      requests, [](auto some) { return call_of(Operation::kRead, some); },
      [&](auto some) { return inner().read(some, deadline); });
}

std::vector<Result<Stat>> HookStore::stat(std::span<const ReadRequest> requests,
                                          Deadline deadline) {
  return around_batch(
      requests, [](auto some) { return call_of(Operation::kStat, some); },
      [&](auto some) { return inner().stat(some, deadline); });
}

std::vector<Result<ObjectTags>> HookStore::tags(std::span<const std::string> keys,
                                                Deadline deadline) {
  return around_batch(
      keys, [](auto some) { return call_of(Operation::kTags, some); },
      [&](auto some) { return inner().tags(some, deadline); });
}

std::vector<Result<Written>> HookStore::put(std::span<const PutRequest> requests,
                                            Deadline deadline) {
  return around_batch(
      requests, [](auto some) { return call_of(some); },
      [&](auto some) { return inner().put(some, deadline); });
}

Result<Written> HookStore::create(std::string_view key, ByteView body, Deadline deadline) {
  return around(call_of(Operation::kCreate, key),
                [&] { return inner().create(key, body, deadline); });
}

Result<Written> HookStore::swap(std::string_view key, const Tag& expected, ByteView body,
                                Deadline deadline) {
  return around(call_of(Operation::kSwap, key),
                [&] { return inner().swap(key, expected, body, deadline); });
}

std::vector<Result<void>> HookStore::remove(std::span<const std::string> keys, Deadline deadline) {
  return around_batch(
      keys, [](auto some) { return call_of(Operation::kRemove, some); },
      [&](auto some) { return inner().remove(some, deadline); });
}

std::unique_ptr<Listing> HookStore::list(std::string_view prefix, std::string_view start_after) {
  return std::make_unique<HookListing>(*this, inner().list(prefix, start_after), prefix);
}

Result<Timestamp> HookStore::now(Deadline deadline) {
  return around(Call{.operation = Operation::kNow, .keys = {}},
                [&] { return inner().now(deadline); });
}

}  // namespace kedge
