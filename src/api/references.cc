#include "api/references.h"

#include <algorithm>

#include "base/strings.h"

namespace kedge {

std::string Locator::describe() const {
  const auto range = [](std::string_view what, std::uint64_t first, std::uint64_t last) {
    return first == last ? str_cat(what, " ", first) : str_cat(what, "s ", first, "-", last);
  };
  // A record has no bytes that could be located.
  if (end == 0) return "";
  std::string out;
  if (row_first != 0) {
    out = range("row", row_first, row_last) + ", ";
  } else if (line_first != 0) {
    out = range("line", line_first, line_last) + ", ";
  }
  return out + str_cat("bytes ", begin, "-", end);
}

const char* proof_name(Proof proof) {
  switch (proof) {
    case Proof::kVerified:
      return "verified";
    case Proof::kChanged:
      return "changed";
    case Proof::kGone:
      return "gone";
    case Proof::kDenied:
      return "denied";
    case Proof::kUnverified:
      return "unverified";
  }
  return "unverified";
}

Proof proof_of(FetchOutcome outcome) {
  switch (outcome) {
    case FetchOutcome::kOk:
      return Proof::kVerified;
    case FetchOutcome::kChanged:
      return Proof::kChanged;
    case FetchOutcome::kGone:
      return Proof::kGone;
    case FetchOutcome::kDenied:
      return Proof::kDenied;
    case FetchOutcome::kArchived:
    case FetchOutcome::kError:
      return Proof::kUnverified;
  }
  return Proof::kUnverified;
}

Reference make_reference(const Snapshot& snapshot, const LiveObject& object, const ChunkRow* chunk,
                         std::uint32_t chunk_number) {
  const ObjectRow& row = object.row;
  Reference out;
  const SourceEntry* source = snapshot.source(row.source);
  if (source != nullptr) {
    out.source = source->uri;
    out.synced_at = to_rfc3339(source->last_reconcile);
  }
  out.uri = out.source + row.key;
  out.key = row.key;
  out.version_id = row.version_id;
  out.etag = row.tag;
  out.size = row.size;
  out.last_modified = to_rfc3339(row.last_modified);
  out.media_type = row.media_type;
  out.charset = row.charset;
  if (row.content_hash != Sha256{}) out.content_hash = to_hex(row.content_hash);
  out.recipe = row.recipe.hex();
  out.title = row.title;
  out.generation = snapshot.generation();
  out.commit_id = snapshot.head()->envelope.commit_id.hex();
  out.metadata = row.metadata;
  out.chunk_count = object.chunk_count;
  if (chunk == nullptr) {
    out.locator.end = row.size;
    return out;
  }
  out.chunk = chunk_number;
  if (!chunk->chunk_hash.is_zero()) out.chunk_hash = chunk->chunk_hash.hex();
  out.locator = {.begin = chunk->begin,
                 .end = chunk->end,
                 .line_first = chunk->line_first,
                 .line_last = chunk->line_last,
                 .row_first = chunk->row_first,
                 .row_last = chunk->row_last,
                 .context = chunk->context};
  return out;
}

namespace {

Result<FetchRequest> base_request(const Reference& reference) {
  if (reference.key.empty()) return {Code::kInvalid, "reference: key is empty"};
  if (reference.etag.empty())
    return {Code::kInvalid, "reference: etag is empty: nothing says which version is meant"};
  FetchRequest request;
  request.key = reference.key;
  request.tag = reference.etag;
  request.version_id = reference.version_id;
  request.size = reference.size;
  return request;
}

Result<Sha256> parse_content_hash(std::string_view hex) {
  const std::string message =
      str_cat("reference: content_hash is not 64 hexadecimal digits: '", printable(hex), "'");
  if (hex.size() != 64) return {Code::kInvalid, message};
  const Result<Id128> high = Id128::parse(hex.substr(0, 32));
  const Result<Id128> low = Id128::parse(hex.substr(32));
  if (!high.ok() || !low.ok()) return {Code::kInvalid, message};
  Sha256 out{};
  std::copy(high->bytes.begin(), high->bytes.end(), out.begin());
  std::copy(low->bytes.begin(), low->bytes.end(), out.begin() + 16);
  return out;
}

}  // namespace

Result<FetchRequest> whole_object_request(const Reference& reference) {
  FetchRequest request = KEDGE_TRY(base_request(reference));
  if (!reference.content_hash.empty())
    request.content_hash = KEDGE_TRY(parse_content_hash(reference.content_hash));
  return request;
}

Result<FetchRequest> chunk_request(const Reference& reference) {
  FetchRequest request = KEDGE_TRY(base_request(reference));
  const Locator& locator = reference.locator;
  if (locator.begin >= locator.end || locator.end > reference.size) {
    return {Code::kInvalid, str_cat("reference: locator ", locator.begin, "-", locator.end,
                                    " is not inside the ", reference.size, " bytes of the object")};
  }
  request.range = Extent{.offset = locator.begin, .size = locator.end - locator.begin};
  if (!reference.chunk_hash.empty())
    request.chunk_hash = KEDGE_TRY(Id128::parse(reference.chunk_hash));
  return request;
}

}  // namespace kedge
