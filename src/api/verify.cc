#include <algorithm>
#include <utility>

#include "api/operations.h"
#include "base/strings.h"
#include "ingest/import.h"

namespace kedge {
namespace {

const char* kind_name(DriftKind kind) {
  switch (kind) {
    case DriftKind::kMissing:
      return "missing";
    case DriftKind::kChanged:
      return "changed";
    case DriftKind::kGone:
      return "gone";
    case DriftKind::kUnreadable:
      return "unreadable";
  }
  return "";
}

bool clean(const SourceDrift& drift) {
  return drift.missing + drift.changed + drift.gone + drift.unreadable + drift.unproven == 0;
}

Result<SourceDrift> look(Session& session, Index& index, const SourceEntry& entry,
                         const VerifyRequest& request) {
  ObjectStore* source = KEDGE_TRY(session.source(entry.uri, scope_of(entry)));
  DriftOptions options;
  options.source_uri = entry.uri;
  options.scratch_folder = session.environment().scratch_folder;
  options.memory_bytes = session.options().memory_bytes / 8;
  options.max_items = request.max_items;
  options.full = request.full;
  options.stop = request.stop;
  if (request.progress) {
    options.progress = [&](const SyncProgress& progress) {
      Progress out;
      out.phase = "checking";
      out.source = entry.uri;
      out.listed = progress.listed;
      request.progress(out);
    };
  }
  const DriftReport report = KEDGE_TRY(find_drift(index, *source, options, Deadline::never()));
  SourceDrift out;
  out.source = entry.uri;
  out.listed = report.listed;
  out.indexed = report.indexed;
  out.missing = report.missing;
  out.changed = report.changed;
  out.gone = report.gone;
  out.unreadable = report.unreadable;
  out.unproven = report.unproven;
  out.proven_equal = report.proven_equal;
  for (const Drift& item : report.items)
    out.items.push_back({kind_name(item.kind), item.key, item.detail});
  return out;
}

Result<std::vector<SourceEntry>> chosen(Session& session, const Snapshot& snapshot,
                                        const VerifyRequest& request) {
  std::vector<SourceEntry> out;
  if (request.sources.empty()) {
    // Records lie in the index alone: they cannot drift.
    for (const SourceEntry& entry : snapshot.state().sources) {
      if (entry.uri != kRecordsUri) out.push_back(entry);
    }
    return out;
  }
  for (const std::string& source : request.sources) {
    // A file stands for the source that it is an object of.
    const SourcePlace place = KEDGE_TRY(session.environment().find_source(source));
    const SourceEntry* entry = snapshot.source(place.uri);
    if (entry == nullptr) {
      return {Code::kInvalid,
              str_cat("the index has no source ", printable(place.uri), " (kedge source list)")};
    }
    out.push_back(*entry);
  }
  return out;
}

}  // namespace

bool VerifyResult::clean() const {
  const bool head_is_well = !head_damaged || head_repaired;
  return head_is_well && damaged_files.empty() && not_recovered.empty() &&
         std::all_of(sources.begin(), sources.end(),
                     [](const SourceDrift& drift) { return kedge::clean(drift); });
}

Result<VerifyResult> run_verify(Session& session, const VerifyRequest& request) {
  const StoreUsage index_before = session.index_usage();
  const StoreUsage source_before = session.source_usage();
  SnapshotPtr snapshot = KEDGE_TRY(session.latest());
  Index* index = KEDGE_TRY(session.index(false));
  VerifyResult out;
  out.head_damaged = snapshot->head()->recovered;
  if (out.head_damaged && request.repair) {
    KEDGE_TRY(session.may_write());
    RepairReport repair = KEDGE_TRY(index->repair(Deadline::never()));
    out.head_repaired = true;
    out.recovered = std::move(repair.recovered);
    out.not_recovered = std::move(repair.not_recovered);
    snapshot = KEDGE_TRY(index->latest(session.deadline()));
  }
  const std::vector<SourceEntry> entries = KEDGE_TRY(chosen(session, *snapshot, request));
  if (request.full) out.damaged_files = KEDGE_TRY(index->check_files(Deadline::never()));
  for (const SourceEntry& entry : entries) {
    SourceDrift drift = KEDGE_TRY(look(session, *index, entry, request));
    if (request.repair && !clean(drift)) {
      SyncRequest heal;
      heal.sources = {entry.uri};
      heal.full = true;
      heal.progress = request.progress;
      heal.stop = request.stop;
      SyncResult healed = KEDGE_TRY(run_sync(session, heal));
      for (SyncCounts& counts : healed.sources) out.repaired.push_back(std::move(counts));
      drift = KEDGE_TRY(look(session, *index, entry, request));
    }
    out.sources.push_back(std::move(drift));
  }
  out.index_usage = difference(session.index_usage(), index_before);
  out.source_usage = difference(session.source_usage(), source_before);
  return out;
}

}  // namespace kedge
