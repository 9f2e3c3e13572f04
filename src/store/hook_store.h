// Calls a function before and after the effect of every call of another store, on the caller's
// thread. A simulation blocks in it and so releases its actors one at a time.
//
// Threads: any, if the hook takes any.
#pragma once

#include <functional>

#include "store/operation.h"
#include "store/wrapped_store.h"

namespace kedge {

enum class Moment { kBefore, kAfter };
using StoreHook = std::function<void(const Call& call, Moment moment)>;

struct HookStoreOptions {
  // Makes each request of a batch a call of its own, in the order asked, so that others may act
  // between them as they do between parallel requests.
  bool split_batches = false;
};

class HookStore final : public WrappedStore {
 public:
  HookStore(ObjectStore& inner, StoreHook hook, HookStoreOptions options = {})
      : WrappedStore(inner), hook_(std::move(hook)), options_(options) {}

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
  // Each page is a call; list() itself is none.
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override;
  Result<Timestamp> now(Deadline deadline) override;

 private:
  friend class HookListing;
  // The answer of effect(), between the two moments.
  template <typename Effect>
  auto around(const Call& call, const Effect& effect) {
    hook_(call, Moment::kBefore);
    auto answer = effect();
    hook_(call, Moment::kAfter);
    return answer;
  }
  // As around() for each piece of the batch that counts as one call.
  template <typename Request, typename MakeCall, typename Effect>
  auto around_batch(std::span<const Request> requests, const MakeCall& make_call,
                    const Effect& effect) {
    if (!options_.split_batches || requests.size() < 2)
      return around(make_call(requests), [&] { return effect(requests); });
    decltype(effect(requests)) answers;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const auto one = requests.subspan(i, 1);
      answers.push_back(std::move(around(make_call(one), [&] { return effect(one); }).front()));
    }
    return answers;
  }

  const StoreHook hook_;
  const HookStoreOptions options_;
};

}  // namespace kedge
