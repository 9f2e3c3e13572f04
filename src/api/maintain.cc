#include <algorithm>
#include <utility>

#include "api/operations.h"
#include "base/strings.h"
#include "commit/collect.h"
#include "format/index_state.h"

namespace kedge {
namespace {

Result<Generation> describe(const Head& head, std::uint64_t current) {
  const Envelope& envelope = head.envelope;
  Generation out;
  out.generation = envelope.generation;
  out.commit_id = envelope.commit_id.hex();
  out.committed_at = to_rfc3339(envelope.committed_at);
  out.current = envelope.generation == current;
  out.dropped = envelope.dropped;
  if (envelope.dropped) return out;
  const IndexState state = KEDGE_TRY(IndexState::parse(envelope.payload));
  for (const SourceEntry& source : state.sources) out.objects += source.live_objects;
  for (const SegmentEntry& segment : state.segments) out.chunks += segment.rows;
  for (const FileRef& file : envelope.files) out.bytes += file.size;
  out.segments = state.segments.size();
  return out;
}

}  // namespace

Result<GcReport> run_gc(Session& session, const GcRequest& request) {
  if (!request.dry_run) KEDGE_TRY(session.may_write());
  const StoreUsage before = session.index_usage();
  Index* index = KEDGE_TRY(session.index_even_dropped());
  const bool dropped = KEDGE_TRY(index->log().read(session.deadline()))->envelope.dropped;
  CollectOptions options;
  options.dry_run = request.dry_run;
  if (request.explain) {
    options.explain = [&](std::string_view key, std::uint64_t size, bool goes,
                          std::string_view why) {
      // The cache is a store of its own, collected below by its own rules.
      const bool cached = key.starts_with("cache/");
      request.explain(
          std::string(key), size, goes,
          cached ? "of the embedding cache, which goes by its own rules" : std::string(why));
    };
  }
  CollectReport report = KEDGE_TRY(index->collect(options, Deadline::never()));
  bool held = false;
  if (dropped) {
    for (const HeadPtr& head : KEDGE_TRY(index->log().history(SIZE_MAX, session.deadline())))
      held = held || !head->envelope.dropped;
  }
  // A dropped index names no space any more, and its cache is of use to the next index here.
  if (!request.dry_run && !dropped) {
    const SnapshotPtr snapshot = KEDGE_TRY(index->latest(session.deadline()));
    if (!snapshot->state().spaces.empty()) {
      EmbeddingCache* cache = KEDGE_TRY(session.cache(snapshot->state().spaces.front()));
      const CollectReport of_cache = KEDGE_TRY(cache->collect(Deadline::never()));
      report.swept.versions += of_cache.swept.versions;
      report.swept.markers += of_cache.swept.markers;
      report.swept.uploads += of_cache.swept.uploads;
      report.swept.bytes += of_cache.swept.bytes;
      if (report.not_swept.empty()) report.not_swept = of_cache.not_swept;
    }
  }
  return GcReport{.kept = report.kept,
                  .young = report.young,
                  .foreign = report.foreign,
                  .removed = report.removed,
                  .removed_bytes = report.removed_bytes,
                  .history_removed = report.history_removed,
                  .versions = report.swept.versions,
                  .markers = report.swept.markers,
                  .uploads = report.swept.uploads,
                  .version_bytes = report.swept.bytes,
                  .not_swept = report.not_swept,
                  .dropped = dropped,
                  .held = held,
                  .index_usage = difference(session.index_usage(), before),
                  .stopped = report.stopped};
}

Result<std::vector<Generation>> run_history(Session& session, std::size_t limit) {
  Index* index = KEDGE_TRY(session.index_even_dropped());
  const std::vector<HeadPtr> heads = KEDGE_TRY(index->log().history(limit, session.deadline()));
  std::vector<Generation> out;
  if (heads.empty()) return out;
  const std::uint64_t current = heads.front()->envelope.generation;
  for (const HeadPtr& head : heads) {
    Generation generation = KEDGE_TRY(describe(*head, current));
    for (const Pin& pin : heads.front()->envelope.pins) {
      if (pin.generation != generation.generation) continue;
      generation.pinned_by += (generation.pinned_by.empty() ? "" : ",") + pin.name;
    }
    out.push_back(std::move(generation));
  }
  return out;
}

Result<Generation> run_rollback(Session& session, std::uint64_t generation) {
  KEDGE_TRY(session.may_write());
  Index* index = KEDGE_TRY(session.index_even_dropped());
  const CommitReport report = KEDGE_TRY(index->rollback(generation, session.deadline()));
  const SnapshotPtr snapshot = KEDGE_TRY(index->latest(session.deadline()));
  return describe(*snapshot->head(), report.generation);
}

Result<std::uint64_t> run_remove_source(Session& session, const std::string& uri) {
  KEDGE_TRY(session.may_write());
  Index* index = KEDGE_TRY(session.index(false));
  const SnapshotPtr snapshot = KEDGE_TRY(index->latest(session.deadline()));
  const SourceEntry* entry = snapshot->source(uri);
  if (entry == nullptr) {
    const Result<SourcePlace> place = session.environment().find_source(uri);
    if (place.ok() && place->key.empty()) entry = snapshot->source(place->uri);
  }
  if (entry == nullptr) {
    return {Code::kNotFound,
            str_cat("the index has no source ", printable(uri), " (kedge source list)")};
  }
  return remove_source(*index, entry->number, Deadline::never());
}

Result<void> run_drop(Session& session) {
  KEDGE_TRY(session.may_write());
  Index* index = KEDGE_TRY(session.index(false));
  return index->drop(session.deadline());
}

}  // namespace kedge
