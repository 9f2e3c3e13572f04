// What a client can do, one function each; client.cc maps the public interface to them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/session.h"
#include "ingest/fetch.h"
#include "ingest/sync.h"
#include "kedge/client.h"

namespace kedge {

// `let_go`: see SyncOptions; of the one source of the request.
Result<SyncResult> run_sync(Session& session, const SyncRequest& request, std::uint64_t let_go = 0);
Result<VerifyResult> run_verify(Session& session, const VerifyRequest& request);
Result<SearchResponse> run_search(Session& session, const SearchQuery& query);
Result<SearchResponse> run_similar(Session& session, const SimilarQuery& query);
Result<std::vector<GetOutcome>> run_get(Session& session, const std::vector<GetRequest>& requests);
Result<Reference> run_resolve(Session& session, const std::string& key_or_uri,
                              std::optional<std::uint32_t> chunk);
Result<WarmResult> run_warm(Session& session, const WarmRequest& request);
Result<StatusReport> run_status(Session& session, const StatusRequest& request);
Result<DoctorReport> run_doctor(Session& session);
Result<GcReport> run_gc(Session& session, const GcRequest& request);
Result<std::vector<Generation>> run_history(Session& session, std::size_t limit);
Result<Generation> run_rollback(Session& session, std::uint64_t generation);
Result<std::vector<PinInfo>> run_pins(Session& session);
Result<PinInfo> run_add_pin(Session& session, const std::string& name,
                            std::optional<std::uint64_t> generation);
Result<void> run_remove_pin(Session& session, const std::string& name);
Result<std::uint64_t> run_remove_source(Session& session, const std::string& uri);
Result<void> run_drop(Session& session);
Result<ImportResult> run_import(Session& session, const ImportRequest& request);
Result<CompactResult> run_compact(Session& session, const CompactRequest& request);

// ---- shared between them
// kInvalid: not cosine, l2 or dot.
Result<Metric> parse_metric(std::string_view name);
// The latest generation, or a retained one.
Result<SnapshotPtr> open_snapshot(Session& session, std::optional<std::uint64_t> generation);
// The live object of a key or uri. kNotFound: not indexed. kInvalid: the key is in several sources.
Result<LiveObject> find_object(Session& session, const SnapshotPtr& snapshot,
                               const std::string& key_or_uri);
// The space of the index; kNotFound: nothing was ever synced into it.
Result<Space> space_of(const Snapshot& snapshot);
// What the request asks of the engine; kInvalid: a k out of range, an unknown source.
Result<SearchRequest> engine_request(const Snapshot& snapshot, const ResultOptions& options);
// Hits to the public response: references, proofs, snippets.
SearchResponse make_response(Session& session, const SnapshotPtr& snapshot, SearchResult found,
                             const ResultOptions& options, std::string_view question);
// kInvalid: not 1 s to kMaxLinkSeconds.
Status check_link_seconds(double seconds);
// Links to the hits, if they were asked for.
Status add_links(Session& session, const ResultOptions& options, SearchResponse& response);
// A link to what `request` names. kInvalid: as above. kUnsupported: the source has
// no links. Not kept anywhere: it holds a signature.
Result<std::string> make_link(Session& session, ObjectStore& source, const FetchRequest& request,
                              double seconds);
SyncCounts to_counts(const std::string& uri, const SyncReport& report);

inline constexpr std::int64_t kMaxLinkSeconds = 7 * 24 * 3600;
inline constexpr std::size_t kMaxResults = 10'000;
inline constexpr std::size_t kMaxQuestionBytes = 64 * 1024;

}  // namespace kedge
