// From intents to the next state: which live rows they replace, which of them lose, and what the
// head says then. Derived anew on every rebase (docs/commit.md, rule 6).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/index_impl.h"
#include "engine/lookup.h"

namespace kedge {

// Dead objects to be added to segments of a state. Folds them into del files where the head would
// hold too many.
class DeleteSet {
 public:
  void add(std::size_t segment, std::uint32_t number) { added_[segment].push_back(number); }
  // Writes the dead lists of `state`, whose segments are those of `segments` in order. New del
  // files go to `puts`. Segments without a live object are marked in the answer.
  std::vector<bool> apply(IndexState& state, std::span<const SegmentPtr> segments, Random& random,
                          std::vector<std::pair<FileRef, Bytes>>& puts);

 private:
  static void fold(SegmentEntry& entry, const std::vector<std::uint32_t>& dead, Random& random,
                   std::vector<std::pair<FileRef, Bytes>>& puts);
  std::map<std::size_t, std::vector<std::uint32_t>> added_;
};

class Writer {
 public:
  // `space` of the puts. All references outlive the writer.
  Writer(IndexImpl& index, const StateEdit& edit, const Settle& settle, Deadline deadline)
      : index_(index), edit_(edit), settle_(settle), deadline_(deadline) {}

  // Builds the segment. kInvalid: a limit, a key twice, an unknown space.
  Status take(std::vector<Intent> intents, const IndexState& state);
  // The draft upon `base`.
  Result<Draft> rebase(const HeadPtr& base);
  [[nodiscard]] const CommitReport& report() const { return report_; }

 private:
  struct Put {
    ObjectKey key;
    Timestamp read_time;
    std::string tag;
    SetHash hash;
    bool racy = false;
    ObjectStatus status = ObjectStatus::kIndexed;
    Timestamp retry_after;
    std::uint32_t number = 0;  // in the new segment
  };

  Status check_keys() const;
  Result<bool> put_wins(const Put& put, const ObjectRow& old);
  Result<bool> absence_wins(const AbsentIntent& absent, const ObjectRow& old);
  // The tag that the source has now; nothing if it is gone or cannot be asked. Asked once a key.
  struct Settled {
    bool gone = false;
    std::optional<std::string> tag;
  };
  const Settled& settle(const ObjectKey& key);
  Status resolve_puts(const std::vector<std::vector<LiveRef>>& found, IndexState& state,
                      DeleteSet& deletes);
  Status resolve_absents(const std::vector<std::vector<LiveRef>>& found, IndexState& state,
                         DeleteSet& deletes);
  static Status forget(IndexState& state, const ObjectRow& row);
  static Status remember(IndexState& state, const Put& put);

  IndexImpl& index_;
  const StateEdit& edit_;
  const Settle& settle_;
  Deadline deadline_;
  std::vector<Put> puts_;
  std::vector<AbsentIntent> absents_;
  std::vector<ObjectKey> keys_;  // of puts, then of absents
  std::optional<SegmentBuilder::Built> built_;
  std::vector<std::uint32_t> lost_;  // numbers in the new segment that are dead from the start
  std::map<ObjectKey, Settled> settled_;
  CommitReport report_;
  bool first_ = true;
};

// Keeps the earliest retry of the source at or below `time`; zero is none.
void keep_earliest(Timestamp& earliest, Timestamp time);

}  // namespace kedge
