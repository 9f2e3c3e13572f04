// What the tests of commit/ share: a log on a store of the test's own, and drafts to put in it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "commit/collect.h"
#include "commit/fake_store.h"
#include "commit/head_log.h"
#include "commit/scripted_store.h"

namespace kedge {

class KeepingLog final : public Log {
 public:
  void write(LogLevel level, std::string_view message) override {
    if (level >= LogLevel::kWarning) lines.emplace_back(message);
  }
  std::vector<std::string> lines;
};

// One writer: a log with its own clock and its own faults on a store shared with others.
struct Writer {
  explicit Writer(FakeStore& base, std::uint64_t seed = 1, std::string prefix = "ix/")
      : store(base), random(seed), head_log(store, std::move(prefix), clock, random, log, {}) {}

  // A deadline some simulated minutes away.
  Deadline soon() { return Deadline::after(clock, std::chrono::minutes(30)); }

  ScriptedStore store;
  ManualClock clock;
  SeededRandom random;
  KeepingLog log;
  HeadLog head_log;
};

inline std::string file_name(Random& random) {
  const std::string id = Id128::random(random).hex();
  return str_cat("seg/", std::string_view(id).substr(0, 2), "/", id);
}

// Appends `line` to the payload, and names one new file that is put in the first round.
inline Rebase append_line(std::string line, Random& random) {
  const std::string key = file_name(random);
  return [line = std::move(line), key](const HeadPtr& base) -> Result<Draft> {
    Draft draft;
    draft.payload = base->envelope.payload;
    const Bytes text = to_bytes(line + "\n");
    draft.payload.insert(draft.payload.end(), text.begin(), text.end());
    draft.files = base->envelope.files;
    draft.files.push_back({key, line.size()});
    draft.puts.push_back({{key, line.size()}, to_bytes(line)});
    return draft;
  };
}

// The parent's contents.
inline Result<Draft> unchanged(const HeadPtr& base) {
  Draft draft;
  draft.payload = base->envelope.payload;
  draft.files = base->envelope.files;
  return draft;
}

inline std::string payload_text(const HeadPtr& head) {
  return std::string(as_text(head->envelope.payload));
}

inline std::string describe(const CommitOutcome& outcome) {
  if (const auto* done = std::get_if<Committed>(&outcome))
    return str_cat("committed ", done->head->envelope.generation);
  if (const auto* refused = std::get_if<NotCommitted>(&outcome))
    return str_cat("not committed: ", code_name(refused->reason.code), " ",
                   refused->reason.message);
  return str_cat("unknown: ", std::get<UnknownOutcome>(outcome).last.message);
}

// The head of a commit that must have succeeded.
inline HeadPtr must_commit(const CommitOutcome& outcome) {
  const auto* done = std::get_if<Committed>(&outcome);
  if (done == nullptr) {
    ADD_FAILURE() << describe(outcome);
    return std::make_shared<Head>();
  }
  return done->head;
}

inline Code reason_code(const CommitOutcome& outcome) {
  const auto* refused = std::get_if<NotCommitted>(&outcome);
  EXPECT_NE(refused, nullptr) << describe(outcome);
  return refused == nullptr ? Code::kInternal : refused->reason.code;
}

inline bool is_unknown(const CommitOutcome& outcome) {
  return std::holds_alternative<UnknownOutcome>(outcome);
}

inline Draft first_draft() {
  Draft draft;
  draft.payload = to_bytes("first\n");
  return draft;
}

inline std::vector<std::string> keys_of(ObjectStore& store, std::string_view prefix) {
  std::vector<std::string> keys;
  const auto listing = store.list(prefix, "");
  while (true) {
    auto page = listing->next(Deadline::never());
    if (!page.ok() || page->empty()) return keys;
    for (const ObjectInfo& info : *page) keys.push_back(info.key);
  }
}

}  // namespace kedge
