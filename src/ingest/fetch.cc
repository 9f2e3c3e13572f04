#include "ingest/fetch.h"

#include <algorithm>

#include "base/strings.h"

namespace kedge {
namespace {

ReadRequest to_read(const FetchRequest& request, bool conditional) {
  ReadRequest read{.key = request.key,
                   .offset = 0,
                   .length = {},
                   .if_match = {},
                   .version_id = request.as_indexed ? request.version_id : std::string()};
  if (request.range) {
    read.offset = request.range->offset;
    read.length = request.range->size;
  }
  if (conditional) read.if_match = Tag{request.tag};
  return read;
}

Fetched from_error(const Error& error) {
  Fetched out;
  out.detail = error.message;
  switch (error.code) {
    // A store's own words for these say less, and more about requests than about the object.
    case Code::kNotFound:
      out.outcome = FetchOutcome::kGone;
      out.detail = "nothing is there now";
      break;
    case Code::kConflict:
      out.outcome = FetchOutcome::kChanged;
      out.detail = "another version is there now";
      break;
    case Code::kArchived:
      out.outcome = FetchOutcome::kArchived;
      break;
    case Code::kDenied:
      out.outcome = FetchOutcome::kDenied;
      break;
    default:
      out.outcome = FetchOutcome::kError;
      break;
  }
  return out;
}

// The state is the one indexed, or in what it differs.
std::string difference(const FetchRequest& request, const ObjectInfo& now) {
  if (now.size != request.size) return str_cat("size ", request.size, " -> ", now.size);
  if (now.tag.value != request.tag) return "same size, another tag";
  return {};
}

Fetched check_body(const FetchRequest& request, Blob blob) {
  Fetched out;
  out.store_time = blob.store_time;
  out.outcome = FetchOutcome::kChanged;
  const std::string differs = difference(request, blob.info);
  if (!differs.empty()) {
    out.detail = differs;
    return out;
  }
  const std::uint64_t expected = request.range ? request.range->size : request.size;
  if (blob.body.size() != expected) {
    out.detail = str_cat("read ", blob.body.size(), " bytes where ", expected, " were indexed");
    return out;
  }
  // A tag is opaque and, on local files, only as fine as the clock: the hash is what proves the
  // bytes.
  if (request.range && request.chunk_hash && sha256_128(blob.body) != *request.chunk_hash) {
    out.detail = "same tag, but the bytes of the chunk are others";
    return out;
  }
  if (!request.range && request.content_hash && sha256(blob.body) != *request.content_hash) {
    out.detail = "same tag, but the bytes are others";
    return out;
  }
  out.outcome = FetchOutcome::kOk;
  out.body = std::move(blob.body);
  return out;
}

}  // namespace

std::string_view fetch_outcome_name(FetchOutcome outcome) {
  switch (outcome) {
    case FetchOutcome::kOk:
      return "ok";
    case FetchOutcome::kChanged:
      return "changed";
    case FetchOutcome::kGone:
      return "gone";
    case FetchOutcome::kArchived:
      return "archived";
    case FetchOutcome::kDenied:
      return "denied";
    case FetchOutcome::kError:
      return "error";
  }
  return "error";
}

std::vector<Fetched> fetch(ObjectStore& source, std::span<const FetchRequest> requests,
                           Deadline deadline) {
  std::vector<ReadRequest> reads;
  reads.reserve(requests.size());
  for (const FetchRequest& request : requests) reads.push_back(to_read(request, true));
  std::vector<Result<Blob>> blobs = source.read(reads, deadline);
  std::vector<Fetched> out;
  out.reserve(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    // A range past the end of what is there now means that the object shrank.
    const bool shrank =
        !blobs[i].ok() && blobs[i].code() == Code::kInvalid && requests[i].range.has_value();
    out.push_back(blobs[i].ok() ? check_body(requests[i], std::move(blobs[i]).value())
                                : from_error(blobs[i].error()));
    if (shrank) out.back().outcome = FetchOutcome::kChanged;
  }
  return out;
}

std::vector<Fetched> prove(ObjectStore& source, std::span<const FetchRequest> requests,
                           Deadline deadline) {
  std::vector<ReadRequest> reads;
  reads.reserve(requests.size());
  for (const FetchRequest& request : requests) reads.push_back(to_read(request, false));
  const std::vector<Result<Stat>> stats = source.stat(reads, deadline);
  std::vector<Fetched> out;
  out.reserve(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!stats[i].ok()) {
      out.push_back(from_error(stats[i].error()));
      continue;
    }
    Fetched fetched;
    fetched.store_time = stats[i]->store_time;
    fetched.detail = difference(requests[i], stats[i]->info);
    fetched.outcome = fetched.detail.empty() ? FetchOutcome::kOk : FetchOutcome::kChanged;
    if (fetched.detail.empty() && stats[i]->info.archived) {
      fetched.outcome = FetchOutcome::kArchived;
      fetched.detail = stats[i]->info.storage_class;
    }
    out.push_back(std::move(fetched));
  }
  return out;
}

void ask_for_versions(ObjectStore& source, std::span<const FetchRequest> requests,
                      std::vector<Fetched>& fetched, Deadline deadline) {
  std::vector<ReadRequest> asked;
  std::vector<std::size_t> slots;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const bool differs =
        fetched[i].outcome == FetchOutcome::kChanged || fetched[i].outcome == FetchOutcome::kGone;
    if (!differs || requests[i].version_id.empty() || requests[i].as_indexed) continue;
    ReadRequest request;
    request.key = requests[i].key;
    request.version_id = requests[i].version_id;
    asked.push_back(std::move(request));
    slots.push_back(i);
  }
  if (asked.empty()) return;
  const std::vector<Result<Stat>> stats = source.stat(asked, deadline);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Fetched& out = fetched[slots[i]];
    // Anything but a clear answer leaves it open.
    if (!stats[i].ok() && stats[i].code() != Code::kNotFound) continue;
    out.version_readable = stats[i].ok();
    if (!out.detail.empty()) out.detail += "; ";
    out.detail +=
        stats[i].ok() ? "the indexed version can still be read" : "the indexed version is gone too";
  }
}

}  // namespace kedge
