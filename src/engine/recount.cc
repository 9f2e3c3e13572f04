#include "engine/recount.h"

#include <algorithm>
#include <utility>

#include "engine/counts.h"
#include "engine/cursor.h"
#include "engine/versions.h"

namespace kedge {
namespace {

class Recount {
 public:
  Recount(const std::set<std::uint32_t>& uncounted, StateDraft& draft) : draft_(draft) {
    for (SourceEntry& source : draft.state().sources) {
      if (uncounted.contains(source.number)) continue;
      clear_counts(source);
      counted_.emplace(source.number, &source);
    }
  }

  // In the order of source and key.
  void take(RowCursor::Row row) {
    if (!newest_.empty() && !of_one_key(newest_.begin()->second.entry.row, row.entry.row)) close();
    const auto [at, first] = newest_.try_emplace(row.segment->entry().space);
    const bool wins = first || later_of(Version::of(at->second.entry.row),
                                        Version::of(row.entry.row)) == Newer::kFresh;
    if (!first) {
      const RowCursor::Row& loser = wins ? at->second : row;
      draft_.kill(loser.segment->id(), loser.number);
    }
    if (wins) at->second = std::move(row);
  }

  void close() {
    for (const auto& [space, row] : newest_) {
      const auto source = counted_.find(row.entry.row.source);
      if (source != counted_.end()) add_count(*source->second, RowCount::of(row.entry.row));
    }
    newest_.clear();
  }

 private:
  static bool of_one_key(const ObjectRow& a, const ObjectRow& b) {
    return a.source == b.source && a.key == b.key;
  }

  StateDraft& draft_;
  std::map<std::uint32_t, SourceEntry*> counted_;
  std::map<Id128, RowCursor::Row> newest_;  // of one key, by space
};

}  // namespace

Status keep_newest(PageReader& reader, const SnapshotPtr& snapshot,
                   std::span<const SegmentPtr> segments, const DeadNumbers& dead,
                   const std::set<std::uint32_t>& uncounted, StateDraft& draft, Deadline deadline) {
  Recount recount(uncounted, draft);
  RowCursor rows(reader, snapshot, segments);
  while (std::optional<RowCursor::Row> row = KEDGE_TRY(rows.next(deadline))) {
    const auto named = dead.find(row->segment->id());
    if (named != dead.end() &&
        std::binary_search(named->second.begin(), named->second.end(), row->number)) {
      continue;
    }
    recount.take(*std::move(row));
  }
  recount.close();
  return {};
}

}  // namespace kedge
