// The way into Kedge for C++: open an index, sync sources into it, search it, get the raw data, see
// what drifted.
//
//   auto client = kedge::Client::open({.index = "/data/docs/.kedge"});
//   if (!client.ok()) ...
//   auto found = (*client)->search({.text = "how long is parental leave?"});
//   for (const kedge::SearchHit& hit : found->hits) ... hit.reference.uri, hit.snippet
//
// Nothing throws. All strings are UTF-8, except keys, which are the bytes that the store has.
// Threads: a client may be used from any threads; sync() one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/doctor.h"
#include "kedge/get.h"
#include "kedge/maintain.h"
#include "kedge/result.h"
#include "kedge/search.h"
#include "kedge/status.h"
#include "kedge/store_settings.h"
#include "kedge/sync.h"
#include "kedge/vectors.h"
#include "kedge/verify.h"
#include "kedge/warm.h"

namespace kedge {

enum class MessageLevel { kDebug, kInfo, kWarning, kError };

inline constexpr std::uint64_t kLeastMemoryBytes = 64ULL << 20;

struct ClientOptions {
  std::string index;  // URL or path of the index
  std::string model;  // folder of a model, "test:64", or "" for the default, all-MiniLM-L6-v2
  std::string cache;  // URL of the embedding cache; "" for <index>/cache/
  std::string scratch_folder;  // for spills; "" for $XDG_STATE_HOME/kedge or ~/.local/state/kedge
  // Folder for what was read of an index in a bucket, shared by all processes of a user: "" for
  // $XDG_CACHE_HOME/kedge/blocks or ~/.cache/kedge/blocks, "off" for none (docs/cache.md).
  std::string disk_cache;
  std::uint64_t disk_cache_bytes = 4ULL << 30;
  std::uint32_t threads = 0;  // 0: all cores
  // Of the process, at least kLeastMemoryBytes; the model's weights come on top (docs/scale.md).
  std::uint64_t memory_bytes = 512ULL << 20;
  double timeout_seconds = 0;  // of each call that reads; 0: none
  bool create = false;         // sync() makes the index if there is none (the CLI does so)
  bool read_only = false;      // refuses everything that writes
  // How s3:// URLs are reached, of the index, its cache and sources alike.
  std::vector<StoreSettings> stores;
  // Asks the person at the terminal, for an MFA code. May be empty: then nobody is asked.
  std::function<Result<std::string>(std::string_view question)> on_prompt;
  std::function<void(MessageLevel, std::string_view)>
      on_message;  // warnings, and what --verbose shows
};

class Client {
 public:
  virtual ~Client() = default;
  // Opens no store and no model yet: each call opens what it needs, once.
  static Result<std::unique_ptr<Client>> open(ClientOptions options);

  // ---- index and bucket kept equal (kedge/sync.h, kedge/verify.h)
  virtual Result<SyncResult> sync(const SyncRequest& request) = 0;
  virtual Result<VerifyResult> verify(const VerifyRequest& request) = 0;

  // ---- references first, then the raw data (kedge/search.h, kedge/get.h)
  virtual Result<SearchResponse> search(const SearchQuery& query) = 0;
  virtual Result<SearchResponse> similar(const SimilarQuery& query) = 0;
  // One outcome a reference, in order; one bad reference fails nobody else.
  virtual Result<std::vector<GetOutcome>> get(const std::vector<GetRequest>& requests) = 0;
  // The reference of an object (or its nth chunk) by key or uri, from the index. kNotFound: not
  // indexed. kInvalid: the key is in several sources, which the message names.
  virtual Result<Reference> resolve(const std::string& key_or_uri,
                                    std::optional<std::uint32_t> chunk) = 0;

  // ---- what searches need, read ahead (kedge/warm.h). kUnsupported: the index lies on this
  // machine, or there is no disk cache.
  virtual Result<WarmResult> warm(const WarmRequest& request) = 0;

  // ---- what is there (kedge/status.h, kedge/doctor.h)
  virtual Result<StatusReport> status(const StatusRequest& request) = 0;
  virtual Result<DoctorReport> doctor() = 0;

  // ---- housekeeping (kedge/maintain.h)
  virtual Result<GcReport> gc(const GcRequest& request) = 0;
  virtual Result<std::vector<Generation>> history(std::size_t limit) = 0;
  virtual Result<Generation> rollback(std::uint64_t generation) = 0;
  virtual Result<std::vector<PinInfo>> pins() = 0;
  virtual Result<PinInfo> add_pin(const std::string& name,
                                  std::optional<std::uint64_t> generation) = 0;
  virtual Result<void> remove_pin(const std::string& name) = 0;
  // How many objects went.
  virtual Result<std::uint64_t> remove_source(const std::string& uri) = 0;
  virtual Result<void> drop() = 0;

  // ---- vectors of the caller's own (kedge/vectors.h)
  virtual Result<ImportResult> import_vectors(const ImportRequest& request) = 0;
  virtual Result<CompactResult> compact(const CompactRequest& request) = 0;
};

// A reference as JSON (one object, one line), and back: kInvalid names the field.
std::string to_json(const Reference& reference);
Result<Reference> reference_from_json(std::string_view json);

// The program's version, "0.1.0".
std::string_view version();

}  // namespace kedge
