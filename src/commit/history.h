// The keys of history bodies: history/<generation, 20 digits>-<commit id, 32 hex>. Their listing
// tells who held a generation long after the head's last pairs have moved on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/result.h"
#include "format/envelope.h"
#include "store/object_store.h"

namespace kedge {

struct HistoryEntry {
  std::uint64_t generation = 0;
  Id128 commit_id;
  Timestamp last_modified;
};

// A million generations within the retention: more is refused as kExhausted, not listed.
inline constexpr std::size_t kMaxHistoryEntries = 1'000'000;
// How many bodies are read into memory together, each up to kMaxHeadBytes.
inline constexpr std::size_t kBodiesAtOnce = 16;
inline constexpr std::string_view kHistoryFolder = "history/";

// Relative to the log's prefix.
std::string history_key(std::uint64_t generation, const Id128& commit_id);
// The inverse; nothing for any other key.
std::optional<HistoryEntry> parse_history_key(std::string_view relative);

// All bodies, by rising generation. Keys of another shape are left out.
Result<std::vector<HistoryEntry>> list_history(ObjectStore& store, std::string_view prefix,
                                               Deadline deadline);
// Those of one generation: one, or none if it is the head, was collected or never was.
Result<std::vector<HistoryEntry>> list_generation(ObjectStore& store, std::string_view prefix,
                                                  std::uint64_t generation, Deadline deadline);

// The oldest generation that is retained at `now`, not below head.retained_from (rule 8, pins
// apart): one is retained until `retention` after its successor began, which was no later than the
// Last-Modified of the successor's body, or of the head. `entries` by rising generation.
std::uint64_t retained_from_at(Timestamp now, const Envelope& head, Timestamp head_last_modified,
                               const std::vector<HistoryEntry>& entries);

}  // namespace kedge
