#include "store/fault_store.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

Error fault_error(const Call& call, std::uint64_t number, Code code, std::string_view what) {
  return {code, str_cat("injected: ", what, " ", operation_name(call.operation), " '",
                        call.keys.empty() ? std::string() : printable(call.keys.front()),
                        "', call ", number)};
}

}  // namespace

class FaultListing final : public Listing {
 public:
  FaultListing(FaultStore& store, std::string_view prefix, std::string_view start_after)
      : store_(store),
        inner_(store.inner().list(prefix, start_after)),
        call_(call_of(Operation::kList, prefix)) {}

  Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
    if (over_) return *over_;
    FaultStore::Decision decision = store_.decide(call_);
    switch (decision.fault) {
      case Fault::kCut:
        over_ = std::vector<ObjectInfo>();
        return *over_;
      case Fault::kStale: {
        const Result<Timestamp> now = store_.inner().now(deadline);
        if (now.ok()) horizon_ = *now - decision.detail.staleness;
        break;
      }
      case Fault::kNone:
      case Fault::kTwice:
      case Fault::kEcho:
        break;
      default:
        over_ = decision.error;
        return *over_;
    }
    return visible_page(deadline);
  }
  [[nodiscard]] bool ordered() const override { return inner_->ordered(); }

 private:
  // A page without what is too new; an empty one would end the listing, so the next is taken then.
  Result<std::vector<ObjectInfo>> visible_page(Deadline deadline) {
    while (true) {
      auto page = inner_->next(deadline);
      if (!page.ok() || !horizon_ || page->empty()) return page;
      std::erase_if(*page, [&](const ObjectInfo& info) { return info.last_modified > *horizon_; });
      if (!page->empty()) return page;
    }
  }

  FaultStore& store_;
  const std::unique_ptr<Listing> inner_;
  const Call call_;
  std::optional<Timestamp> horizon_;
  std::optional<Result<std::vector<ObjectInfo>>> over_;
};

void FaultStore::add(FaultRule rule) {
  const std::lock_guard lock(mutex_);
  rules_.push_back(std::move(rule));
}

void FaultStore::set_rates(const FaultRates& rates, Random& random) {
  const std::lock_guard lock(mutex_);
  rates_ = rates;
  random_ = &random;
}

void FaultStore::heal() {
  const std::lock_guard lock(mutex_);
  rules_.clear();
  rates_.reset();
}

void FaultStore::crash_at(std::uint64_t call, Fault fault, FaultDetail detail) {
  const std::lock_guard lock(mutex_);
  crash_call_ = call;
  crash_fault_ = fault;
  crash_detail_ = detail;
}

void FaultStore::crash() {
  const std::lock_guard lock(mutex_);
  crashed_ = true;
}

void FaultStore::restart() {
  const std::lock_guard lock(mutex_);
  crashed_ = false;
  crash_call_ = 0;
}

bool FaultStore::crashed() const {
  const std::lock_guard lock(mutex_);
  return crashed_;
}

std::uint64_t FaultStore::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::uint64_t FaultStore::suffered(Fault fault) const {
  const std::lock_guard lock(mutex_);
  return suffered_[static_cast<std::size_t>(fault)];
}

std::size_t FaultStore::late() const {
  const std::lock_guard lock(mutex_);
  return late_.size();
}

bool FaultStore::land() {
  Effect effect;
  {
    const std::lock_guard lock(mutex_);
    if (late_.empty()) return false;
    effect = std::move(late_.front().effect);
    late_.pop_front();
  }
  effect(inner());
  return true;
}

void FaultStore::land_all() {
  while (land()) {
  }
}

void FaultStore::land_due() {
  const Timestamp time = clock_.now();
  while (true) {
    Effect effect;
    {
      const std::lock_guard lock(mutex_);
      const auto due = std::ranges::find_if(late_, [&](const Late& late) {
        return (late.due_call != 0 && late.due_call <= calls_) ||
               (late.due_time && *late.due_time <= time);
      });
      if (due == late_.end()) return;
      effect = std::move(due->effect);
      late_.erase(due);
    }
    effect(inner());
  }
}

void FaultStore::send_late(const FaultDetail& detail, Effect effect) {
  const std::lock_guard lock(mutex_);
  late_.push_back({.due_call = detail.late_calls == 0 ? 0 : calls_ + detail.late_calls,
                   .due_time = detail.late_until,
                   .effect = std::move(effect)});
}

FaultStore::Decision FaultStore::decide(const Call& call) {
  Decision decision;
  {
    const std::lock_guard lock(mutex_);
    ++calls_;
    const bool down = crashed_;
    decision = decide_locked(call);
    if (!down) ++suffered_[static_cast<std::size_t>(decision.fault)];
  }
  land_due();
  return decision;
}

FaultStore::Decision FaultStore::decide_locked(const Call& call) {
  if (crashed_)
    return {Fault::kBefore, {}, fault_error(call, calls_, Code::kUnavailable, "crashed before")};
  if (crash_call_ != 0 && calls_ >= crash_call_) {
    crashed_ = true;
    return {crash_fault_, crash_detail_,
            fault_error(call, calls_, Code::kUnavailable, "crashed in")};
  }
  for (FaultRule& rule : rules_) {
    if (rule.times == 0 || (rule.operation && *rule.operation != call.operation) ||
        (rule.matches && !rule.matches(call)))
      continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    --rule.times;
    return {rule.fault, rule.detail, fault_error(call, calls_, rule.detail.code, "failed")};
  }
  if (!rates_) return {};
  Decision decision;
  decision.fault = draw(call.operation, call.keys.size());
  decision.detail.late_calls =
      1 + random_->below(std::max<std::uint64_t>(rates_->max_late_calls, 1));
  decision.detail.torn_mask = random_->next();
  decision.error = fault_error(call, calls_, Code::kUnavailable, "failed");
  return decision;
}

// One number decides, whatever the operation, so that a seed stays comparable between runs.
Fault FaultStore::draw(Operation operation, std::size_t keys) {
  const bool write = is_write(operation);
  const bool list = operation == Operation::kList;
  const struct {
    Fault fault;
    double chance;
    bool fits;
  } choices[] = {{Fault::kBefore, rates_->before, true}, {Fault::kAfter, rates_->after, true},
                 {Fault::kLate, rates_->late, write},    {Fault::kTwice, rates_->twice, write},
                 {Fault::kEcho, rates_->echo, write},    {Fault::kTorn, rates_->torn, keys > 1},
                 {Fault::kStale, rates_->stale, list},   {Fault::kCut, rates_->cut, list}};
  double at = random_->unit();
  for (const auto& choice : choices) {
    if (at < choice.chance) return choice.fits ? choice.fault : Fault::kNone;
    at -= choice.chance;
  }
  return Fault::kNone;
}

// run(requests) asks the inner store; copy() gives the same as an effect that owns its arguments,
// or an empty one for what changes nothing.
template <typename Request, typename Run, typename Copy>
auto FaultStore::batch(const Call& call, std::span<const Request> requests, const Run& run,
                       const Copy& copy) {
  using Results = decltype(run(requests));
  const Decision decision = decide(call);
  const auto fail = [&] {
    return Results(requests.size(), typename Results::value_type(decision.error));
  };
  switch (decision.fault) {
    case Fault::kBefore:
      return fail();
    case Fault::kAfter:
      run(requests);
      return fail();
    case Fault::kLate:
      if (Effect effect = copy()) send_late(decision.detail, std::move(effect));
      return fail();
    case Fault::kTwice:
      run(requests);
      return run(requests);
    case Fault::kEcho:
      if (Effect effect = copy()) send_late(decision.detail, std::move(effect));
      return run(requests);
    case Fault::kTorn: {
      Results results = fail();
      for (std::size_t i = 0; i < requests.size(); ++i)
        if (((decision.detail.torn_mask >> (i % 64)) & 1) == 0)
          results[i] = std::move(run(requests.subspan(i, 1)).front());
      return results;
    }
    default:
      return run(requests);
  }
}

template <typename Run, typename Copy>
auto FaultStore::single(const Call& call, const Run& run, const Copy& copy) {
  using Answer = decltype(run());
  const Decision decision = decide(call);
  switch (decision.fault) {
    case Fault::kBefore:
    case Fault::kTorn:
      return Answer(decision.error);
    case Fault::kAfter:
      (void)run();
      return Answer(decision.error);
    case Fault::kLate:
      if (Effect effect = copy()) send_late(decision.detail, std::move(effect));
      return Answer(decision.error);
    case Fault::kTwice:
      (void)run();
      return run();
    case Fault::kEcho:
      if (Effect effect = copy()) send_late(decision.detail, std::move(effect));
      return run();
    default:
      return run();
  }
}

std::vector<Result<Blob>> FaultStore::read(std::span<const ReadRequest> requests,
                                           Deadline deadline) {
  return batch(
      call_of(Operation::kRead, requests), requests,
      [&](auto some) { return inner().read(some, deadline); }, [] { return Effect(); });
}

std::vector<Result<Stat>> FaultStore::stat(std::span<const ReadRequest> requests,
                                           Deadline deadline) {
  return batch(
      call_of(Operation::kStat, requests), requests,
      [&](auto some) { return inner().stat(some, deadline); }, [] { return Effect(); });
}

std::vector<Result<ObjectTags>> FaultStore::tags(std::span<const std::string> keys,
                                                 Deadline deadline) {
  return batch(
      call_of(Operation::kTags, keys), keys,
      [&](auto some) { return inner().tags(some, deadline); }, [] { return Effect(); });
}

std::vector<Result<Written>> FaultStore::put(std::span<const PutRequest> requests,
                                             Deadline deadline) {
  return batch(
      call_of(requests), requests, [&](auto some) { return inner().put(some, deadline); },
      [&]() -> Effect {
        std::vector<std::pair<std::string, Bytes>> owned;
        for (const PutRequest& request : requests)
          owned.emplace_back(request.key, Bytes(request.body.begin(), request.body.end()));
        return [owned = std::move(owned)](ObjectStore& store) {
          std::vector<PutRequest> copies;
          for (const auto& [key, body] : owned) copies.push_back({.key = key, .body = body});
          store.put(copies, Deadline::never());
        };
      });
}

Result<Written> FaultStore::create(std::string_view key, ByteView body, Deadline deadline) {
  return single(
      call_of(Operation::kCreate, key), [&] { return inner().create(key, body, deadline); },
      [&]() -> Effect {
        return [key = std::string(key), body = Bytes(body.begin(), body.end())](
                   ObjectStore& store) { (void)store.create(key, body, Deadline::never()); };
      });
}

Result<Written> FaultStore::swap(std::string_view key, const Tag& expected, ByteView body,
                                 Deadline deadline) {
  return single(
      call_of(Operation::kSwap, key), [&] { return inner().swap(key, expected, body, deadline); },
      [&]() -> Effect {
        return [key = std::string(key), expected,
                body = Bytes(body.begin(), body.end())](ObjectStore& store) {
          (void)store.swap(key, expected, body, Deadline::never());
        };
      });
}

std::vector<Result<void>> FaultStore::remove(std::span<const std::string> keys, Deadline deadline) {
  return batch(
      call_of(Operation::kRemove, keys), keys,
      [&](auto some) { return inner().remove(some, deadline); },
      [&]() -> Effect {
        return [owned = std::vector<std::string>(keys.begin(), keys.end())](ObjectStore& store) {
          store.remove(owned, Deadline::never());
        };
      });
}

std::unique_ptr<Listing> FaultStore::list(std::string_view prefix, std::string_view start_after) {
  return std::make_unique<FaultListing>(*this, prefix, start_after);
}

Result<Timestamp> FaultStore::now(Deadline deadline) {
  return single(
      Call{.operation = Operation::kNow, .keys = {}}, [&] { return inner().now(deadline); },
      [] { return Effect(); });
}

}  // namespace kedge
