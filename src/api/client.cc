#include "kedge/client.h"

#include <utility>

#include "api/environment.h"
#include "api/operations.h"
#include "api/session.h"
#include "base/strings.h"

namespace kedge {
namespace {

class ClientImpl final : public Client {
 public:
  ClientImpl(ClientOptions options, ClientEnvironment environment)
      : session_(std::move(options), std::move(environment)) {}

  Result<SyncResult> sync(const SyncRequest& request) override {
    return run_sync(session_, request);
  }
  Result<VerifyResult> verify(const VerifyRequest& request) override {
    return run_verify(session_, request);
  }
  Result<SearchResponse> search(const SearchQuery& query) override {
    return run_search(session_, query);
  }
  Result<SearchResponse> similar(const SimilarQuery& query) override {
    return run_similar(session_, query);
  }
  Result<std::vector<GetOutcome>> get(const std::vector<GetRequest>& requests) override {
    return run_get(session_, requests);
  }
  Result<Reference> resolve(const std::string& key_or_uri,
                            std::optional<std::uint32_t> chunk) override {
    return run_resolve(session_, key_or_uri, chunk);
  }
  Result<WarmResult> warm(const WarmRequest& request) override {
    return run_warm(session_, request);
  }
  Result<StatusReport> status(const StatusRequest& request) override {
    return run_status(session_, request);
  }
  Result<DoctorReport> doctor() override { return run_doctor(session_); }
  Result<GcReport> gc(const GcRequest& request) override { return run_gc(session_, request); }
  Result<std::vector<Generation>> history(std::size_t limit) override {
    return run_history(session_, limit);
  }
  Result<Generation> rollback(std::uint64_t generation) override {
    return run_rollback(session_, generation);
  }
  Result<std::vector<PinInfo>> pins() override { return run_pins(session_); }
  Result<PinInfo> add_pin(const std::string& name,
                          std::optional<std::uint64_t> generation) override {
    return run_add_pin(session_, name, generation);
  }
  Result<void> remove_pin(const std::string& name) override {
    return run_remove_pin(session_, name);
  }
  Result<std::uint64_t> remove_source(const std::string& uri) override {
    return run_remove_source(session_, uri);
  }
  Result<void> drop() override { return run_drop(session_); }
  Result<ImportResult> import_vectors(const ImportRequest& request) override {
    return run_import(session_, request);
  }
  Result<CompactResult> compact(const CompactRequest& request) override {
    return run_compact(session_, request);
  }

 private:
  Session session_;
};

}  // namespace

Result<std::unique_ptr<Client>> open_client(ClientOptions options, ClientEnvironment environment) {
  if (options.memory_bytes < kLeastMemoryBytes) {
    return {Code::kInvalid, str_cat("memory of ", options.memory_bytes, " bytes: at least ",
                                    kLeastMemoryBytes >> 20, "MiB are needed (--memory)")};
  }
  return std::unique_ptr<Client>(
      std::make_unique<ClientImpl>(std::move(options), std::move(environment)));
}

Result<std::unique_ptr<Client>> Client::open(ClientOptions options) {
  if (options.index.empty()) return {Code::kInvalid, "no index: name one, a path or a URL"};
  ClientEnvironment environment = KEDGE_TRY(make_environment(options));
  return open_client(std::move(options), std::move(environment));
}

}  // namespace kedge
