// Drift: what differs between an index and its source, found by comparing, without writing.
#include <algorithm>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "ingest/compare.h"
#include "ingest/object_tags.h"
#include "ingest/sync.h"

namespace kedge {
namespace {

constexpr std::size_t kCheckBatch = 64;
constexpr std::uint64_t kCheckBatchBytes = 32ULL << 20;

class Comparison {
 public:
  Comparison(ObjectStore& source, const DriftOptions& options, Deadline deadline)
      : source_(source), options_(options), deadline_(deadline) {}

  Result<DriftReport> go(Index& index) {
    const SnapshotPtr snapshot = KEDGE_TRY(index.latest(deadline_));
    const SourceEntry* entry = snapshot->source(options_.source_uri);
    if (entry == nullptr) {
      return {Code::kNotFound, str_cat("the index has no source ", printable(options_.source_uri))};
    }
    scope_ = scope_of(*entry);
    recipe_ = entry->recipe;
    ListingOptions plan;
    plan.scratch_folder = options_.scratch_folder;
    plan.memory_bytes = options_.memory_bytes / 4;
    plan.splits = listing_splits(*snapshot, *entry);
    plan.threads = plan.splits.size() + 1;
    plan.on_listed = [this](std::uint64_t count) { on_listed(count); };
    plan.stop = options_.stop;
    const SourceListing listing = KEDGE_TRY(list_source(source_, scope_, plan, deadline_));
    report_.listed = listing.count;
    report_.indexed = entry->live_objects;
    // Rows that failed are looked at again, so their presence rules the short way out.
    if (!options_.full && entry->failed_objects == 0 &&
        proven_equal(*entry, listing, recipe_, listing.began)) {
      report_.proven_equal = true;
      return std::move(report_);
    }
    const std::unique_ptr<ObjectCursor> live = index.scan(snapshot, entry->number, "");
    const std::unique_ptr<Spill::Reader> reader = listing.read();
    const OnPair on_pair = [&](const ObjectInfo* listed, const LiveObject* have) -> Status {
      if (options_.stop.stop_requested()) return {Code::kCancelled, "stopped"};
      return take(listed, have, listing.began);
    };
    KEDGE_TRY(merge_join(*reader, live.get(), on_pair, deadline_));
    KEDGE_TRY(check_bodies());
    KEDGE_TRY(prove_absent());
    return std::move(report_);
  }

 private:
  void on_listed(std::uint64_t count) {
    SyncProgress progress;
    progress.listed = count;
    if (options_.progress) options_.progress(progress);
  }

  void found(DriftKind kind, const std::string& key, std::string detail) {
    switch (kind) {
      case DriftKind::kMissing:
        ++report_.missing;
        break;
      case DriftKind::kChanged:
        ++report_.changed;
        break;
      case DriftKind::kGone:
        ++report_.gone;
        break;
      case DriftKind::kUnreadable:
        ++report_.unreadable;
        break;
    }
    if (report_.items.size() < options_.max_items)
      report_.items.push_back({kind, key, std::move(detail)});
  }

  Status take(const ObjectInfo* listed, const LiveObject* live, Timestamp now) {
    if (listed == nullptr) {
      if (!in_scope(scope_, live->row.key)) {
        found(DriftKind::kGone, live->row.key, "out of scope");
        return {};
      }
      absent_.push_back(live->row.key);
      return absent_.size() >= kCheckBatch ? prove_absent() : Status();
    }
    const Need need = need_of(*listed, live, recipe_, scope_.tags, now);
    if (need == Need::kNew) {
      found(DriftKind::kMissing, listed->key, str_cat(listed->size, " bytes"));
    } else if (need == Need::kChanged) {
      const ObjectRow& row = live->row;
      const bool same = row.tag == listed->tag.value && row.size == listed->size &&
                        row.last_modified == listed->last_modified;
      found(DriftKind::kChanged, listed->key,
            same && sidecar_of(row.metadata) != listed->sidecar    ? "its sidecar"
            : same && tags_of(row.metadata).empty() == scope_.tags ? "its tags"
            : row.size != listed->size ? str_cat("size ", row.size, " -> ", listed->size)
                                       : str_cat("modified ", to_rfc3339(listed->last_modified)));
    } else if (need == Need::kRecipe) {
      found(DriftKind::kChanged, listed->key, "indexed by another recipe");
    } else {
      return take_same(*listed, *live, need);
    }
    return {};
  }

  // The same tag: the bytes are looked at where the tag alone proves nothing, or where all are
  // asked for.
  Status take_same(const ObjectInfo& listed, const LiveObject& live, Need need) {
    const ObjectRow& row = live.row;
    const bool hashed = row.content_hash != Sha256{};
    const bool look =
        row.status == ObjectStatus::kFailed || (hashed && (options_.full || need == Need::kRacy));
    if (!look) return {};
    bodies_.push_back(row);
    body_bytes_ += listed.size;
    return bodies_.size() >= kCheckBatch || body_bytes_ >= kCheckBatchBytes ? check_bodies()
                                                                            : Status();
  }

  Status check_bodies() {
    const std::vector<ObjectRow> rows = std::exchange(bodies_, {});
    body_bytes_ = 0;
    std::vector<ReadRequest> requests;
    std::vector<std::string> keys;
    for (const ObjectRow& row : rows) {
      keys.push_back(row.key);
      ReadRequest request{
          .key = row.key, .offset = 0, .length = {}, .if_match = {}, .version_id = {}};
      // Whether a failed object can be read is all that is asked of it.
      if (row.status == ObjectStatus::kFailed)
        request.length = std::min<std::uint64_t>(row.size, 1);
      requests.push_back(std::move(request));
    }
    const std::vector<Result<Blob>> blobs = source_.read(requests, deadline_);
    std::vector<Result<ObjectTags>> tags;
    if (scope_.tags && options_.full) tags = source_.tags(keys, deadline_);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!blobs[i].ok()) {
        if (blobs[i].code() == Code::kNotFound) {
          found(DriftKind::kGone, rows[i].key, "gone since the listing");
        } else {
          found(DriftKind::kUnreadable, rows[i].key, blobs[i].error().message);
        }
      } else if (rows[i].status != ObjectStatus::kFailed &&
                 sha256(blobs[i]->body) != rows[i].content_hash) {
        found(DriftKind::kChanged, rows[i].key, "other bytes under the same tag");
      } else if (!tags.empty() && rows[i].status == ObjectStatus::kIndexed) {
        if (!tags[i].ok()) {
          KEDGE_TRY(check_tags_error(tags[i].error()));
          found(DriftKind::kUnreadable, rows[i].key, tags[i].error().message);
        } else if (tags_version(*tags[i]) != tags_of(rows[i].metadata)) {
          found(DriftKind::kChanged, rows[i].key, "its tags");
        }
      }
    }
    return {};
  }

  Status prove_absent() {
    const std::vector<std::string> keys = std::exchange(absent_, {});
    std::vector<ReadRequest> requests;
    for (const std::string& key : keys) {
      requests.push_back({.key = key, .offset = 0, .length = {}, .if_match = {}, .version_id = {}});
    }
    const std::vector<Result<Stat>> stats = source_.stat(requests, deadline_);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (!stats[i].ok() && stats[i].code() == Code::kNotFound) {
        found(DriftKind::kGone, keys[i], "indexed, proven absent");
      } else {
        ++report_.unproven;
      }
    }
    return {};
  }

  ObjectStore& source_;
  const DriftOptions& options_;
  Deadline deadline_;
  Scope scope_;
  Recipe recipe_;
  DriftReport report_;
  std::vector<ObjectRow> bodies_;
  std::uint64_t body_bytes_ = 0;
  std::vector<std::string> absent_;
};

}  // namespace

Result<DriftReport> find_drift(Index& index, ObjectStore& source, const DriftOptions& options,
                               Deadline deadline) {
  return Comparison(source, options, deadline).go(index);
}

}  // namespace kedge
