// For tests of commit/ and of what stands on it: a store between a writer and the real one that
// does, call by call, what a script says: fails before or after the effect, answers a conflict
// although the effect happened, holds the effect back until later, or crashes the writer there.
//
// Threads: one.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "store/object_store.h"

namespace kedge {

enum class Fault {
  kNone,
  kFailBefore,     // no effect, kUnavailable
  kFailAfter,      // the effect, kUnavailable
  kConflictAfter,  // the effect, kConflict: a copy of the request came second
  kConflictOnly,   // no effect, kConflict
  kDenied,         // no effect, kDenied
  kLate,           // kUnavailable, and the effect when land() is called
  kTwice,          // the effect, and the same request once more; the second answer counts
  kCrashBefore,    // no effect, and every later call fails: the writer is gone
  kCrashAfter,     // the effect, and every later call fails
};

struct ScriptedCall {
  std::size_t number = 0;      // from 0
  std::string_view operation;  // "read", "stat", "put", "create", "swap", "remove", "list", "now"
  std::string_view key;
};

class ScriptedStore final : public ObjectStore {
 public:
  using Script = std::function<Fault(const ScriptedCall&)>;

  explicit ScriptedStore(ObjectStore& base, Script script = {})
      : base_(base), script_(std::move(script)) {}

  void set_script(Script script) { script_ = std::move(script); }
  [[nodiscard]] std::size_t calls() const { return calls_; }
  [[nodiscard]] std::size_t calls_of(std::string_view operation) const {
    std::size_t count = 0;
    for (const std::string& line : log_) count += line.starts_with(operation) ? 1 : 0;
    return count;
  }
  // "operation key", one a call: to see what was asked.
  [[nodiscard]] const std::vector<std::string>& log() const { return log_; }
  [[nodiscard]] bool crashed() const { return crashed_; }
  // Effects held back by kLate happen now, in the order they were asked for.
  void land() {
    while (!late_.empty()) {
      const auto effect = std::move(late_.front());
      late_.pop_front();
      effect();
    }
  }

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    std::vector<Result<Blob>> results;
    for (const ReadRequest& request : requests) {
      results.push_back(perform<Blob>("read", request.key, [this, request, deadline] {
        return read_one(base_, request, deadline);
      }));
    }
    return results;
  }
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    std::vector<Result<Stat>> results;
    for (const ReadRequest& request : requests) {
      results.push_back(perform<Stat>("stat", request.key, [this, request, deadline] {
        return stat_one(base_, request.key, deadline);
      }));
    }
    return results;
  }
  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override {
    std::vector<Result<Written>> results;
    for (const PutRequest& request : requests) {
      const Bytes body(request.body.begin(), request.body.end());
      results.push_back(
          perform<Written>("put", request.key, [this, key = request.key, body, deadline] {
            return put_one(base_, key, body, deadline);
          }));
    }
    return results;
  }
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override {
    return perform<Written>("create", key,
                            [this, key = std::string(key), body = Bytes(body.begin(), body.end()),
                             deadline] { return base_.create(key, body, deadline); });
  }
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override {
    return perform<Written>(
        "swap", key,
        [this, key = std::string(key), expected, body = Bytes(body.begin(), body.end()), deadline] {
          return base_.swap(key, expected, body, deadline);
        });
  }
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override {
    std::vector<Result<void>> results;
    for (const std::string& key : keys) {
      results.push_back(perform<void>("remove", key, [this, key, deadline] {
        return base_.remove(std::span(&key, 1), deadline).front();
      }));
    }
    return results;
  }
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override {
    return std::make_unique<ScriptedListing>(*this, std::string(prefix),
                                             base_.list(prefix, start_after));
  }
  Result<Timestamp> now(Deadline deadline) override {
    return perform<Timestamp>("now", "", [this, deadline] { return base_.now(deadline); });
  }
  [[nodiscard]] std::string describe() const override { return base_.describe(); }

 private:
  class ScriptedListing final : public Listing {
   public:
    ScriptedListing(ScriptedStore& store, std::string prefix, std::unique_ptr<Listing> base)
        : store_(store), prefix_(std::move(prefix)), base_(std::move(base)) {}
    Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
      return store_.perform<std::vector<ObjectInfo>>(
          "list", prefix_, [&] { return base_->next(deadline); }, false);
    }
    [[nodiscard]] bool ordered() const override { return base_->ordered(); }

   private:
    ScriptedStore& store_;
    std::string prefix_;
    std::unique_ptr<Listing> base_;
  };

  template <typename T>
  Result<T> perform(std::string_view operation, std::string_view key,
                    std::function<Result<T>()> effect, bool can_be_late = true) {
    const Error gone{Code::kUnavailable, str_cat("scripted: no answer to ", operation)};
    if (crashed_) return gone;
    const ScriptedCall call{.number = calls_++, .operation = operation, .key = key};
    log_.push_back(str_cat(operation, " ", key));
    const Fault fault = script_ ? script_(call) : Fault::kNone;
    switch (fault) {
      case Fault::kNone:
        return effect();
      case Fault::kFailBefore:
        return gone;
      case Fault::kFailAfter:
        (void)effect();
        return gone;
      case Fault::kConflictAfter:
        (void)effect();
        [[fallthrough]];
      case Fault::kConflictOnly:
        return {Code::kConflict, str_cat("scripted: conflict of ", operation)};
      case Fault::kDenied:
        return {Code::kDenied, str_cat("scripted: denied ", operation)};
      case Fault::kLate:
        if (can_be_late) late_.push_back([effect] { (void)effect(); });
        return gone;
      case Fault::kTwice:
        (void)effect();
        return effect();
      case Fault::kCrashAfter:
        (void)effect();
        [[fallthrough]];
      case Fault::kCrashBefore:
        crashed_ = true;
        return gone;
    }
    return gone;
  }

  ObjectStore& base_;
  Script script_;
  std::size_t calls_ = 0;
  bool crashed_ = false;
  std::vector<std::string> log_;
  std::deque<std::function<void()>> late_;
};

}  // namespace kedge
