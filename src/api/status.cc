#include <utility>

#include "api/operations.h"
#include "base/strings.h"

namespace kedge {
namespace {

const char* status_word(ObjectStatus status) {
  switch (status) {
    case ObjectStatus::kIndexed:
      return "indexed";
    case ObjectStatus::kPending:
      return "pending";
    case ObjectStatus::kFailed:
      return "failed";
    case ObjectStatus::kSkipped:
      return "skipped";
    case ObjectStatus::kAbsent:
      break;  // the engine shows no such row
  }
  return "";
}

std::string explain(const ObjectRow& row) {
  std::string out = str_cat(status_word(row.status), ": ", row.reason);
  if (row.attempts > 1) out += str_cat(" (attempt ", row.attempts, ")");
  if (row.retry_after.micros != 0)
    out += str_cat(", tried again after ", to_rfc3339(row.retry_after));
  return out;
}

Status add_problems(Session& session, const SnapshotPtr& snapshot, std::uint32_t source,
                    std::size_t limit, SourceStatus& out) {
  Index* index = KEDGE_TRY(session.index(false));
  const std::unique_ptr<ObjectCursor> rows = index->scan(snapshot, source, "");
  while (out.problems.size() < limit) {
    const std::optional<LiveObject> object = KEDGE_TRY(rows->next(session.deadline()));
    if (!object) break;
    if (object->row.status != ObjectStatus::kIndexed)
      out.problems.push_back({object->row.key, explain(object->row)});
  }
  return {};
}

}  // namespace

Result<StatusReport> run_status(Session& session, const StatusRequest& request) {
  const SnapshotPtr snapshot = KEDGE_TRY(open_snapshot(session, {}));
  const IndexState& state = snapshot->state();
  const Envelope& envelope = snapshot->head()->envelope;
  StatusReport out;
  out.index = session.options().index;
  out.generation = envelope.generation;
  out.commit_id = envelope.commit_id.hex();
  out.committed_at = to_rfc3339(envelope.committed_at);
  out.recovered = snapshot->head()->recovered;
  if (!state.spaces.empty()) out.space = state.spaces.front().describe();
  out.segments = state.segments.size();
  out.files = envelope.files.size();
  for (const FileRef& file : envelope.files) out.bytes += file.size;
  for (const SegmentEntry& segment : state.segments) {
    out.chunks += segment.rows;
    out.dead_objects += segment.dead_objects();
  }
  for (const SourceEntry& source : state.sources) {
    SourceStatus status;
    status.uri = source.uri;
    status.objects = source.live_objects;
    status.failed = source.failed_objects;
    status.skipped = source.skipped_objects;
    status.pending = source.pending_objects;
    status.indexed = source.live_objects - source.failed_objects - source.skipped_objects -
                     source.pending_objects;
    status.withheld_deletes = source.withheld_deletes;
    status.synced_at = to_rfc3339(source.last_reconcile);
    status.set_hash = source.set_hash.hex();
    status.include = source.include;
    status.exclude = source.exclude;
    status.max_object_bytes = source.recipe.max_object_bytes;
    if (request.detail)
      KEDGE_TRY(add_problems(session, snapshot, source.number, request.max_items, status));
    out.sources.push_back(std::move(status));
  }
  return out;
}

}  // namespace kedge
