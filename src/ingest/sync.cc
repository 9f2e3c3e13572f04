#include "ingest/sync.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "ingest/absence.h"
#include "ingest/chunker.h"
#include "ingest/compare.h"
#include "ingest/object_tags.h"
#include "ingest/pipeline.h"

namespace kedge {
namespace {

constexpr std::uint64_t kDefaultMaxObjectBytes = 64ULL << 20;
// A sync that finds nothing to do writes the time of the reconcile only if the recorded one is
// older than this, so that polling does not make generations.
constexpr Duration kReconcileGranularity = std::chrono::hours(1);
// Of the listing in memory, at most: it is read once, in order, so that more would only be held.
constexpr std::uint64_t kListingBytes = 4ULL << 20;

bool overlaps(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

// Everything one run needs to know of its source.
struct Plan {
  SourceEntry entry;  // as recorded, or as it will be
  bool registered = false;
  Scope scope;
  Recipe recipe;
};

Status check_space(const IndexState& state, const Space& space) {
  for (const Space& known : state.spaces) {
    if (known.id() == space.id()) return {};
  }
  if (state.spaces.empty()) return {};
  return {Code::kInvalid, str_cat("this index holds vectors of ", state.spaces.front().describe(),
                                  " (", state.spaces.front().revision, "), and the model now is ",
                                  space.describe(), " (", space.revision,
                                  "): vectors of two models do not compare. Use the index's model, "
                                  "or sync into another index "
                                  "(--index), or drop this one first (kedge drop)")};
}

Result<Plan> make_plan(const IndexState& state, Embedder& embedder, const SyncOptions& options) {
  const Space& space = embedder.space();
  KEDGE_TRY(check_space(state, space));
  Plan plan;
  for (const SourceEntry& entry : state.sources) {
    if (entry.uri == options.source_uri) {
      plan.entry = entry;
      plan.registered = true;
    } else if (overlaps(entry.uri, options.source_uri)) {
      return {Code::kInvalid,
              str_cat("source ", printable(options.source_uri), " overlaps ", printable(entry.uri),
                      ", which this index covers: sync that one, or remove it first (kedge source "
                      "remove)")};
    }
  }
  plan.scope = options.scope ? *options.scope : plan.registered ? scope_of(plan.entry) : Scope{};
  KEDGE_TRY(check_scope(plan.scope));
  if (options.refresh_tags && !plan.scope.tags)
    return {Code::kInvalid, str_cat(printable(options.source_uri),
                                    " is synced without tags, so there are none to refresh: --tags "
                                    "reads them")};
  if (space.max_tokens <= embedder.special_tokens()) {
    return {Code::kInvalid,
            str_cat("the model takes ", space.max_tokens, " tokens, which leaves none for text")};
  }
  const std::uint64_t recorded =
      plan.registered ? plan.entry.recipe.max_object_bytes : kDefaultMaxObjectBytes;
  plan.recipe.extractor_version = kExtractorVersion;
  plan.recipe.chunker_version = kChunkerVersion;
  plan.recipe.max_tokens = static_cast<std::uint32_t>(space.max_tokens - embedder.special_tokens());
  plan.recipe.max_object_bytes = options.max_object_bytes.value_or(recorded);
  plan.recipe.space = space.id();
  if (!plan.registered) {
    plan.entry.uri = options.source_uri;
    plan.entry.recipe = plan.recipe;
  }
  return plan;
}

void set_scope(SourceEntry& entry, const Scope& scope) {
  entry.include = scope.include;
  entry.exclude = scope.exclude;
  entry.hidden = scope.hidden;
  entry.gitignore = scope.gitignore;
  entry.sidecars = scope.sidecars;
  entry.tags = scope.tags;
}

SourceEntry* find_source(IndexState& state, std::string_view uri) {
  const auto found = std::find_if(state.sources.begin(), state.sources.end(),
                                  [&](const SourceEntry& e) { return e.uri == uri; });
  return found == state.sources.end() ? nullptr : &*found;
}

// The source's entry and the space are in the index before the first row is. Two syncs may race
// here: the second finds the entry of the first.
Status register_source(Index& index, const Space& space, Plan& plan, Deadline deadline) {
  if (plan.registered && scope_of(plan.entry) == plan.scope) return {};
  const StateEdit edit = [&](IndexState& state) -> Status {
    KEDGE_TRY(check_space(state, space));
    if (state.spaces.empty()) state.spaces.push_back(space);
    SourceEntry* entry = find_source(state, plan.entry.uri);
    if (entry == nullptr) {
      SourceEntry fresh;
      fresh.number = state.next_source++;
      fresh.uri = plan.entry.uri;
      fresh.recipe = plan.recipe;
      state.sources.push_back(std::move(fresh));
      entry = &state.sources.back();
    }
    set_scope(*entry, plan.scope);
    return {};
  };
  KEDGE_TRY(index.commit({}, edit, {}, deadline));
  const SourceEntry* entry = index.current()->source(plan.entry.uri);
  if (entry == nullptr)
    return {Code::kConflict, "the source was removed from the index while it was being added"};
  plan.entry = *entry;
  plan.registered = true;
  return {};
}

class Run {
 public:
  Run(const SyncEnvironment& environment, const SyncOptions& options, Deadline deadline)
      : environment_(environment), options_(options), deadline_(deadline) {}

  Result<SyncReport> go() {
    const Duration began = environment_.clock.monotonic();
    const EmbedUsage before = environment_.embedder.usage();
    SnapshotPtr snapshot = options_.newest;
    if (snapshot == nullptr) snapshot = KEDGE_TRY(environment_.index.latest(deadline_));
    plan_ = KEDGE_TRY(make_plan(snapshot->state(), environment_.embedder, options_));
    if (!options_.dry_run) {
      KEDGE_TRY(
          register_source(environment_.index, environment_.embedder.space(), plan_, deadline_));
      snapshot = environment_.index.current();
    }
    KEDGE_TRY(list(*snapshot));
    const Timestamp now = listing_.began;
    if (!options_.full && !options_.refresh_tags && plan_.registered &&
        proven_equal(plan_.entry, listing_, plan_.recipe, now)) {
      KEDGE_TRY(report_unchanged(now));
    } else {
      KEDGE_TRY(reconcile(snapshot, now));
    }
    const EmbedUsage after = environment_.embedder.usage();
    if (!options_.dry_run) report_.tokens = after.tokens - before.tokens;
    report_.model_seconds = after.seconds - before.seconds;
    report_.seconds = std::chrono::duration<double>(environment_.clock.monotonic() - began).count();
    if (report_.generation == 0) report_.generation = environment_.index.current()->generation();
    progress_.phase = SyncPhase::kDone;
    tell();
    return report_;
  }

 private:
  void tell() {
    if (options_.progress) options_.progress(progress_);
  }

  Status list(const Snapshot& snapshot) {
    ListingOptions plan;
    plan.scratch_folder = environment_.scratch_folder;
    plan.memory_bytes = std::min(options_.memory_bytes / 16, kListingBytes);
    if (plan_.registered) plan.splits = listing_splits(snapshot, plan_.entry);
    // An executor that does one thing after the other is a simulation's: so does the listing.
    if (environment_.executor.width() > 1) plan.threads = plan.splits.size() + 1;
    plan.on_listed = [this](std::uint64_t count) {
      progress_.listed = count;
      tell();
    };
    plan.stop = options_.stop;
    listing_ = KEDGE_TRY(list_source(environment_.source, plan_.scope, plan, deadline_));
    report_.listed = listing_.count;
    report_.sidecars = listing_.sidecars;
    report_.sidecars_alone = listing_.sidecars_alone;
    progress_.listed = listing_.count;
    progress_.to_do = listing_.count;
    progress_.bytes_to_do = listing_.bytes;
    return {};
  }

  Status report_unchanged(Timestamp now) {
    const SourceEntry& entry = plan_.entry;
    report_.proven_unchanged = true;
    report_.failed = entry.failed_objects;
    report_.skipped = entry.skipped_objects;
    report_.pending = entry.pending_objects;
    report_.indexed = report_.unchanged =
        entry.live_objects - entry.failed_objects - entry.skipped_objects - entry.pending_objects;
    progress_.done = progress_.to_do;
    if (options_.dry_run || now - entry.last_reconcile < kReconcileGranularity) return {};
    return finish_entry(now);
  }

  Status reconcile(const SnapshotPtr& snapshot, Timestamp now) {
    progress_.phase = SyncPhase::kIndexing;
    tell();
    Absence absence(environment_, options_, plan_.entry.number, plan_.entry.live_objects);
    Pipeline pipeline(environment_, options_, plan_.entry.number, plan_.recipe, plan_.scope.tags,
                      report_, progress_, absence.vanished(), deadline_);
    std::unique_ptr<ObjectCursor> live;
    if (plan_.registered && plan_.entry.live_objects > 0) {
      live = environment_.index.scan(snapshot, plan_.entry.number, "");
    }
    const std::unique_ptr<Spill::Reader> reader = listing_.read();
    std::uint64_t fresh = 0;  // listed, and not in the index
    const OnPair on_pair = [&](const ObjectInfo* listed, const LiveObject* have) -> Status {
      if (have == nullptr) ++fresh;
      if (listed != nullptr) return take_listed(*listed, have, now, pipeline);
      if (!in_scope(plan_.scope, have->row.key))
        return absence.add_out_of_scope(have->row.key, now);
      return absence.add_unlisted(have->row.key);
    };
    KEDGE_TRY(merge_join(*reader, live.get(), on_pair, deadline_));
    absence.set_let_go(options_.let_go, options_.let_go - std::min(fresh, options_.let_go));
    KEDGE_TRY(refresh_tags(pipeline));
    KEDGE_TRY(pipeline.finish());
    report_.stopped = options_.stop.stop_requested();
    if (!report_.stopped) {
      progress_.phase = SyncPhase::kProving;
      tell();
      KEDGE_TRY(absence.settle(report_, deadline_));
    }
    if (!options_.dry_run) {
      if (environment_.cache != nullptr) KEDGE_TRY(environment_.cache->flush(deadline_));
      if (!report_.stopped) KEDGE_TRY(finish_entry(now));
      KEDGE_TRY(environment_.index.maintain(4, deadline_));
    }
    const std::uint64_t sum =
        report_.indexed + report_.failed + report_.skipped + report_.pending + report_.vanished;
    if (sum != report_.listed) {
      return {Code::kInternal, str_cat("counts do not add up: ", report_.listed, " listed, ", sum,
                                       " accounted for")};
    }
    return {};
  }

  Status take_listed(const ObjectInfo& listed, const LiveObject* live, Timestamp now,
                     Pipeline& pipeline) {
    const Need need = need_of(listed, live, plan_.recipe, plan_.scope.tags, now);
    if (need == Need::kNothing) {
      if (options_.refresh_tags && live->row.status == ObjectStatus::kIndexed && !listed.archived) {
        same_.emplace_back(listed, live->row);
        return same_.size() >= kReadBatch ? refresh_tags(pipeline) : Status();
      }
      take_unchanged(listed, live->row);
      return {};
    }
    return pipeline.add(todo_of(listed, live != nullptr ? &live->row : nullptr, need));
  }

  static Todo todo_of(const ObjectInfo& listed, const ObjectRow* row, Need need) {
    Todo todo{
        .listed = listed, .need = need, .live = row != nullptr, .content_hash = {}, .attempts = 0};
    if (row != nullptr) {
      todo.content_hash = row->content_hash;
      if (need == Need::kRetry) todo.attempts = row->attempts;
    }
    return todo;
  }

  // Objects that a listing shows unchanged, whose tags are not those of their rows, are read again.
  Status refresh_tags(Pipeline& pipeline) {
    const std::vector<std::pair<ObjectInfo, ObjectRow>> same = std::exchange(same_, {});
    if (same.empty()) return {};
    std::vector<std::string> asked;
    for (const auto& [listed, row] : same) asked.push_back(listed.key);
    const std::vector<Result<ObjectTags>> found = environment_.source.tags(asked, deadline_);
    for (std::size_t i = 0; i < same.size(); ++i) {
      const auto& [listed, row] = same[i];
      if (!found[i].ok()) KEDGE_TRY(check_tags_error(found[i].error()));
      // What cannot be asked now is asked by the pipeline, which says why it fails.
      if (found[i].ok() && tags_version(*found[i]) == tags_of(row.metadata)) {
        take_unchanged(listed, row);
      } else {
        KEDGE_TRY(pipeline.add(todo_of(listed, &row, Need::kChanged)));
      }
    }
    return {};
  }

  void take_unchanged(const ObjectInfo& listed, const ObjectRow& row) {
    count_unchanged(row);
    ++progress_.done;
    progress_.bytes_done += listed.size;
  }

  void count_unchanged(const ObjectRow& row) {
    switch (row.status) {
      case ObjectStatus::kIndexed:
        ++report_.indexed;
        ++report_.unchanged;
        break;
      case ObjectStatus::kFailed:
        ++report_.failed;
        break;
      case ObjectStatus::kSkipped:
        ++report_.skipped;
        break;
      case ObjectStatus::kPending:
        ++report_.pending;
        break;
      case ObjectStatus::kAbsent:
        break;  // the engine shows no such row
    }
  }

  // The run was complete: its time, what it withheld, and, if nothing is pending, its recipe for
  // all rows.
  Status finish_entry(Timestamp reconciled) {
    const std::string uri = plan_.entry.uri;
    const StateEdit edit = [&](IndexState& state) -> Status {
      SourceEntry* entry = find_source(state, uri);
      if (entry == nullptr)
        return {Code::kConflict, "the source was removed from the index during this sync"};
      entry->last_reconcile = std::max(entry->last_reconcile, reconciled);
      entry->withheld_deletes = report_.withheld;
      if (report_.pending == 0) entry->recipe = plan_.recipe;
      return {};
    };
    const CommitReport done = KEDGE_TRY(environment_.index.commit({}, edit, {}, deadline_));
    ++report_.commits;
    report_.generation = done.generation;
    return {};
  }

  const SyncEnvironment& environment_;
  const SyncOptions& options_;
  Deadline deadline_;
  Plan plan_;
  SourceListing listing_;
  std::vector<std::pair<ObjectInfo, ObjectRow>> same_;  // whose tags are still to be looked at
  SyncReport report_;
  SyncProgress progress_;
};

}  // namespace

Result<SyncReport> sync_source(const SyncEnvironment& environment, const SyncOptions& options,
                               Deadline deadline) {
  return Run(environment, options, deadline).go();
}

Result<std::uint64_t> remove_source(Index& index, std::uint32_t source, Deadline deadline) {
  constexpr std::size_t kBatch = 16'384;
  const SnapshotPtr snapshot = KEDGE_TRY(index.latest(deadline));
  if (snapshot->source(source) == nullptr)
    return {Code::kNotFound, str_cat("the index has no source ", source)};
  const std::unique_ptr<ObjectCursor> live = index.scan(snapshot, source, "");
  std::vector<Intent> intents;
  std::uint64_t removed = 0;
  while (true) {
    std::optional<LiveObject> object = KEDGE_TRY(live->next(deadline));
    if (object)
      intents.emplace_back(AbsentIntent{.key = {source, std::move(object->row.key)},
                                        .proven_at = AbsentIntent::kAlways});
    if (intents.size() < kBatch && object) continue;
    StateEdit edit;
    if (!object) {
      edit = [source](IndexState& state) -> Status {
        std::erase_if(state.sources,
                      [&](const SourceEntry& entry) { return entry.number == source; });
        return {};
      };
    }
    removed += KEDGE_TRY(index.commit(std::exchange(intents, {}), edit, {}, deadline)).deletes;
    if (!object) return removed;
  }
}

}  // namespace kedge
