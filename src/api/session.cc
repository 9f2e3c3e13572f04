#include "api/session.h"

#include <utility>

#include "base/strings.h"
#include "ingest/import.h"
#include "store/memory_store.h"
#include "store/retry_store.h"

namespace kedge {
namespace {

class LateCache final : public EmbeddingCache {
 public:
  LateCache(Session& session, Space space) : session_(session), space_(std::move(space)) {}

  Result<std::vector<std::optional<HalfVector>>> lookup(std::span<const Id128> hashes,
                                                        Deadline deadline) override {
    return KEDGE_TRY(opened())->lookup(hashes, deadline);
  }
  Status add(std::span<const Id128> hashes, std::span<const HalfVector> vectors,
             Deadline deadline) override {
    return KEDGE_TRY(opened())->add(hashes, vectors, deadline);
  }
  Status flush(Deadline deadline) override { return KEDGE_TRY(opened())->flush(deadline); }
  Result<CollectReport> collect(Deadline deadline) override {
    return KEDGE_TRY(opened())->collect(deadline);
  }
  [[nodiscard]] EmbeddingCacheStats stats() const override {
    const Result<EmbeddingCache*> cache = opened();
    return cache.ok() ? (*cache)->stats() : EmbeddingCacheStats{};
  }

 private:
  Result<EmbeddingCache*> opened() const { return session_.cache(space_); }

  Session& session_;
  const Space space_;
};

}  // namespace

Session::Session(ClientOptions options, ClientEnvironment environment)
    : options_(std::move(options)), environment_(std::move(environment)) {}

Deadline Session::deadline() const {
  if (options_.timeout_seconds <= 0) return Deadline::never();
  const auto micros = static_cast<std::int64_t>(options_.timeout_seconds * 1e6);
  return Deadline::after(*environment_.clock, Duration(micros));
}

double Session::seconds() const {
  return std::chrono::duration<double>(environment_.clock->monotonic()).count();
}

Environment Session::engine_environment(ObjectStore& store) {
  return {.store = store,
          .clock = *environment_.clock,
          .random = *environment_.random,
          .executor = *environment_.executor,
          .log = *environment_.log};
}

Result<std::string> Session::endpoint_of(const std::string& url) const {
  return environment_.endpoint_of ? environment_.endpoint_of(url) : Result<std::string>("");
}

Result<Session::Kept> Session::open_kept(const std::string& url) {
  Kept out;
  out.raw = KEDGE_TRY(environment_.open_index_store(url));
  out.counting = std::make_unique<CountingStore>(*out.raw);
  out.retrying =
      std::make_unique<RetryStore>(*out.counting, *environment_.clock, *environment_.random);
  std::string endpoint = KEDGE_TRY(endpoint_of(url));
  if (!endpoint.empty()) {
    out.probed =
        std::make_unique<ProbedStore>(*out.retrying, std::move(endpoint), *environment_.random);
  }
  return out;
}

Result<ObjectStore*> Session::index_store() {
  if (index_store_.raw == nullptr) index_store_ = KEDGE_TRY(open_kept(options_.index));
  return index_store_.top();
}

DiskCache* Session::index_blocks() {
  if (index_store_.probed == nullptr || disk_cache_tried_) return disk_cache_.get();
  disk_cache_tried_ = true;
  if (!environment_.open_disk_cache) return nullptr;
  Result<std::unique_ptr<DiskCache>> opened = environment_.open_disk_cache();
  if (opened.ok()) {
    disk_cache_ = std::move(opened).value();
  } else {
    environment_.log->warning(
        str_cat("the disk cache is not used: ", opened.error().message, " (--disk-cache)"));
  }
  return disk_cache_.get();
}

Result<DiskCache*> Session::disk_cache() {
  const std::lock_guard lock(mutex_);
  KEDGE_TRY(index_store());
  return index_blocks();
}

Result<ObjectStore*> Session::store() {
  const std::lock_guard lock(mutex_);
  return index_store();
}

Result<ProbedStore*> Session::probed_store() {
  const std::lock_guard lock(mutex_);
  KEDGE_TRY(index_store());
  return index_store_.probed.get();
}

Result<std::unique_ptr<Index>> Session::open_index(ObjectStore& store, bool create) {
  IndexOptions options;
  options.cache_bytes = memory_bytes() / 4;
  options.plane_bytes = memory_bytes() / 4;
  options.window_bytes = std::min(options.window_bytes, memory_bytes() / 4);
  options.memory_bytes = memory_bytes() / 8 * 3;
  options.scratch_folder = environment_.scratch_folder;
  options.disk_cache = index_blocks();
  options.read_opening = searching_;
  const Environment environment = engine_environment(store);
  Result<std::unique_ptr<Index>> opened = Index::open(environment, options, deadline());
  if (opened.ok() || opened.code() != Code::kNotFound) return opened;
  if (!create) {
    if (Index::attach(environment, options, deadline()).ok()) {
      return Error{Code::kNotFound,
                   str_cat("the index at ", printable(options_.index),
                           " was dropped: `kedge history` lists what `kedge rollback` can still "
                           "bring back, `kedge sync SOURCE` makes it anew")};
    }
    return Error{Code::kNotFound,
                 str_cat("no index at ", printable(options_.index),
                         ": make one with `kedge sync SOURCE`, or name another with --index")};
  }
  if (options_.read_only)
    return Error{Code::kDenied, "this client was opened read-only: it makes no index"};
  Result<std::unique_ptr<Index>> created = Index::create(environment, options, deadline());
  // Two may create at once: the second opens what the first made.
  if (!created.ok() && created.code() == Code::kConflict)
    return Index::open(environment, options, deadline());
  return created;
}

Result<Index*> Session::index(bool create) {
  const std::lock_guard lock(mutex_);
  if (index_ == nullptr) {
    ObjectStore* store = KEDGE_TRY(index_store());
    index_ = KEDGE_TRY(open_index(*store, create));
  }
  return index_.get();
}

Result<Index*> Session::index_even_dropped() {
  Result<Index*> opened = index(false);
  if (opened.ok() || opened.code() != Code::kNotFound) return opened;
  const std::lock_guard lock(mutex_);
  if (attached_ == nullptr) {
    ObjectStore* store = KEDGE_TRY(index_store());
    Result<std::unique_ptr<Index>> attached =
        Index::attach(engine_environment(*store), IndexOptions{}, deadline());
    if (!attached.ok())
      return attached.code() == Code::kNotFound ? opened.error() : attached.error();
    attached_ = std::move(attached).value();
  }
  return attached_.get();
}

Result<SnapshotPtr> Session::latest() {
  const bool known = opened();
  Index* index = KEDGE_TRY(this->index(false));
  return known ? index->latest(deadline()) : Result<SnapshotPtr>(index->current());
}

void Session::begin_search() {
  const std::lock_guard lock(mutex_);
  searching_ = true;
}

bool Session::opened() {
  const std::lock_guard lock(mutex_);
  return index_ != nullptr;
}

Result<bool> Session::index_exists() {
  const Result<Index*> opened = index(false);
  if (opened.ok()) return true;
  if (opened.code() == Code::kNotFound) return false;
  return opened.error();
}

Result<Index*> Session::scratch_index() {
  const std::lock_guard lock(mutex_);
  if (scratch_index_ == nullptr) {
    scratch_store_ = std::make_unique<MemoryStore>(*environment_.clock);
    scratch_index_ =
        KEDGE_TRY(Index::create(engine_environment(*scratch_store_), IndexOptions{}, deadline()));
  }
  return scratch_index_.get();
}

Result<ObjectStore*> Session::source(const std::string& uri, const Scope& scope) {
  if (uri == kRecordsUri)
    return {Code::kUnsupported, "a record lies in the index alone: there is no object to read"};
  const std::lock_guard lock(mutex_);
  const NamedKeys named = named_keys(scope);
  std::string key = str_cat(uri, scope.hidden ? "\n1" : "\n0", scope.gitignore ? "1" : "0",
                            named.all ? "1" : "0");
  for (const std::string& one : named.keys) key += '\0' + one;
  const auto known = sources_.find(key);
  if (known != sources_.end()) return known->second.retrying.get();
  Source source;
  source.raw = KEDGE_TRY(environment_.open_source_store({.uri = uri,
                                                         .scope = scope,
                                                         .index_folder = options_.index,
                                                         .cache_folder = options_.cache}));
  source.counting = std::make_unique<CountingStore>(*source.raw);
  source.retrying =
      std::make_unique<RetryStore>(*source.counting, *environment_.clock, *environment_.random);
  source.billed = !KEDGE_TRY(endpoint_of(uri)).empty();
  return sources_.emplace(key, std::move(source)).first->second.retrying.get();
}

Result<Embedder*> Session::embedder(const std::optional<Space>& space) {
  if (space && space->provider == kRecordsProvider) {
    return {Code::kInvalid,
            "this index holds vectors of your own, which no model here made: ask for "
            "what is like a record (kedge similar KEY)"};
  }
  const std::lock_guard lock(mutex_);
  if (embedder_ == nullptr) embedder_ = KEDGE_TRY(environment_.open_embedder(space));
  if (space && space->id() != embedder_->space().id()) {
    return {Code::kInvalid,
            str_cat("this index holds vectors of ", space->describe(), " (", space->revision,
                    "), and the model is ", embedder_->space().describe(), " (",
                    embedder_->space().revision,
                    "): vectors of two models do not compare. Use the index's model (--model), or "
                    "another index "
                    "(--index)")};
  }
  return embedder_.get();
}

Result<EmbeddingCache*> Session::cache(const Space& space) {
  const std::lock_guard lock(mutex_);
  if (cache_ == nullptr) {
    EmbeddingCacheOptions options;
    options.spill_folder = environment_.scratch_folder;
    options.memory_bytes = std::min(options.memory_bytes, memory_bytes() / 8);
    ObjectStore* store = nullptr;
    if (options_.cache.empty()) {
      store = KEDGE_TRY(index_store());
      options.prefix = "cache/";
    } else {
      cache_store_ = KEDGE_TRY(open_kept(options_.cache));
      store = cache_store_.top();
    }
    cache_ = KEDGE_TRY(EmbeddingCache::open(*store, space, *environment_.clock,
                                            *environment_.random, *environment_.executor,
                                            *environment_.log, options, deadline()));
  }
  return cache_.get();
}

EmbeddingCache* Session::late_cache(const Space& space) {
  const std::lock_guard lock(mutex_);
  if (late_cache_ == nullptr) late_cache_ = std::make_unique<LateCache>(*this, space);
  return late_cache_.get();
}

Status Session::may_write() const {
  if (options_.read_only) return {Code::kDenied, "this client was opened read-only"};
  return {};
}

StoreUsage Session::index_usage() {
  const std::lock_guard lock(mutex_);
  StoreUsage sum;
  for (const Kept* kept : {&index_store_, &cache_store_}) {
    if (kept->counting != nullptr)
      add(sum, usage_of(kept->counting->counts(), kept->probed != nullptr));
  }
  return sum;
}

StoreUsage Session::source_usage() {
  const std::lock_guard lock(mutex_);
  StoreUsage sum;
  for (const auto& [key, source] : sources_)
    add(sum, usage_of(source.counting->counts(), source.billed));
  return sum;
}

}  // namespace kedge
