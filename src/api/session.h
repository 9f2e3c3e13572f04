// The opened parts of a client: index, sources, model, cache. Each is opened once, when first
// needed, and kept. Threads: any; one mutex guards opening, none is held while working.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "api/environment.h"
#include "api/price.h"
#include "api/probed_store.h"
#include "embed/cache.h"
#include "engine/index.h"
#include "store/counting_store.h"

namespace kedge {

// Of a process for what is no data: code, libraries, stacks, and what the allocator holds free.
inline constexpr std::uint64_t kProgramBytes = 40ULL << 20;

class Session {
 public:
  // Precondition: options.memory_bytes is at least kLeastMemoryBytes.
  Session(ClientOptions options, ClientEnvironment environment);

  // kNotFound: no index there, with what to do. `create` makes one.
  Result<Index*> index(bool create);
  // The same for what needs no contents: one that was dropped is there too.
  Result<Index*> index_even_dropped();
  // An empty index in memory: for a dry run where there is none.
  Result<Index*> scratch_index();
  // The newest generation of the index: the one that it is opened with, if this call opens it,
  // since that is as new as what another GET of the head would show.
  Result<SnapshotPtr> latest();
  // Whether the index is opened already, so that its current snapshot may be old.
  [[nodiscard]] bool opened();
  // What follows is a search: an index that is not open yet is opened in one round, for a request
  // more (IndexOptions::read_opening).
  void begin_search();
  // Whether an index exists; errors other than kNotFound are returned.
  Result<bool> index_exists();

  // What of the index is kept on this machine's disk; nullptr: nothing is.
  Result<DiskCache*> disk_cache();

  // The index's store, whether or not there is an index in it.
  Result<ObjectStore*> store();
  // The index's store where it is one that is probed before it is written to; else nullptr.
  Result<ProbedStore*> probed_store();

  // The store of a source; kept by uri and what decides its listing.
  Result<ObjectStore*> source(const std::string& uri, const Scope& scope);
  // For reads by key, which listing options do not change.
  Result<ObjectStore*> source(const std::string& uri) { return source(uri, Scope{}); }

  // The model, checked against the index's space.
  Result<Embedder*> embedder(const std::optional<Space>& space);
  // The embedding cache of the model's space.
  Result<EmbeddingCache*> cache(const Space& space);
  // The same, opened when it is first asked something: a sync that embeds nothing reads nothing of
  // it.
  EmbeddingCache* late_cache(const Space& space);

  // kDenied: the client was opened read-only.
  [[nodiscard]] Status may_write() const;

  // Requests so far; those of the cache count with the index's, wherever it lies.
  [[nodiscard]] StoreUsage index_usage();
  [[nodiscard]] StoreUsage source_usage();

  [[nodiscard]] const ClientOptions& options() const { return options_; }
  // Of ClientOptions::memory_bytes, what there is for data: the program itself takes the rest.
  [[nodiscard]] std::uint64_t memory_bytes() const { return options_.memory_bytes - kProgramBytes; }
  [[nodiscard]] const ClientEnvironment& environment() const { return environment_; }
  [[nodiscard]] Deadline deadline() const;
  [[nodiscard]] double seconds() const;  // of the monotonic clock

 private:
  Result<std::unique_ptr<Index>> open_index(ObjectStore& store, bool create);
  Environment engine_environment(ObjectStore& store);
  // An index's or a cache's store, with what is on top of it.
  struct Kept {
    std::unique_ptr<ObjectStore> raw;
    std::unique_ptr<CountingStore> counting;  // below the retries, which are paid for too
    std::unique_ptr<ObjectStore> retrying;
    std::unique_ptr<ProbedStore> probed;  // absent where no probe is needed: not a bucket
    [[nodiscard]] ObjectStore* top() const {
      return probed != nullptr ? static_cast<ObjectStore*>(probed.get()) : retrying.get();
    }
  };
  Result<std::string> endpoint_of(const std::string& url) const;
  Result<Kept> open_kept(const std::string& url);
  Result<ObjectStore*> index_store();
  // Of an index in a bucket; else, and where it cannot be used, nullptr.
  DiskCache* index_blocks();

  ClientOptions options_;
  ClientEnvironment environment_;
  std::mutex mutex_;
  Kept index_store_;
  std::unique_ptr<DiskCache> disk_cache_;
  bool disk_cache_tried_ = false;
  bool searching_ = false;
  std::unique_ptr<Index> index_;
  std::unique_ptr<Index> attached_;
  std::unique_ptr<ObjectStore> scratch_store_;
  std::unique_ptr<Index> scratch_index_;
  struct Source {
    std::unique_ptr<ObjectStore> raw;
    std::unique_ptr<CountingStore> counting;
    std::unique_ptr<ObjectStore> retrying;
    bool billed = false;
  };
  std::map<std::string, Source> sources_;
  std::unique_ptr<Embedder> embedder_;
  Kept cache_store_;
  std::unique_ptr<EmbeddingCache> cache_;
  std::unique_ptr<EmbeddingCache> late_cache_;
};

}  // namespace kedge
