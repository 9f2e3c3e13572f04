// Callers that commit to one index at once, the first of them held back at its swap until the
// others wait: for tests.
#pragma once

#include <atomic>
#include <functional>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/index_impl.h"
#include "engine/testing.h"
#include "store/hook_store.h"

namespace kedge {

// Stands still until told, for any threads.
class SharedClock final : public Clock {
 public:
  Timestamp now() override { return at_second(0) + Duration(elapsed_.load()); }
  Duration monotonic() override { return Duration(elapsed_.load()); }
  void sleep(Duration duration) override { elapsed_ += duration.count(); }

 private:
  std::atomic<std::int64_t> elapsed_{0};
};

using Results = std::vector<Result<CommitReport>>;

struct CallOptions {
  std::vector<Deadline> deadlines = {};  // one a call, or none at all
  std::vector<Settle> settles = {};      // likewise
  StateEdit edit = {};
  std::size_t edited = SIZE_MAX;  // the call whose it is; default: the last
};

// An index whose next swap of the head is held back until `wanted` callers wait for its end.
class Crowd {
 public:
  explicit Crowd(const WorldOptions& options = {}) : world_(options) {
    world_.create();
    open();
  }

  // Anew, with nothing in its cache.
  void open() {
    opened_ = must(Index::open({held_, clock_, ids_, inline_executor(), silent_log()},
                               world_.options.index, Deadline::never()));
  }

  Index& index() { return *opened_; }
  World& world() { return world_; }
  SharedClock& clock() { return clock_; }
  GroupCommit& group() { return static_cast<IndexImpl&>(*opened_).group(); }
  SnapshotPtr latest() { return must(opened_->latest(Deadline::never())); }

  // `meanwhile` happens while they wait, `then` before the swap of those who have waited.
  void hold(std::size_t wanted, std::function<void()> meanwhile = {},
            std::function<void()> then = {}) {
    wanted_ = wanted;
    held_back_ = false;
    meanwhile_ = std::move(meanwhile);
    then_ = std::move(then);
  }

  PutIntent put(std::uint32_t source, const std::string& key, std::int64_t second) {
    return {world_.object({source, key}, str_cat("v", ++versions_), at_second(second), 1)};
  }
  // The model does what the intents ask for.
  void expect(const std::vector<Intent>& intents) {
    for (const Intent& intent : intents) {
      if (const auto* put = std::get_if<PutIntent>(&intent)) {
        keys_.insert({put->object.row.source, put->object.row.key});
        model_.put(put->object);
      } else {
        model_.absent(std::get<AbsentIntent>(intent).key, std::get<AbsentIntent>(intent).proven_at);
      }
    }
  }

  void commit_alone(std::vector<Intent> intents) {
    expect(intents);
    must(index().commit(std::move(intents), {}, {}, Deadline::never()));
  }
  // The first call, which is held back, and the others in this order while it is.
  Results commit(std::vector<std::vector<Intent>> calls, const CallOptions& options = {}) {
    Results results(calls.size(), Error{Code::kInternal, "no result"});
    std::vector<std::thread> threads;
    for (std::size_t c = 0; c < calls.size(); ++c) {
      threads.emplace_back([&, c] {
        while (c > 0 && (!held_back_ || group().waiting() + 1 < c)) std::this_thread::yield();
        try {
          results[c] = index().commit(
              std::move(calls[c]),
              c == std::min(options.edited, calls.size() - 1) ? options.edit : StateEdit(),
              options.settles.empty() ? Settle() : options.settles[c],
              options.deadlines.empty() ? Deadline::never() : options.deadlines[c]);
        } catch (const std::bad_alloc&) {
          results[c] = Error{Code::kExhausted, "it threw"};
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return results;
  }

  void expect_as_model() {
    expect_same(world_, index(), latest(), model_, {keys_.begin(), keys_.end()});
  }

 private:
  void around(const Call& call, Moment moment) {
    if (call.operation != Operation::kSwap || moment != Moment::kBefore) return;
    if (wanted_ == 0) {
      if (const auto then = std::exchange(then_, {})) then();
      return;
    }
    held_back_ = true;
    while (group().waiting() < wanted_) std::this_thread::yield();
    wanted_ = 0;
    if (meanwhile_) meanwhile_();
  }

  World world_;
  SharedClock clock_;
  SeededRandom ids_{77};
  HookStore held_{world_.counting,
                  [this](const Call& call, Moment moment) { around(call, moment); }};
  std::unique_ptr<Index> opened_;
  Model model_;
  std::set<ObjectKey> keys_;
  std::uint64_t versions_ = 0;
  std::atomic<std::size_t> wanted_{0};
  std::atomic<bool> held_back_{false};
  std::function<void()> meanwhile_;
  std::function<void()> then_;
};

}  // namespace kedge
