#include <algorithm>
#include <utility>

#include "api/operations.h"
#include "api/references.h"
#include "api/snippets.h"
#include "base/strings.h"
#include "ingest/import.h"
#include "simd/kernels.h"

namespace kedge {

Result<SnapshotPtr> open_snapshot(Session& session, std::optional<std::uint64_t> generation) {
  if (!generation) return session.latest();
  Index* index = KEDGE_TRY(session.index(false));
  return index->at(*generation, session.deadline());
}

Result<Space> space_of(const Snapshot& snapshot) {
  if (snapshot.state().spaces.empty()) {
    return {Code::kNotFound,
            "the index is empty: nothing was synced into it yet (kedge sync SOURCE)"};
  }
  return snapshot.state().spaces.front();
}

namespace {

// A record has no bytes to be located, and where copies are not told apart its hash is not needed.
bool only_records(const Snapshot& snapshot, const std::string& source) {
  const auto& sources = snapshot.state().sources;
  return std::all_of(sources.begin(), sources.end(), [&](const SourceEntry& entry) {
    return entry.uri == kRecordsUri || (!source.empty() && entry.uri != source);
  });
}

}  // namespace

Result<SearchRequest> engine_request(const Snapshot& snapshot, const ResultOptions& options) {
  if (options.k == 0 || options.k > kMaxResults) {
    return {Code::kInvalid, str_cat("k is ", options.k, ": it goes from 1 to ", kMaxResults)};
  }
  if (options.presign_seconds != 0) KEDGE_TRY(check_link_seconds(options.presign_seconds));
  SearchRequest request;
  request.space = KEDGE_TRY(space_of(snapshot)).id();
  request.k = options.k;
  request.group_by_object = options.group == Group::kObject;
  request.collapse_equal = !options.all;
  request.key_prefix = options.prefix;
  if (!options.filter.empty()) request.filter = KEDGE_TRY(parse_filter(options.filter));
  request.allow_partial = options.allow_partial;
  request.recall = options.recall;
  request.exact = options.exact;
  if (options.all && only_records(snapshot, options.source)) request.detail = Detail::kReference;
  if (!options.source.empty()) {
    const SourceEntry* source = snapshot.source(options.source);
    if (source == nullptr) {
      return {Code::kInvalid, str_cat("the index has no source ", printable(options.source),
                                      " (kedge source list)")};
    }
    request.source = source->number;
  }
  return request;
}

Status add_links(Session& session, const ResultOptions& options, SearchResponse& response) {
  if (options.presign_seconds == 0) return {};
  for (SearchHit& hit : response.hits) {
    if (hit.proof != Proof::kVerified && hit.proof != Proof::kUnverified) continue;
    ObjectStore* source = KEDGE_TRY(session.source(hit.reference.source));
    FetchRequest request;
    request.key = hit.reference.key;
    hit.link = KEDGE_TRY(make_link(session, *source, request, options.presign_seconds));
  }
  return {};
}

SearchResponse make_response(Session& session, const SnapshotPtr& snapshot, SearchResult found,
                             const ResultOptions& options, std::string_view question) {
  SearchResponse out;
  out.exact = found.exact;
  out.partial = found.partial;
  out.unreadable = std::move(found.unreadable);
  out.generation = snapshot->generation();
  Timestamp oldest;
  for (const SourceEntry& source : snapshot->state().sources) {
    if (!options.source.empty() && source.uri != options.source) continue;
    if (oldest.micros == 0 || source.last_reconcile < oldest) oldest = source.last_reconcile;
  }
  out.synced_at = to_rfc3339(oldest);
  for (const Hit& hit : found.hits) {
    SearchHit shown;
    shown.reference = make_reference(*snapshot, hit.object, &hit.chunk, hit.chunk_number);
    shown.score = hit.score;
    shown.distance = hit.distance;
    out.hits.push_back(std::move(shown));
  }
  const double before = session.seconds();
  const StoreUsage reads = session.source_usage();
  add_snippets(session, snapshot, found.hits, options, question, out.hits);
  out.explain.snippet_seconds = session.seconds() - before;
  const StoreUsage asked = difference(session.source_usage(), reads);
  out.explain.source_usage = asked;
  out.explain.rounds_source = asked.reads + asked.stats > 0 ? 1 : 0;
  out.explain.rounds_search = found.trace.rounds;
  out.explain.requests = found.trace.requests + asked.reads + asked.stats;
  out.explain.bytes = found.trace.bytes + asked.bytes_in;
  out.explain.segments = found.trace.segments;
  out.explain.hedges = found.trace.hedges;
  out.explain.disk_blocks = found.trace.disk_blocks;
  out.explain.disk_bytes = found.trace.disk_bytes;
  out.explain.rows = found.trace.rows_scanned;
  out.explain.search_seconds = found.trace.seconds;
  out.explain.simd = kernels().name;
  return out;
}

Result<SearchResponse> run_search(Session& session, const SearchQuery& query) {
  if (query.mode != "dense") {
    return {Code::kUnsupported,
            str_cat("mode '", printable(query.mode), "' is not known: this version has dense")};
  }
  if (query.text.empty() && query.vector.empty()) return {Code::kInvalid, "the question is empty"};
  if (!query.text.empty() && !query.vector.empty())
    return {Code::kInvalid, "a question is of words or a vector, not both"};
  if (query.text.size() > kMaxQuestionBytes) {
    return {Code::kInvalid, str_cat("the question has ", query.text.size(), " bytes, more than ",
                                    kMaxQuestionBytes)};
  }
  const double began = session.seconds();
  const StoreUsage before = session.index_usage();
  session.begin_search();
  const SnapshotPtr held =
      session.opened() ? KEDGE_TRY(session.index(false))->current() : SnapshotPtr();
  const SnapshotPtr snapshot = KEDGE_TRY(open_snapshot(session, query.options.generation));
  const StoreUsage opened = difference(session.index_usage(), before);
  const double opened_at = session.seconds();
  SearchRequest request = KEDGE_TRY(engine_request(*snapshot, query.options));
  double loaded_at = opened_at;
  if (query.vector.empty()) {
    Embedder* embedder = KEDGE_TRY(session.embedder(KEDGE_TRY(space_of(*snapshot))));
    loaded_at = session.seconds();
    const std::vector<std::string> texts = {query.text};
    request.query = KEDGE_TRY(embedder->embed_queries(texts));
  } else {
    request.query = query.vector;
  }
  const double embedded_at = session.seconds();
  Index* index = KEDGE_TRY(session.index(false));
  SearchResult found = KEDGE_TRY(index->search(snapshot, request, session.deadline()));
  SearchResponse out =
      make_response(session, snapshot, std::move(found), query.options, query.text);
  out.explain.rounds_index = opened.reads == 0 ? 0 : (snapshot == held ? 1 : snapshot->rounds());
  out.explain.requests += opened.reads;
  out.explain.bytes += opened.bytes_in;
  out.explain.open_seconds = opened_at - began;
  out.explain.model_load_seconds = loaded_at - opened_at;
  out.explain.embed_seconds = embedded_at - loaded_at;
  out.explain.index_usage = difference(session.index_usage(), before);
  KEDGE_TRY(add_links(session, query.options, out));
  return out;
}

}  // namespace kedge
