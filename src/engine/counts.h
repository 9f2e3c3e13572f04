// What the entry of a source says of its live rows: counts, set hash, earliest retry.
#pragma once

#include "engine/index.h"
#include "format/index_state.h"
#include "format/rows.h"

namespace kedge {

// What one row adds.
struct RowCount {
  SetHash hash;
  ObjectStatus status = ObjectStatus::kIndexed;
  bool racy = false;
  Timestamp retry_after;
  static RowCount of(const ObjectRow& row);
};

// An absence counts nothing.
void add_count(SourceEntry& entry, const RowCount& row);
// Whether there was so much to take away; if not, nothing goes below zero.
bool subtract_count(SourceEntry& entry, const RowCount& row);
void clear_counts(SourceEntry& entry);

// Keeps the earlier of the two; zero is none.
void keep_earliest(Timestamp& earliest, Timestamp time);

}  // namespace kedge
