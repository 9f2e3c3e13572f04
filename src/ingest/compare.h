// The comparison of a source's listing with the index: shared by sync and verify.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/index.h"
#include "ingest/listing.h"
#include "ingest/spill.h"
#include "store/object_store.h"

namespace kedge {

// Whether the index is proven equal to the listing by the set hash alone: nothing racy, no retry
// due, same recipe.
bool proven_equal(const SourceEntry& entry, const SourceListing& listing, const Recipe& recipe,
                  Timestamp now);

// Why an archived object is skipped: "archived (GLACIER): ...".
std::string archived_reason(const ObjectInfo& listed);

// What one listed object needs. An archived one cannot be read: what is indexed of the same version
// stays, whatever recipe made it; one that was skipped as archived, and is listed in another class
// that can be read, counts as changed.
enum class Need : std::uint8_t {
  kNothing,
  kNew,      // no row
  kChanged,  // another version, of it or of its sidecar; or its tags were not looked at
  kRecipe,   // the same version, indexed by another recipe
  kRacy,     // the same tag, but it was seen too close to its last change
  kRetry,    // failed before, and it is time to try again
};
// `tags`: the source's objects have their tags as metadata.
Need need_of(const ObjectInfo& listed, const LiveObject* live, const Recipe& recipe, bool tags,
             Timestamp now);

// Called in key order for every key of the listing or the index; at least one pointer is set.
using OnPair = std::function<Status(const ObjectInfo* listed, const LiveObject* live)>;
Status merge_join(Spill::Reader& listing, ObjectCursor* live, const OnPair& on_pair,
                  Deadline deadline);

// What the source has of a key now: for commits that must tell which of two versions is newer.
Settle ask_source(ObjectStore& source, Deadline deadline);

}  // namespace kedge
