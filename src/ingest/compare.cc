#include "ingest/compare.h"

#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::string_view kArchived = "archived (";

}  // namespace

std::string archived_reason(const ObjectInfo& listed) {
  return str_cat(kArchived, listed.storage_class.empty() ? "STANDARD" : listed.storage_class,
                 "): it is indexed once it lies in a class that can be read");
}

bool proven_equal(const SourceEntry& entry, const SourceListing& listing, const Recipe& recipe,
                  Timestamp now) {
  const bool retry_due = entry.earliest_retry.micros != 0 && entry.earliest_retry <= now;
  return entry.set_hash == listing.set_hash && entry.live_objects == listing.count &&
         entry.racy_objects == 0 && !retry_due && entry.recipe == recipe;
}

Need need_of(const ObjectInfo& listed, const LiveObject* live, const Recipe& recipe, bool tags,
             Timestamp now) {
  if (live == nullptr) return Need::kNew;
  const ObjectRow& row = live->row;
  if (row.tag != listed.tag.value || row.size != listed.size ||
      row.last_modified != listed.last_modified)
    return Need::kChanged;
  // Nothing could take the place of what is indexed of an object that cannot be read.
  const bool stays = listed.archived && row.status == ObjectStatus::kIndexed;
  if (!stays &&
      (sidecar_of(row.metadata) != listed.sidecar || tags_of(row.metadata).empty() == tags))
    return Need::kChanged;
  if (!listed.archived && row.status == ObjectStatus::kSkipped &&
      row.reason.starts_with(kArchived) && row.reason != archived_reason(listed))
    return Need::kChanged;
  if (row.recipe != recipe.id()) return stays ? Need::kNothing : Need::kRecipe;
  if (row.racy) return Need::kRacy;
  const bool unfinished =
      row.status == ObjectStatus::kFailed || row.status == ObjectStatus::kPending;
  if (unfinished && row.retry_after.micros != 0 && row.retry_after <= now) return Need::kRetry;
  return Need::kNothing;
}

Status merge_join(Spill::Reader& listing, ObjectCursor* live, const OnPair& on_pair,
                  Deadline deadline) {
  const auto next_live = [&]() -> Result<std::optional<LiveObject>> {
    if (live == nullptr) return std::optional<LiveObject>();
    return live->next(deadline);
  };
  std::optional<ObjectInfo> left = KEDGE_TRY(listing.next());
  std::optional<LiveObject> right = KEDGE_TRY(next_live());
  while (left || right) {
    const int order = !left ? 1 : !right ? -1 : left->key.compare(right->row.key);
    KEDGE_TRY(on_pair(order <= 0 ? &*left : nullptr, order >= 0 ? &*right : nullptr));
    if (order <= 0) left = KEDGE_TRY(listing.next());
    if (order >= 0) right = KEDGE_TRY(next_live());
  }
  return {};
}

Settle ask_source(ObjectStore& source, Deadline deadline) {
  return [&source, deadline](const ObjectKey& key) -> Result<std::string> {
    return KEDGE_TRY(stat_one(source, key.key, deadline)).info.tag.value;
  };
}

}  // namespace kedge
