// The next state of an index while a commit derives it from its base: dead objects added, segments
// taken out and put in; then folded, inlined and checked so that the head stays small.
// docs/format.md, "Index state".
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/index_impl.h"
#include "engine/segment.h"

namespace kedge {

class StateDraft {
 public:
  // `index` and `base` outlive it.
  StateDraft(IndexImpl& index, const Snapshot& base);

  [[nodiscard]] IndexState& state() { return state_; }
  // An object of a segment of the base is dead from now on.
  void kill(const Id128& segment, std::uint32_t number) { dead_[segment].push_back(number); }
  // The state names the segment no more.
  void remove(const Id128& segment);
  // A new one, in front; `dead` of its objects are so from the start, in any order. One without a
  // live object is left out. Gives whether it is named.
  bool add(const SegmentEntry& entry, SegmentFilePtr file, const std::vector<std::uint32_t>& dead);

  // Payload, files, and new del files in `puts`. kExhausted: too many segments.
  Result<Draft> finish();

 private:
  void apply_deletes();
  void drop_unused_trees();
  // Whether it has inlined dead objects whose number is known together with those of its del file.
  [[nodiscard]] bool foldable(const SegmentEntry& entry) const;
  void fold(SegmentEntry& entry);
  void fold_where_too_many();
  void inline_directories(std::size_t limit);

  IndexImpl& index_;
  IndexState state_;
  std::map<Id128, SegmentPtr> segments_;  // of the base
  std::map<Id128, SegmentFilePtr> fresh_;
  std::map<Id128, std::vector<std::uint32_t>> dead_;  // added; after apply_deletes() all, sorted
  std::vector<std::pair<FileRef, Bytes>> puts_;
};

// Payloads above this are made smaller: the envelope and room for the next commits come on top.
inline constexpr std::size_t kMaxPayloadBytes = 192 * 1024;

}  // namespace kedge
