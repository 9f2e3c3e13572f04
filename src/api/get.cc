#include <array>
#include <map>
#include <utility>

#include "api/operations.h"
#include "api/references.h"
#include "base/strings.h"
#include "ingest/fetch.h"

namespace kedge {

const char* get_status_name(GetStatus status) {
  switch (status) {
    case GetStatus::kOk:
      return "ok";
    case GetStatus::kChanged:
      return "changed";
    case GetStatus::kGone:
      return "gone";
    case GetStatus::kArchived:
      return "archived";
    case GetStatus::kDenied:
      return "denied";
    case GetStatus::kError:
      return "error";
  }
  return "error";
}

namespace {

GetStatus to_status(FetchOutcome outcome) {
  switch (outcome) {
    case FetchOutcome::kOk:
      return GetStatus::kOk;
    case FetchOutcome::kChanged:
      return GetStatus::kChanged;
    case FetchOutcome::kGone:
      return GetStatus::kGone;
    case FetchOutcome::kArchived:
      return GetStatus::kArchived;
    case FetchOutcome::kDenied:
      return GetStatus::kDenied;
    case FetchOutcome::kError:
      return GetStatus::kError;
  }
  return GetStatus::kError;
}

// What is asked of one source in one round: bytes, or proofs for links.
struct Batch {
  std::vector<FetchRequest> requests;
  std::vector<std::size_t> slots;
};

void take(std::vector<Fetched> fetched, const Batch& batch, std::vector<GetOutcome>& out) {
  for (std::size_t i = 0; i < fetched.size(); ++i) {
    GetOutcome& outcome = out[batch.slots[i]];
    outcome.status = to_status(fetched[i].outcome);
    outcome.detail = std::move(fetched[i].detail);
    outcome.version_readable = fetched[i].version_readable;
    outcome.bytes = std::string(as_text(fetched[i].body));
  }
}

void add_links(Session& session, ObjectStore& source, const Batch& batch,
               const std::vector<GetRequest>& requests, std::vector<GetOutcome>& out) {
  for (std::size_t i = 0; i < batch.slots.size(); ++i) {
    GetOutcome& outcome = out[batch.slots[i]];
    if (outcome.status != GetStatus::kOk) continue;
    Result<std::string> link =
        make_link(session, source, batch.requests[i], requests[batch.slots[i]].presign_seconds);
    if (link.ok()) {
      outcome.link = std::move(link).value();
    } else {
      outcome.status = GetStatus::kError;
      outcome.detail = link.error().message;
    }
  }
}

void fetch_batch(Session& session, const std::string& uri, const Batch& batch, bool links,
                 const std::vector<GetRequest>& requests, std::vector<GetOutcome>& out) {
  if (batch.requests.empty()) return;
  const Result<ObjectStore*> source = session.source(uri);
  if (!source.ok()) {
    for (const std::size_t slot : batch.slots) {
      out[slot].status = source.code() == Code::kDenied ? GetStatus::kDenied : GetStatus::kError;
      out[slot].detail = source.error().message;
    }
    return;
  }
  std::vector<Fetched> fetched = links ? prove(**source, batch.requests, session.deadline())
                                       : fetch(**source, batch.requests, session.deadline());
  ask_for_versions(**source, batch.requests, fetched, session.deadline());
  take(std::move(fetched), batch, out);
  if (links) add_links(session, **source, batch, requests, out);
}

// Only sources of the index may be read: a reference from outside must not make Kedge open any
// place it names.
Result<std::string> known_source(const Snapshot& snapshot, const Reference& reference) {
  if (reference.source.empty() && snapshot.state().sources.size() == 1)
    return snapshot.state().sources.front().uri;
  if (snapshot.source(reference.source) != nullptr) return reference.source;
  return {Code::kInvalid,
          str_cat("reference: '", printable(reference.source), "' is not a source of this index")};
}

}  // namespace

Status check_link_seconds(double seconds) {
  if (seconds >= 1 && seconds <= kMaxLinkSeconds) return {};
  return {Code::kInvalid,
          str_cat("a link lasts from 1 second to ", kMaxLinkSeconds, " seconds (7 days)")};
}

Result<std::string> make_link(Session& session, ObjectStore& source, const FetchRequest& request,
                              double seconds) {
  KEDGE_TRY(check_link_seconds(seconds));
  ReadRequest named;
  named.key = request.key;
  if (request.as_indexed) named.version_id = request.version_id;
  return source.presign(named, std::chrono::seconds(static_cast<std::int64_t>(seconds)),
                        session.deadline());
}

Result<std::vector<GetOutcome>> run_get(Session& session, const std::vector<GetRequest>& requests) {
  const SnapshotPtr snapshot = KEDGE_TRY(open_snapshot(session, {}));
  std::vector<GetOutcome> out(requests.size());
  std::map<std::string, std::array<Batch, 2>> by_source;  // without and with links
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Reference& reference = requests[i].reference;
    Result<FetchRequest> request =
        requests[i].whole_object ? whole_object_request(reference) : chunk_request(reference);
    const Result<std::string> source = known_source(*snapshot, reference);
    if (!request.ok() || !source.ok()) {
      out[i].detail = request.ok() ? source.error().message : request.error().message;
      continue;
    }
    request->as_indexed = requests[i].as_indexed;
    Batch& batch = by_source[*source][requests[i].presign_seconds > 0 ? 1 : 0];
    batch.requests.push_back(std::move(request).value());
    batch.slots.push_back(i);
  }
  for (const auto& [uri, batches] : by_source) {
    fetch_batch(session, uri, batches[0], false, requests, out);
    fetch_batch(session, uri, batches[1], true, requests, out);
  }
  return out;
}

Result<LiveObject> find_object(Session& session, const SnapshotPtr& snapshot,
                               const std::string& key_or_uri) {
  std::vector<ObjectKey> keys;
  for (const SourceEntry& source : snapshot->state().sources) {
    keys.push_back({source.number, key_or_uri});
    if (key_or_uri.starts_with(source.uri))
      keys.push_back({source.number, key_or_uri.substr(source.uri.size())});
  }
  Index* index = KEDGE_TRY(session.index(false));
  std::vector<std::optional<LiveObject>> found =
      KEDGE_TRY(index->find(snapshot, keys, session.deadline()));
  std::optional<LiveObject> only;
  std::string names;
  for (std::optional<LiveObject>& object : found) {
    if (!object) continue;
    const SourceEntry* source = snapshot->source(object->row.source);
    names += (names.empty() ? "" : ", ") + (source != nullptr ? source->uri : std::string()) +
             object->row.key;
    if (only)
      return {Code::kInvalid,
              str_cat("'", printable(key_or_uri), "' is in several sources: ", names)};
    only = std::move(object);
  }
  if (!only) return {Code::kNotFound, str_cat("'", printable(key_or_uri), "' is not in the index")};
  return std::move(*only);
}

Result<Reference> run_resolve(Session& session, const std::string& key_or_uri,
                              std::optional<std::uint32_t> chunk) {
  const SnapshotPtr snapshot = KEDGE_TRY(open_snapshot(session, {}));
  const LiveObject object = KEDGE_TRY(find_object(session, snapshot, key_or_uri));
  if (!chunk) return make_reference(*snapshot, object, nullptr, 0);
  Index* index = KEDGE_TRY(session.index(false));
  const std::vector<ChunkRow> chunks =
      KEDGE_TRY(index->chunks(snapshot, object, session.deadline()));
  if (*chunk >= chunks.size()) {
    return {Code::kNotFound, str_cat("'", printable(key_or_uri), "' has ", chunks.size(),
                                     " chunks, so there is none numbered ", *chunk)};
  }
  return make_reference(*snapshot, object, &chunks[*chunk], *chunk);
}

}  // namespace kedge
