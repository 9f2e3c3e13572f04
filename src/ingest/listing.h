// The listing of a source, spilled and sorted. A large source is listed in ranges of keys at once,
// split where the last sync says that equal parts of its keys lie.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/index.h"
#include "ingest/scope.h"
#include "ingest/spill.h"
#include "store/object_store.h"

namespace kedge {

inline constexpr std::size_t kMaxListingRanges = 16;
// Of keys, at least: below it a range costs more than it saves.
inline constexpr std::uint64_t kListingRangeKeys = 5000;

// A complete listing, in scope. `set_hash` is over distinct keys, as SourceEntry::set_hash is over
// rows. Where the scope has sidecars, they are not objects of the listing: ObjectInfo::sidecar of
// what they describe says which version is there.
struct SourceListing {
  std::vector<std::unique_ptr<Spill>> ranges;  // of keys, increasing and disjoint
  std::unique_ptr<Spill> sidecar_files;        // under the keys that they describe; may be null
  std::uint64_t sidecars = 0;                  // of listed objects
  std::uint64_t sidecars_alone = 0;            // of keys that were not listed
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  SetHash set_hash;
  Timestamp began;  // the source store's clock

  // All of it in key order, each key once. Must not outlive the listing.
  [[nodiscard]] std::unique_ptr<Spill::Reader> read() const;
};

struct ListingOptions {
  std::string scratch_folder;
  std::size_t memory_bytes = 0;  // of all ranges together
  // Ascending: range i ends with key splits[i], which need not exist. Empty: one range.
  std::vector<std::string> splits;
  // Ranges under way at once. With more than one there are threads of the listing's own, because
  // they wait for the network and compute nothing.
  std::size_t threads = 1;
  std::function<void(std::uint64_t)> on_listed;  // from the caller's thread. May be empty
  std::stop_token stop;
};

// kDenied, kUnavailable: the listing did not end, in one range or more; it proves nothing.
// kCancelled: stopped.
Result<SourceListing> list_source(ObjectStore& source, const Scope& scope,
                                  const ListingOptions& options, Deadline deadline);

// Where to split the listing of a source, from what the snapshot has of it: no request is made.
// At most kMaxListingRanges - 1 keys; none for a small source.
std::vector<std::string> listing_splits(const Snapshot& snapshot, const SourceEntry& source);

}  // namespace kedge
