// Rule 6: which of two versions of one key is the newer (docs/commit.md). What it says does not
// depend on the order in which they were committed.
#pragma once

#include <cstdint>
#include <string>

#include "engine/index.h"
#include "format/rows.h"

namespace kedge {

// A version of a key, or its absence.
struct Version {
  Timestamp time;   // of the read of its bytes, or when it was proven absent; by the source's store
  std::string tag;  // "" of an absence
  ObjectStatus status = ObjectStatus::kIndexed;
  static Version of(const ObjectRow& row) {
    return {.time = row.read_time, .tag = row.tag, .status = row.status};
  }
};

enum class Newer {
  kFresh,
  kOld,
  kAsk,  // two tags, or a tag and an absence, too close to each other to tell: the source knows
};
Newer newer_of(const Version& old, const Version& fresh);
// As newer_of(), where the source cannot tell: the later read, of two at once the greater tag, and
// what was read at the moment of an absence.
Newer later_of(const Version& old, const Version& fresh);

}  // namespace kedge
