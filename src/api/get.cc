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

struct Batch {
  std::vector<FetchRequest> requests;
  std::vector<std::size_t> slots;
};

void fetch_batch(Session& session, const std::string& uri, const Batch& batch,
                 std::vector<GetOutcome>& out) {
  const Result<ObjectStore*> source = session.source(uri);
  if (!source.ok()) {
    for (const std::size_t slot : batch.slots) {
      out[slot].status = source.code() == Code::kDenied ? GetStatus::kDenied : GetStatus::kError;
      out[slot].detail = source.error().message;
    }
    return;
  }
  std::vector<Fetched> fetched = fetch(**source, batch.requests, session.deadline());
  for (std::size_t i = 0; i < fetched.size(); ++i) {
    GetOutcome& outcome = out[batch.slots[i]];
    outcome.status = to_status(fetched[i].outcome);
    outcome.detail = std::move(fetched[i].detail);
    outcome.bytes = std::string(as_text(fetched[i].body));
  }
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

Result<std::vector<GetOutcome>> run_get(Session& session, const std::vector<GetRequest>& requests) {
  const SnapshotPtr snapshot = KEDGE_TRY(open_snapshot(session, {}));
  std::vector<GetOutcome> out(requests.size());
  std::map<std::string, Batch> by_source;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Reference& reference = requests[i].reference;
    Result<FetchRequest> request =
        requests[i].whole_object ? whole_object_request(reference) : chunk_request(reference);
    const Result<std::string> source = known_source(*snapshot, reference);
    if (!request.ok() || !source.ok()) {
      out[i].detail = request.ok() ? source.error().message : request.error().message;
      continue;
    }
    by_source[*source].requests.push_back(std::move(request).value());
    by_source[*source].slots.push_back(i);
  }
  for (const auto& [uri, batch] : by_source) fetch_batch(session, uri, batch, out);
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
