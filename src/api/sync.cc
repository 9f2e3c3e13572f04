#include <algorithm>
#include <utility>

#include "api/operations.h"
#include "base/strings.h"
#include "ingest/import.h"

namespace kedge {
namespace {

const char* phase_name(SyncPhase phase) {
  switch (phase) {
    case SyncPhase::kListing:
      return "listing";
    case SyncPhase::kIndexing:
      return "indexing";
    case SyncPhase::kProving:
      return "proving";
    case SyncPhase::kDone:
      return "done";
  }
  return "";
}

Progress to_progress(const std::string& uri, const SyncProgress& progress) {
  Progress out;
  out.phase = phase_name(progress.phase);
  out.source = uri;
  out.listed = progress.listed;
  out.objects = progress.to_do;
  out.objects_done = progress.done;
  out.bytes = progress.bytes_to_do;
  out.bytes_done = progress.bytes_done;
  out.chunks_embedded = progress.chunks_embedded;
  out.chunks_from_cache = progress.chunks_from_cache;
  return out;
}

// One source of a request, and the files of it that were named, if it was not named itself.
struct Wanted {
  std::string uri;
  std::vector<std::string> keys;
};

// The named files become part of the source: of a new one they are all, of one with include
// patterns they are added to these.
Status add_named(Scope& scope, const SourceEntry* recorded, const SyncRequest& request,
                 const Wanted& wanted) {
  const std::string file = printable(wanted.uri + wanted.keys.front());
  if (request.include) {
    return {Code::kInvalid,
            str_cat("'", file,
                    "' is a file, and --include chooses among those of a folder: name "
                    "the folder, ",
                    printable(wanted.uri))};
  }
  if (recorded != nullptr && scope.include.empty()) {
    return {
        Code::kInvalid,
        str_cat("'", file, "' lies in a source of this index, and is synced with it: kedge sync ",
                printable(wanted.uri))};
  }
  for (const std::string& key : wanted.keys) {
    const std::string pattern = pattern_of(key);
    if (std::find(scope.include.begin(), scope.include.end(), pattern) == scope.include.end())
      scope.include.push_back(pattern);
    if (in_scope(scope, key)) continue;
    return {Code::kInvalid,
            str_cat("'", printable(wanted.uri + key),
                    "' is excluded by a pattern: kedge sync --exclude= forgets it")};
  }
  return {};
}

// Given flags replace what is recorded, field by field.
Result<Scope> merge_scope(const SourceEntry* recorded, const SyncRequest& request,
                          const Wanted& wanted) {
  Scope scope = recorded != nullptr ? scope_of(*recorded) : Scope{};
  if (request.include) scope.include = *request.include;
  if (request.exclude) scope.exclude = *request.exclude;
  if (request.hidden) scope.hidden = *request.hidden;
  if (request.gitignore) scope.gitignore = *request.gitignore;
  if (request.sidecars) scope.sidecars = *request.sidecars;
  if (request.tags) scope.tags = *request.tags;
  if (!wanted.keys.empty()) KEDGE_TRY(add_named(scope, recorded, request, wanted));
  return scope;
}

// A chunk of every length costs about the same per token, so one batch tells.
double estimate_seconds(Embedder& embedder, std::uint64_t tokens) {
  if (tokens == 0) return 0;
  const std::vector<std::string> sample(
      8,
      "A sentence of ordinary length and words, repeated a few times, stands for the text that is "
      "not embedded in "
      "a dry run; its only purpose is to see how many tokens this machine can embed in a second.");
  const EmbedUsage before = embedder.usage();
  if (!embedder.embed_documents(sample).ok()) return 0;
  const EmbedUsage warm = embedder.usage();
  if (!embedder.embed_documents(sample).ok()) return 0;
  const EmbedUsage after = embedder.usage();
  const double seconds = after.seconds - warm.seconds;
  const auto measured = static_cast<double>(warm.tokens - before.tokens);
  return measured == 0 ? 0 : seconds / measured * static_cast<double>(tokens);
}

std::uint64_t parts(std::uint64_t all, std::uint64_t each) { return (all + each - 1) / each; }

// A run reads what the dry run has read, and writes: by commits, each a segment, a history body and
// the head, and by packs of the embedding cache, each the same.
StoreUsage forecast(const SyncResult& dry) {
  StoreUsage out = dry.source_usage;
  add(out, dry.index_usage);
  std::uint64_t objects = 0, chunks = 0, embedded = 0;
  for (const SyncCounts& counts : dry.sources) {
    objects += counts.added + counts.changed + counts.rewritten + counts.deleted;
    chunks += counts.chunks;
    embedded += counts.chunks_embedded;
  }
  out.puts = out.creates = out.swaps = 0;
  if (objects > 0) {
    const SyncOptions usual;
    const auto timed = static_cast<std::uint64_t>(
        dry.estimated_seconds / std::chrono::duration<double>(usual.commit_every).count());
    const std::uint64_t commits = std::max(parts(chunks, usual.commit_rows), timed) + 1;
    const std::uint64_t packs = parts(embedded, EmbeddingCacheOptions{}.pack_rows);
    out.puts = commits + packs;
    // The entry of a source is a commit of its own, before and after.
    out.creates = out.swaps = commits + packs + 2 * dry.sources.size();
  }
  out.cost_usd = out.billed ? cost_of(out) : 0;
  return out;
}

class SyncRun {
 public:
  SyncRun(Session& session, const SyncRequest& request, std::uint64_t let_go)
      : session_(session), request_(request), let_go_(let_go) {}

  Result<SyncResult> go() {
    if (!request_.dry_run) KEDGE_TRY(session_.may_write());
    const StoreUsage index_before = session_.index_usage();
    const StoreUsage source_before = session_.source_usage();
    // Before the index is made: a mistyped source must not become a folder with an index in it, nor
    // a missing model leave an empty one behind.
    std::vector<Wanted> sources = KEDGE_TRY(named_sources());
    const bool opened = session_.opened();
    exists_ = KEDGE_TRY(session_.index_exists());
    if (!exists_) {
      KEDGE_TRY(session_.embedder(std::nullopt));
      for (const Wanted& wanted : sources) KEDGE_TRY(try_source(wanted.uri));
    }
    index_ = KEDGE_TRY(open());
    // What this run has opened is as new as what it would read now.
    const SnapshotPtr snapshot =
        opened ? KEDGE_TRY(index_->latest(session_.deadline())) : index_->current();
    newest_ = snapshot;
    if (request_.sources.empty()) sources = KEDGE_TRY(recorded_sources(*snapshot));
    std::optional<Space> space;
    if (!snapshot->state().spaces.empty()) space = snapshot->state().spaces.front();
    embedder_ = KEDGE_TRY(session_.embedder(space));
    if (!request_.dry_run || exists_) {
      cache_ = session_.late_cache(embedder_->space());
    }
    SyncResult out;
    std::uint64_t tokens = 0;
    for (const Wanted& wanted : sources) {
      if (request_.stop.stop_requested()) break;
      const Scope scope = KEDGE_TRY(merge_scope(snapshot->source(wanted.uri), request_, wanted));
      const SyncReport report = KEDGE_TRY(one(wanted.uri, scope));
      tokens += report.tokens;
      out.stopped |= report.stopped;
      out.sources.push_back(to_counts(wanted.uri, report));
      out.sources.back().include = scope.include;
      out.sources.back().exclude = scope.exclude;
    }
    out.stopped |= request_.stop.stop_requested();
    if (request_.dry_run) out.estimated_seconds = estimate_seconds(*embedder_, tokens);
    out.index_usage = difference(session_.index_usage(), index_before);
    out.source_usage = difference(session_.source_usage(), source_before);
    if (request_.dry_run) out.forecast = forecast(out);
    return out;
  }

 private:
  // A bucket that is not there or may not be listed is seen by its first page.
  Status try_source(const std::string& uri) {
    ObjectStore* source = KEDGE_TRY(session_.source(uri));
    KEDGE_TRY(source->list("", "")->next(session_.deadline()));
    return {};
  }

  Result<Index*> open() {
    if (request_.dry_run && !exists_) return session_.scratch_index();
    return session_.index(session_.options().create);
  }

  Result<std::vector<Wanted>> named_sources() {
    std::vector<Wanted> out;
    for (const std::string& source : request_.sources) {
      SourcePlace place = KEDGE_TRY(session_.environment().find_source(source));
      const auto known = std::find_if(out.begin(), out.end(),
                                      [&](const Wanted& one) { return one.uri == place.uri; });
      if (known == out.end()) {
        out.push_back({std::move(place.uri), {}});
        if (!place.key.empty()) out.back().keys.push_back(std::move(place.key));
      } else if (known->keys.empty() != place.key.empty()) {
        return {Code::kInvalid, str_cat("both ", printable(place.uri),
                                        " and a file of it are named: one of them is enough")};
      } else if (!place.key.empty()) {
        known->keys.push_back(std::move(place.key));
      }
    }
    return out;
  }

  static Result<std::vector<Wanted>> recorded_sources(const Snapshot& snapshot) {
    std::vector<Wanted> out;
    for (const SourceEntry& entry : snapshot.state().sources) {
      // Records lie in the index alone: there is nothing to compare them with.
      if (entry.uri != kRecordsUri) out.push_back({entry.uri, {}});
    }
    if (out.empty())
      return {Code::kInvalid, "the index has no source yet: name one (kedge sync SOURCE)"};
    return out;
  }

  Result<SyncReport> one(const std::string& uri, const Scope& scope) {
    SyncOptions options;
    options.source_uri = uri;
    options.scope = scope;
    options.max_object_bytes = request_.max_object_bytes;
    options.memory_bytes = session_.memory_bytes() / 4;
    options.dry_run = request_.dry_run;
    options.approve_deletes = request_.approve_deletes;
    options.let_go = let_go_;
    options.full = request_.full;
    options.refresh_tags = request_.refresh_tags;
    options.stop = request_.stop;
    options.newest = std::exchange(newest_, nullptr);
    if (request_.progress) {
      options.progress = [&](const SyncProgress& progress) {
        request_.progress(to_progress(uri, progress));
      };
    }
    ObjectStore* source = KEDGE_TRY(session_.source(uri, scope));
    const ClientEnvironment& environment = session_.environment();
    const SyncEnvironment sync{.index = *index_,
                               .source = *source,
                               .embedder = *embedder_,
                               .cache = cache_,
                               .clock = *environment.clock,
                               .random = *environment.random,
                               .executor = *environment.executor,
                               .log = *environment.log,
                               .scratch_folder = environment.scratch_folder};
    return sync_source(sync, options, Deadline::never());
  }

  Session& session_;
  const SyncRequest& request_;
  const std::uint64_t let_go_;
  bool exists_ = false;  // the index, before this run
  Index* index_ = nullptr;
  Embedder* embedder_ = nullptr;
  EmbeddingCache* cache_ = nullptr;
  SnapshotPtr newest_;  // for the first source; what comes after it stands on later commits
};

}  // namespace

SyncCounts to_counts(const std::string& uri, const SyncReport& report) {
  SyncCounts out;
  out.source = uri;
  out.listed = report.listed;
  out.indexed = report.indexed;
  out.failed = report.failed;
  out.skipped = report.skipped;
  out.pending = report.pending;
  out.vanished = report.vanished;
  out.sidecars = report.sidecars;
  out.sidecars_alone = report.sidecars_alone;
  out.added = report.added;
  out.changed = report.changed;
  out.unchanged = report.unchanged;
  out.rewritten = report.rewritten;
  out.deleted = report.deleted;
  out.withheld = report.withheld;
  out.unproven = report.unproven;
  out.objects_read = report.objects_read;
  out.bytes_read = report.bytes_read;
  out.chunks = report.chunks;
  out.chunks_embedded = report.chunks_embedded;
  out.chunks_from_cache = report.chunks_from_cache;
  out.tokens = report.tokens;
  out.split_objects = report.split_objects;
  out.seconds = report.seconds;
  out.model_seconds = report.model_seconds;
  out.commits = report.commits;
  out.generation = report.generation;
  out.stopped = report.stopped;
  out.proven_unchanged = report.proven_unchanged;
  for (const ObjectProblem& problem : report.problems)
    out.problems.push_back({problem.key, problem.reason});
  return out;
}

Result<SyncResult> run_sync(Session& session, const SyncRequest& request, std::uint64_t let_go) {
  return SyncRun(session, request, let_go).go();
}

}  // namespace kedge
