#include <algorithm>
#include <map>
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
  return drift.error.empty() &&
         drift.missing + drift.changed + drift.gone + drift.unreadable + drift.unproven == 0;
}

Result<DriftReport> drift_of(Session& session, Index& index, const SourceEntry& entry,
                             const VerifyRequest& request) {
  ObjectStore* source = KEDGE_TRY(session.source(entry.uri, scope_of(entry)));
  DriftOptions options;
  options.source_uri = entry.uri;
  options.scratch_folder = session.environment().scratch_folder;
  options.memory_bytes = session.memory_bytes() / 8;
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
  return find_drift(index, *source, options, Deadline::never());
}

// `keep_going`: a source that cannot be compared now hides nothing of what else there is to say.
Result<SourceDrift> look(Session& session, Index& index, const SourceEntry& entry,
                         const VerifyRequest& request, bool keep_going) {
  SourceDrift out;
  out.source = entry.uri;
  const Result<DriftReport> found = drift_of(session, index, entry, request);
  if (!found.ok() && found.code() != Code::kCancelled &&
      (keep_going || found.code() == Code::kCorrupt)) {
    out.error = found.error().message;
    return out;
  }
  if (!found.ok()) return found.error();
  const DriftReport& report = *found;
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

std::vector<std::string> texts_of(std::vector<Damage> damage) {
  std::vector<std::string> out;
  for (Damage& one : damage) out.push_back(std::move(one.what));
  return out;
}

// Mends files of the index: what is damaged is let go where its source can bring it back.
class FileRepair {
 public:
  FileRepair(Session& session, Index& index, const VerifyRequest& request, VerifyResult& out)
      : session_(session), index_(index), request_(request), out_(out) {}

  Status run(const std::vector<SourceEntry>& chosen, const std::vector<Damage>& damage) {
    KEDGE_TRY(session_.may_write());
    const SnapshotPtr snapshot = KEDGE_TRY(index_.latest(session_.deadline()));
    MendOptions options;
    options.max_keys = request_.max_items;
    options.held = KEDGE_TRY(held(snapshot->state(), chosen));
    // Without the model nothing comes back: it cuts the text, and stands in for a lost cache.
    const bool rebuilds = std::ranges::any_of(snapshot->state().sources, [&](const auto& source) {
      return source.uri != kRecordsUri && !options.held.contains(source.number);
    });
    const bool rows =
        std::ranges::any_of(damage, [](const Damage& one) { return one.segment.has_value(); });
    if (rebuilds && rows) KEDGE_TRY(session_.embedder(snapshot->state().spaces.front()));
    report_ = KEDGE_TRY(index_.mend(damage, options, Deadline::never()));
    out_.damaged_files = texts_of(KEDGE_TRY(index_.find_damage(Deadline::never())));
    for (const Damage& one : damage) {
      if (std::ranges::find(out_.damaged_files, one.what) == out_.damaged_files.end())
        out_.mended_files.push_back(one.what);
    }
    out_.trees_mended = report_.trees;
    const SnapshotPtr now = KEDGE_TRY(index_.latest(session_.deadline()));
    for (const SourceEntry& source : now->state().sources)
      left_[source.number] = source.live_objects;
    for (const DamagedSegment& segment : report_.segments) tell(snapshot->state(), segment);
    for (const auto& [source, objects] : report_.let_go) out_.objects_let_go += objects;
    return {};
  }

  [[nodiscard]] std::uint64_t let_go(std::uint32_t source) const {
    const auto found = report_.let_go.find(source);
    return found == report_.let_go.end() ? 0 : found->second;
  }

  // After the syncs.
  void count_what_came_back(const IndexState& state) {
    for (const SourceEntry& source : state.sources) {
      const std::uint64_t left = left_.contains(source.number) ? left_.at(source.number) : 0;
      const std::uint64_t more = source.live_objects - std::min(left, source.live_objects);
      out_.objects_back += std::min(more, let_go(source.number));
    }
  }

 private:
  // Sources that cannot bring their rows back now. One that lists nothing may be a folder that is
  // not mounted: as much is let go by a sync only where somebody approves it.
  Result<std::map<std::uint32_t, std::string>> held(const IndexState& state,
                                                    const std::vector<SourceEntry>& chosen) {
    std::map<std::uint32_t, std::string> out;
    for (const SourceEntry& entry : state.sources) {
      const bool named = std::ranges::any_of(
          chosen, [&](const SourceEntry& one) { return one.number == entry.number; });
      if (entry.uri == kRecordsUri) {
        if (!request_.drop_lost) out[entry.number] = kNoSource;
      } else if (!named) {
        out[entry.number] = str_cat("it may have objects of ", printable(entry.uri),
                                    ", which was not among the sources to be repaired");
      } else if (entry.live_objects > 0) {
        const Result<std::vector<ObjectInfo>> page = first_page(entry);
        if (!page.ok()) {
          out[entry.number] =
              str_cat(printable(entry.uri), " cannot be listed: ", page.error().message);
        } else if (page->empty()) {
          out[entry.number] = str_cat(printable(entry.uri), " lists nothing now");
        }
      }
    }
    return out;
  }

  Result<std::vector<ObjectInfo>> first_page(const SourceEntry& entry) {
    ObjectStore* source = KEDGE_TRY(session_.source(entry.uri, scope_of(entry)));
    return source->list("", "")->next(session_.deadline());
  }

  void tell(const IndexState& state, const DamagedSegment& segment) {
    const bool let_go = segment.kept.empty();
    if (let_go) out_.segments_let_go.push_back(segment.file);
    const bool records = std::ranges::any_of(state.sources, [&](const SourceEntry& source) {
      return source.uri == kRecordsUri &&
             std::ranges::find(segment.sources, source.number) != segment.sources.end();
    });
    if (let_go && !records) return;
    LostSegment lost;
    lost.file = segment.file;
    lost.reason = let_go ? kNoSource : segment.kept;
    lost.let_go = let_go;
    lost.objects = segment.objects;
    for (const ObjectKey& key : segment.keys) lost.keys.push_back(key.key);
    out_.not_rebuilt.push_back(std::move(lost));
  }

  static constexpr const char* kNoSource = "imported vectors lie nowhere but in the index";

  Session& session_;
  Index& index_;
  const VerifyRequest& request_;
  VerifyResult& out_;
  MendReport report_;
  std::map<std::uint32_t, std::uint64_t> left_;  // live objects after the repair, by source
};

}  // namespace

bool VerifyResult::clean() const {
  const bool head_is_well = !head_damaged || head_repaired;
  return head_is_well && damaged_files.empty() && not_recovered.empty() && not_rebuilt.empty() &&
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
    RepairReport head = KEDGE_TRY(index->repair(Deadline::never()));
    out.head_repaired = true;
    out.recovered = std::move(head.recovered);
    out.not_recovered = std::move(head.not_recovered);
    snapshot = KEDGE_TRY(index->latest(session.deadline()));
  }
  const std::vector<SourceEntry> entries = KEDGE_TRY(chosen(session, *snapshot, request));
  std::vector<Damage> damage = known_damage(*snapshot);
  if (request.full || request.repair) damage = KEDGE_TRY(index->find_damage(Deadline::never()));
  FileRepair repair(session, *index, request, out);
  const bool damaged = !damage.empty();
  if (request.repair && damaged) {
    KEDGE_TRY(repair.run(entries, damage));
  } else {
    out.damaged_files = texts_of(std::move(damage));
  }
  for (const SourceEntry& entry : entries) {
    SourceDrift drift = KEDGE_TRY(look(session, *index, entry, request, damaged));
    if (request.repair && !clean(drift) && drift.error.empty()) {
      SyncRequest heal;
      heal.sources = {entry.uri};
      heal.full = true;
      heal.progress = request.progress;
      heal.stop = request.stop;
      SyncResult healed = KEDGE_TRY(run_sync(session, heal, repair.let_go(entry.number)));
      for (SyncCounts& counts : healed.sources) out.repaired.push_back(std::move(counts));
      drift = KEDGE_TRY(look(session, *index, entry, request, damaged));
    }
    out.sources.push_back(std::move(drift));
  }
  if (request.repair) repair.count_what_came_back(index->current()->state());
  out.index_usage = difference(session.index_usage(), index_before);
  out.source_usage = difference(session.source_usage(), source_before);
  return out;
}

}  // namespace kedge
