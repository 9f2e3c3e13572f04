#include "store/probe.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"

namespace kedge {
namespace {

class Probe {
 public:
  Probe(ObjectStore& store, Executor& executor, Random& random, const ProbeOptions& options,
        Deadline deadline)
      : store_(store), executor_(executor), options_(options), deadline_(deadline) {
    prefix_ = str_cat(options.prefix, Id128::random(random).hex(), "-");
  }

  ProbeReport run() {
    create_twice();
    swaps();
    reads();
    races();
    remove();
    return std::move(report_);
  }

 private:
  std::string key(std::string_view name) {
    keys_.push_back(prefix_ + std::string(name));
    return keys_.back();
  }

  void say(std::string name, bool ok, std::string detail) {
    report_.checks.push_back(
        {.name = std::move(name), .ok = ok, .detail = std::move(detail), .error = {}});
  }

  void undecided(std::string name, const Error& error) {
    report_.checks.push_back(
        {.name = std::move(name), .ok = false, .detail = error.message, .error = error});
  }

  // What must be refused with kConflict.
  void must_refuse(const std::string& name, const Result<Written>& answer,
                   std::string_view if_not) {
    if (answer.ok()) return say(name, false, std::string(if_not));
    if (answer.code() != Code::kConflict) return undecided(name, answer.error());
    say(name, true, "refused");
  }

  void create_twice() {
    const std::string name = key("create");
    const Result<Written> first = store_.create(name, as_bytes("one"), deadline_);
    if (!first.ok()) {
      // A random key is taken by nobody.
      if (first.code() == Code::kConflict)
        return say("create twice", false, "the first create of a new key was refused");
      return undecided("create twice", first.error());
    }
    must_refuse("create twice", store_.create(name, as_bytes("two"), deadline_),
                "the store let a key be created twice: commits would be lost");
  }

  void swaps() {
    const std::string name = key("swap");
    const Result<Written> made = store_.create(name, as_bytes("one"), deadline_);
    if (!made.ok()) return undecided("wrong If-Match", made.error());
    must_refuse(
        "wrong If-Match",
        store_.swap(name, Tag{"0123456789abcdef0123456789abcdef"}, as_bytes("two"), deadline_),
        "a swap with a wrong tag was not refused: commits would be lost");
    const Result<Written> right = store_.swap(name, made->tag, as_bytes("two"), deadline_);
    if (!right.ok() && right.code() != Code::kConflict) {
      undecided("right If-Match", right.error());
    } else {
      say("right If-Match", right.ok(),
          right.ok() ? "swapped" : "a swap with the right tag was refused: nothing can be written");
    }
    must_refuse("If-Match on a missing key",
                store_.swap(key("missing"), made->tag, as_bytes("x"), deadline_),
                "a swap of a key that is not there was not refused");
  }

  void reads() {
    const std::string name = key("read");
    const std::string body = "0123456789";
    const Result<Written> put = put_one(store_, name, as_bytes(body), deadline_);
    if (!put.ok()) return undecided("read after write", put.error());
    ReadRequest request;
    request.key = name;
    read("read after write", request, body, "what was written is not read back");
    request.offset = 3;
    request.length = 4;
    read("range", request, "3456", "a range came back wrong");
    const std::unique_ptr<Listing> listing = store_.list(prefix_, "");
    bool seen = false;
    while (true) {
      const Result<std::vector<ObjectInfo>> page = listing->next(deadline_);
      if (!page.ok()) return undecided("list after write", page.error());
      if (page->empty()) break;
      for (const ObjectInfo& info : *page) seen |= info.key == name;
    }
    say("list after write", seen, seen ? "listed" : "a written key is not listed");
  }

  void read(const std::string& name, const ReadRequest& request, std::string_view expected,
            std::string_view if_not) {
    const Result<Blob> blob = read_one(store_, request, deadline_);
    if (!blob.ok() && blob.code() != Code::kNotFound) return undecided(name, blob.error());
    const bool ok = blob.ok() && as_text(blob->body) == expected;
    say(name, ok, ok ? "exact" : std::string(if_not));
  }

  // One key, many writers at once, each with a body of its own.
  struct Race {
    std::vector<std::size_t> winners;
    Tag tag;                     // of a winner
    std::optional<Error> error;  // of one that neither won nor was refused
  };

  template <typename Write>
  Race race(std::string_view what, const Write& write) {
    std::vector<Result<Written>> answers(options_.race_writers,
                                         Result<Written>(Code::kInternal, "not run"));
    executor_.parallel_for(answers.size(), [&](std::size_t i) {
      const std::string body = str_cat(what, " by writer ", i);
      answers[i] = write(as_bytes(body));
    });
    Race out;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].ok()) {
        out.winners.push_back(i);
        out.tag = answers[i]->tag;
      } else if (answers[i].code() != Code::kConflict) {
        out.error = answers[i].error();
      }
    }
    return out;
  }

  enum class Verdict { kHeld, kCaught, kUntold };
  // Of one kind of race, over the rounds.
  struct Tally {
    std::string name;
    int held = 0;
    std::string caught;
    std::optional<Error> untold;
  };

  Verdict judge(std::string_view what, const std::string& key, const Race& race, int round,
                Tally& tally) {
    if (race.winners.size() > 1) {
      tally.caught = str_cat(race.winners.size(), " of ", options_.race_writers,
                             " writers won in round ", round + 1, ": commits would be lost");
      return Verdict::kCaught;
    }
    if (race.winners.empty() && race.error) {
      tally.untold = race.error;
      return Verdict::kUntold;
    }
    if (race.winners.empty()) {
      tally.caught = str_cat("no writer won in round ", round + 1, ": nothing could be written");
      return Verdict::kCaught;
    }
    ReadRequest request;
    request.key = key;
    const Result<Blob> left = read_one(store_, request, deadline_);
    const std::string won = str_cat(what, " by writer ", race.winners.front());
    if (left.ok() && as_text(left->body) == won) {
      ++tally.held;
      return Verdict::kHeld;
    }
    // One whose answer was lost may have won too, which is what the race is about: but a reader
    // cannot tell it from one that came later.
    if (race.error || (!left.ok() && left.code() != Code::kNotFound)) {
      tally.untold = race.error ? race.error : left.error();
      return Verdict::kUntold;
    }
    tally.caught = str_cat("what the winner wrote in round ", round + 1, " is not there");
    return Verdict::kCaught;
  }

  void races() {
    Tally creates{.name = "race of creates", .held = 0, .caught = {}, .untold = {}};
    Tally swaps{.name = "race of swaps", .held = 0, .caught = {}, .untold = {}};
    for (int round = 0; round < options_.race_rounds; ++round) {
      const std::string name = key(str_cat("race-", round));
      const Race made =
          race("created", [&](ByteView body) { return store_.create(name, body, deadline_); });
      const Verdict verdict = judge("created", name, made, round, creates);
      if (verdict == Verdict::kCaught) break;
      if (verdict == Verdict::kUntold) continue;
      const Race swapped = race(
          "swapped", [&](ByteView body) { return store_.swap(name, made.tag, body, deadline_); });
      if (judge("swapped", name, swapped, round, swaps) == Verdict::kCaught) break;
    }
    tell(creates);
    tell(swaps);
  }

  // Some answers may get lost on the way; half of the rounds must have been seen whole.
  void tell(const Tally& tally) {
    if (!tally.caught.empty()) return say(tally.name, false, tally.caught);
    if (2 * tally.held >= options_.race_rounds) {
      return say(tally.name, true,
                 str_cat("one winner in each of ", tally.held, " rounds of ", options_.race_writers,
                         " writers"));
    }
    undecided(tally.name, tally.untold.value_or(Error{Code::kUnavailable,
                                                      "not enough rounds of the race were told"}));
  }

  void remove() {
    const std::vector<Result<void>> removed = store_.remove(keys_, deadline_);
    const auto failed = std::find_if(removed.begin(), removed.end(),
                                     [](const Result<void>& one) { return !one.ok(); });
    if (failed == removed.end()) {
      say("remove", true, "the probe's keys are gone");
    } else {
      undecided("remove", failed->error());
      report_.checks.back().detail =
          str_cat("keys below ", prefix_, " are left: ", failed->error().message);
    }
    // Without it garbage stays, and nothing is damaged.
    report_.checks.back().needed = false;
  }

  ObjectStore& store_;
  Executor& executor_;
  const ProbeOptions& options_;
  Deadline deadline_;
  std::string prefix_;
  std::vector<std::string> keys_;
  ProbeReport report_;
};

template <typename Is>
const ProbeCheck* first(const std::vector<ProbeCheck>& checks, const Is& is) {
  const auto found = std::find_if(checks.begin(), checks.end(), is);
  return found == checks.end() ? nullptr : &*found;
}

}  // namespace

const ProbeCheck* ProbeReport::broken() const {
  return first(checks, [](const ProbeCheck& c) { return c.needed && !c.ok && !c.error; });
}

const ProbeCheck* ProbeReport::undecided() const {
  return first(checks, [](const ProbeCheck& c) { return c.needed && c.error.has_value(); });
}

ProbeReport probe_store(ObjectStore& store, Executor& executor, Random& random,
                        const ProbeOptions& options, Deadline deadline) {
  return Probe(store, executor, random, options, deadline).run();
}

}  // namespace kedge
