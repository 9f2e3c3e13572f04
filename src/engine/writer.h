// From intents to the next state: which live rows they replace, which of them lose, and what the
// head says then. Derived anew on every rebase (docs/commit.md, rule 6).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/counts.h"
#include "engine/index_impl.h"
#include "engine/lookup.h"
#include "engine/state_draft.h"
#include "engine/versions.h"
#include "format/segment_builder.h"

namespace kedge {

class Writer final : public PreparedCommit {
 public:
  // The index outlives the writer.
  Writer(IndexImpl& index, StateEdit edit, Settle settle)
      : index_(index), edit_(std::move(edit)), settle_(std::move(settle)) {}

  // kInvalid: too many, or a key twice.
  Status take(std::vector<Intent> intents);
  // Builds the segment for a state that later bases may have changed; else the first rebase does.
  Status build(const IndexState& state);
  // The draft upon `base`.
  Result<Draft> rebase(const HeadPtr& base, Deadline deadline);
  [[nodiscard]] bool writes_segment() const { return !keys_.empty(); }
  // Of the intents from `first` on, as they were decided upon the last base.
  [[nodiscard]] CommitReport report_of(std::size_t first, std::size_t count) const;
  [[nodiscard]] CommitReport report() const { return report_of(0, keys_.size()); }

 private:
  // What became of an intent: nothing where an absence changed nothing.
  enum class Fate : std::uint8_t { kNothing, kPut, kDeleted, kSuperseded };
  struct Fresh {
    Version version;
    bool always = false;                  // an absence that wins over everything and leaves no row
    std::optional<std::uint32_t> number;  // of its row in the new segment
    RowCount count;
    Fate fate = Fate::kNothing;
  };
  // Failed and pending rows of a source that this commit puts.
  struct Unfinished {
    std::uint64_t rows = 0;
    Timestamp earliest_retry;
  };

  Result<std::optional<Space>> space_of(const IndexState& state) const;
  Status check_sources(const IndexState& state) const;
  Status check_vector(const IndexedObject& object) const;
  Status resolve(std::size_t i, const std::vector<LiveRef>& found, const Snapshot& base,
                 StateDraft& draft);
  bool fresh_wins(std::size_t i, const Version& old);
  static const LiveRef* newest(const std::vector<const LiveRef*>& rows);
  void forget(IndexState& state, const ObjectRow& row);
  void remember(IndexState& state, std::uint32_t source, const RowCount& count);
  void close_counts(IndexState& state) const;

  IndexImpl& index_;
  const StateEdit edit_;
  const Settle settle_;
  std::vector<ObjectKey> keys_;
  std::vector<Fresh> fresh_;            // one a key
  std::vector<IndexedObject> objects_;  // of the puts, until the segment is built
  std::vector<std::size_t> put_of_;     // their positions among the keys
  std::optional<Space> space_;          // of the new segment; none: nothing to write
  std::optional<SegmentBuilder::Built> built_;
  SegmentFilePtr file_;              // of it
  std::vector<std::uint32_t> lost_;  // numbers in the new segment that are dead from the start
  std::map<std::uint32_t, Unfinished> unfinished_;
  bool prepared_ = false;
  std::uint64_t bases_ = 0;
};

}  // namespace kedge
