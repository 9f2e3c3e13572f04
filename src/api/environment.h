// What a client stands on, made real by environment.cc and replaced by tests: stores, clock,
// random, executor, model.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/open_store.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "embed/embedder.h"
#include "ingest/scope.h"
#include "kedge/client.h"
#include "store/disk_cache.h"
#include "store/object_store.h"

namespace kedge {

// Where a source lies, and what of the file system's listing belongs to it.
struct SourceLocation {
  std::string uri;  // canonical, ends with '/'
  Scope scope;      // how it is listed; patterns are applied above, but for keys that
                    // are named one by one
  // URLs of the index and of a cache that lies elsewhere: never listed, even inside the source.
  std::string index_folder;
  std::string cache_folder = {};
};

struct ClientEnvironment {
  Clock* clock = nullptr;
  Random* random = nullptr;
  std::shared_ptr<Executor> executor;
  std::shared_ptr<Log> log;
  std::string scratch_folder;  // exists
  // The store of an index or cache; keys are relative to it.
  std::function<Result<std::unique_ptr<ObjectStore>>(const std::string& url)> open_index_store;
  std::function<Result<std::unique_ptr<ObjectStore>>(const SourceLocation& location)>
      open_source_store;
  // Names the endpoint and bucket of an index, for what is remembered about them; "" for a store
  // that needs no probe, and where this is empty.
  std::function<Result<std::string>(const std::string& url)> endpoint_of = {};
  // Of blocks of indexes in buckets; a null pointer: off. May be empty, for none.
  std::function<Result<std::unique_ptr<DiskCache>>()> open_disk_cache = {};
  // For doctor, of s3:// URLs; as in StoreOpener. May be empty.
  std::function<Result<std::string>(const std::string& url, Deadline deadline)> credentials_of = {};
  std::function<Result<PolicyPlace>(const std::string& url)> policy_place = {};
  // A path or URL as the user wrote it to the canonical uri, and the key if it names one object.
  std::function<Result<SourcePlace>(const std::string& source)> find_source;
  // `space`: of the index, if it has one.
  std::function<Result<std::unique_ptr<Embedder>>(const std::optional<Space>& space)> open_embedder;
};

// The real one. kInvalid: options that cannot be.
Result<ClientEnvironment> make_environment(const ClientOptions& options);

// For tests: a client on an environment of their own.
Result<std::unique_ptr<Client>> open_client(ClientOptions options, ClientEnvironment environment);

}  // namespace kedge
