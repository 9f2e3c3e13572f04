#include "engine/counts.h"

namespace kedge {
namespace {

std::uint64_t* count_of(SourceEntry& entry, ObjectStatus status) {
  switch (status) {
    case ObjectStatus::kPending:
      return &entry.pending_objects;
    case ObjectStatus::kFailed:
      return &entry.failed_objects;
    case ObjectStatus::kSkipped:
      return &entry.skipped_objects;
    case ObjectStatus::kIndexed:
    case ObjectStatus::kAbsent:
      break;
  }
  return nullptr;
}

}  // namespace

RowCount RowCount::of(const ObjectRow& row) {
  return {.hash = SetHash::of(row.key, row.tag, row.size, row.last_modified,
                              sidecar_of(row.metadata), !tags_of(row.metadata).empty()),
          .status = row.status,
          .racy = row.racy,
          .retry_after = row.retry_after};
}

void keep_earliest(Timestamp& earliest, Timestamp time) {
  if (time.micros != 0 && (earliest.micros == 0 || time < earliest)) earliest = time;
}

void add_count(SourceEntry& entry, const RowCount& row) {
  if (row.status == ObjectStatus::kAbsent) return;
  entry.set_hash.add(row.hash);
  ++entry.live_objects;
  if (std::uint64_t* of_status = count_of(entry, row.status)) ++*of_status;
  if (row.racy) ++entry.racy_objects;
  keep_earliest(entry.earliest_retry, row.retry_after);
}

bool subtract_count(SourceEntry& entry, const RowCount& row) {
  if (row.status == ObjectStatus::kAbsent) return true;
  bool enough = true;
  const auto less = [&](std::uint64_t& value) {
    enough = enough && value > 0;
    if (value > 0) --value;
  };
  entry.set_hash.subtract(row.hash);
  if (std::uint64_t* of_status = count_of(entry, row.status)) less(*of_status);
  if (row.racy) less(entry.racy_objects);
  less(entry.live_objects);
  return enough;
}

void clear_counts(SourceEntry& entry) {
  entry.set_hash = {};
  entry.live_objects = 0;
  entry.failed_objects = 0;
  entry.skipped_objects = 0;
  entry.pending_objects = 0;
  entry.racy_objects = 0;
  entry.earliest_retry = {};
}

}  // namespace kedge
