// One call of HeadLog::commit or create, from its base to its outcome: draft, check, first round,
// swap, doubt, rebase. docs/commit.md has the picture of these states.
//
// Threads: one.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commit/head_log.h"

namespace kedge {

// What a run wants.
struct CommitPlan {
  Rebase rebase;
  bool on_dropped = false;  // may follow a dropped head
  bool repairs = false;     // the base is a history body, the head does not parse
  // Sets what no draft may: the floors, for the fence of a collection. May be empty.
  std::function<Status(const HeadPtr& base, Envelope& next)> fence;
};

// Full jitter: each pause is uniform in [0, unit * 2^n), at most kMaxPause, and ends by the
// deadline.
class Backoff {
 public:
  Backoff(Clock& clock, std::function<std::uint64_t(std::uint64_t)> random_below, Duration unit);
  // False at once if the deadline has passed.
  bool pause(Deadline deadline);

  static constexpr Duration kMaxPause = std::chrono::seconds(20);

 private:
  Clock& clock_;
  std::function<std::uint64_t(std::uint64_t)> random_below_;
  Duration unit_;
  int count_ = 0;
};

class CommitRun {
 public:
  CommitRun(HeadLog& log, CommitPlan plan, Deadline deadline);

  // `base` empty: creates generation 1.
  CommitOutcome run(HeadPtr base);

  // Who holds base_generation + 1, as far as can be told now.
  enum class Holder { kMine, kOther, kNobody, kUnclear };
  struct Finding {
    Holder holder = Holder::kUnclear;
    HeadPtr head;  // as read; empty if there is none or it does not parse
    Error error;   // why it is unclear
  };
  // `base_id`: of the state that the commit replaces; nothing else at its generation will do.
  Finding look(std::uint64_t base_generation, const Id128& base_id, const Id128& commit_id);

 private:
  // One generation's try.
  struct Attempt {
    HeadPtr base;
    Tag expected;  // of the head file, to be replaced
    Envelope next;
    Bytes body;
    std::vector<std::pair<FileRef, Bytes>> puts;
  };

  Result<Attempt> prepare(const HeadPtr& base);
  Status check_names(const HeadPtr& base, const Draft& draft) const;
  static Status check_upload(const Upload& upload, const Envelope* parent);
  [[nodiscard]] Timestamp newest_seen(const HeadPtr& base) const;
  Envelope successor(const HeadPtr& base, const Draft& draft) const;
  Status apply_amend(const HeadPtr& base, const Draft& draft, Envelope& next) const;

  Status first_round(Attempt& attempt);
  Status keep_history(const Attempt& attempt, Timestamp& store_time);
  Status put_files(const Attempt& attempt, Timestamp& store_time);

  // Committed or Unknown; nothing if somebody else holds the generation.
  std::optional<CommitOutcome> swap_until_known(Attempt& attempt);
  Result<Written> send(const Attempt& attempt);
  Finding look_until_clear(const Attempt& attempt, Deadline patience);
  [[nodiscard]] Deadline patience() const;
  void tell_of_waiting(const Error& error);
  Holder look_in_history(std::uint64_t generation, const Id128& commit_id, Error& error);
  CommitOutcome committed(Attempt attempt, Tag tag, Timestamp store_time);
  CommitOutcome unknown(const Attempt& attempt, Error last) const;

  // The head as it is after a pause, or `base` itself where there is no need of one.
  Result<HeadPtr> wait_for_turn(HeadPtr base);
  Backoff make_backoff(Duration unit);

  HeadLog& log_;
  CommitPlan plan_;
  Deadline deadline_;
  int waits_ = 0;  // for a definite answer
  int lost_ = 0;   // races
  std::map<std::string, std::pair<Upload, Id128>>
      put_;  // by key: put by this run, and their bytes' hash
};

}  // namespace kedge
