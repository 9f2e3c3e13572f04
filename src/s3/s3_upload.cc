#include "s3/s3_upload.h"

#include <openssl/evp.h>

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "base/utf8.h"
#include "s3/s3_object.h"
#include "s3/s3_xml.h"
#include "store/range.h"

namespace kedge {
namespace {

constexpr std::uint64_t kMebibyte = 1ULL << 20;
// Of the parts of one upload that are sent side by side.
constexpr std::uint64_t kPartsInFlightBytes = 64 * kMebibyte;
// Deletes that did not fit into XML are sent side by side, so many at a time.
constexpr std::size_t kSingleDeletes = 64;

void add_storage_headers(const S3Options& options, std::vector<HttpHeader>& headers) {
  if (!options.storage_class.empty())
    headers.push_back({"x-amz-storage-class", options.storage_class});
  if (!options.server_side_encryption.empty())
    headers.push_back({"x-amz-server-side-encryption", options.server_side_encryption});
  if (!options.kms_key_id.empty())
    headers.push_back({"x-amz-server-side-encryption-aws-kms-key-id", options.kms_key_id});
}

// Content-MD5, which DeleteObjects must have (or a newer checksum that older stores do not know).
std::string content_md5(std::string_view body) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(body.data(), body.size(), digest, &size, EVP_md5(), nullptr) != 1) return {};
  std::string out(4 * ((size + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), digest, static_cast<int>(size));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

// One upload in parts, from begin to end.
class Upload {
 public:
  Upload(S3Client& client, const PutRequest& request, Deadline deadline)
      : client_(client), request_(request), deadline_(deadline) {}

  Result<Written> run() {
    KEDGE_TRY(begin());
    const Status sent = send_parts();
    if (!sent.ok()) {
      abort();
      return sent.error();
    }
    return complete();
  }

 private:
  Status begin() {
    S3Call call;
    call.method = "POST";
    call.key = request_.key;
    call.query = {{"uploads", ""}};
    call.is_write = true;
    add_storage_headers(client_.options(), call.headers);
    const S3Outcome outcome = client_.send_one(call, deadline_);
    if (!outcome.ok()) return outcome.refusal.error;
    began_ = outcome.answer->store_time;
    id_ = KEDGE_TRY(parse_upload_id(outcome.answer->response.body));
    return {};
  }

  // Some at a time, since the body may be larger than memory.
  Status send_parts() {
    const std::uint64_t size = part_bytes(request_.body.size());
    const std::uint64_t window = size * std::max<std::uint64_t>(kPartsInFlightBytes / size, 1);
    for (std::uint64_t at = 0; at < request_.body.size(); at += window) {
      const std::uint64_t end = std::min<std::uint64_t>(at + window, request_.body.size());
      KEDGE_TRY(send_parts(at, end, size));
      if (request_.taken) request_.taken(at, end - at);
    }
    return {};
  }

  Status send_parts(std::uint64_t begin, std::uint64_t end, std::uint64_t size) {
    std::vector<S3Call> calls;
    for (std::uint64_t at = begin; at < end; at += size) {
      S3Call call;
      call.method = "PUT";
      call.key = request_.key;
      call.query = {{"partNumber", std::to_string(tags_.size() + calls.size() + 1)},
                    {"uploadId", id_}};
      call.body = request_.body.subspan(at, std::min(size, end - at));
      call.is_write = true;
      calls.push_back(std::move(call));
    }
    for (const S3Outcome& outcome : client_.send(calls, deadline_)) {
      if (!outcome.ok()) return outcome.refusal.error;
      tags_.push_back(tag_of_etag(outcome.answer->response.header("etag")));
      if (tags_.back().empty())
        return {Code::kUnavailable,
                str_cat("a part of ", client_.name_of(request_.key), " was taken without an ETag")};
    }
    return {};
  }

  Result<Written> complete() {
    const std::string body = complete_request(tags_);
    S3Call call;
    call.method = "POST";
    call.key = request_.key;
    call.query = {{"uploadId", id_}};
    call.body = as_bytes(body);
    call.is_write = true;
    const S3Outcome outcome = client_.send_one(call, deadline_);
    if (outcome.ok()) {
      const Result<S3Completed> completed = parse_complete(outcome.answer->response.body);
      if (completed.ok() && completed->error.code.empty())
        return Written{.tag = {completed->tag}, .store_time = began_};
    }
    // An error in a 200, an answer that was lost, an upload that an earlier copy of this request
    // has completed: the object itself tells.
    return look(outcome);
  }

  Result<Written> look(const S3Outcome& outcome) {
    const Error why = outcome.ok()
                          ? Error{Code::kUnavailable, str_cat(client_.name_of(request_.key),
                                                              ": its upload could not be "
                                                              "completed")}
                          : outcome.refusal.error;
    S3Call call;
    call.method = "HEAD";
    call.key = request_.key;
    const S3Outcome seen = client_.send_one(call, deadline_);
    if (seen.ok()) {
      const Result<ObjectInfo> info = object_of(request_.key, seen.answer->response);
      // Keys of large files are random: an object of this size in as many parts is this one.
      if (info.ok() && info->size == request_.body.size() && info->last_modified >= began_ &&
          info->tag.value.ends_with(str_cat("-", tags_.size())))
        return Written{.tag = info->tag, .store_time = began_};
    }
    abort();
    return why.code == Code::kNotFound ? Error{Code::kUnavailable, why.message} : why;
  }

  // Best effort: what stays is swept by gc.
  void abort() {
    S3Call call;
    call.method = "DELETE";
    call.key = request_.key;
    call.query = {{"uploadId", id_}};
    call.is_write = true;
    (void)client_.send_one(call, deadline_);
  }

  S3Client& client_;
  const PutRequest& request_;
  Deadline deadline_;
  std::string id_;
  Timestamp began_;
  std::vector<std::string> tags_;
};

Result<void> remove_one_of(const S3Outcome& outcome) {
  if (outcome.ok() || outcome.refusal.error.code == Code::kNotFound) return {};
  return outcome.refusal.error;
}

using Version = std::pair<std::string, std::string>;

S3Call delete_call(const Version& version) {
  S3Call call;
  call.method = "DELETE";
  call.key = version.first;
  if (!version.second.empty()) call.query.emplace_back("versionId", version.second);
  call.is_write = true;
  return call;
}

// DeleteObjects of up to kMaxDeleteKeys; nullopt where the store does not know it.
std::optional<std::vector<Result<void>>> remove_batch(S3Client& client,
                                                      std::span<const Version> batch,
                                                      Deadline deadline) {
  const std::string body = delete_request(batch);
  S3Call call;
  call.method = "POST";
  call.query = {{"delete", ""}};
  call.headers = {{"content-md5", content_md5(body)}, {"content-type", "application/xml"}};
  call.body = as_bytes(body);
  call.is_write = true;
  const S3Outcome outcome = client.send_one(call, deadline);
  if (!outcome.ok() && outcome.refusal.error.code == Code::kUnsupported) return std::nullopt;
  if (!outcome.ok()) {
    Error error = outcome.refusal.error;
    if (error.code == Code::kNotFound) error.code = Code::kInvalid;
    return std::vector<Result<void>>(batch.size(), Result<void>(error));
  }
  const auto errors = parse_delete_result(outcome.answer->response.body);
  if (!errors.ok())
    return std::vector<Result<void>>(
        batch.size(), Result<void>(errors.code(), "deleting: " + errors.error().message));
  std::map<Version, Error> failed;
  for (const S3DeleteError& one : *errors) {
    if (one.error.code == "NoSuchKey" || one.error.code == "NoSuchVersion") continue;
    const int status = one.error.code == "AccessDenied" ? 403
                       : one.error.code == "SlowDown"   ? 503
                                                        : 500;
    failed[{one.key, one.version_id}] = {
        s3_rule(status, one.error.code).meaning,
        str_cat("deleting ", client.name_of(one.key), ": ", printable(one.error.code), ": ",
                printable(one.error.message))};
  }
  std::vector<Result<void>> results;
  for (const Version& version : batch) {
    const auto found = failed.find(version);
    results.emplace_back(found == failed.end() ? Result<void>() : Result<void>(found->second));
  }
  return results;
}

}  // namespace

Status check_s3_key(std::string_view key) {
  KEDGE_TRY(check_key_size(key));
  if (!find_invalid_utf8(key)) return {};
  return {Code::kInvalid, str_cat("key '", printable(key), "' is not UTF-8: S3 has no such keys")};
}

S3Call put_call(const S3Client& client, std::string_view key, ByteView body) {
  S3Call call;
  call.method = "PUT";
  call.key = key;
  call.headers = {{"content-type", "application/octet-stream"}};
  call.body = body;
  call.is_write = true;
  add_storage_headers(client.options(), call.headers);
  return call;
}

Result<Written> written_of(std::string_view key, const S3Answer& answer) {
  Written written;
  written.tag.value = tag_of_etag(answer.response.header("etag"));
  if (written.tag.value.empty())
    return {Code::kUnavailable, str_cat("'", printable(key), "': written, but without an ETag")};
  // Last-Modified is at or after the moment the request began, and shown in whole seconds. What was
  // known of the store's time before is another bound, often a second nearer.
  const std::int64_t began = answer.store_time.micros - answer.took.count();
  written.store_time = std::max(answer.known_before, Timestamp{began - began % 1'000'000});
  return written;
}

std::uint64_t part_bytes(std::uint64_t body_bytes) {
  const std::uint64_t least = (body_bytes + kMaxParts - 1) / kMaxParts;
  return std::max(kMinPartBytes, (least + kMebibyte - 1) / kMebibyte * kMebibyte);
}

std::vector<Result<Written>> put_objects(S3Client& client, std::span<const PutRequest> requests,
                                         Deadline deadline) {
  std::vector<Result<Written>> results;
  std::vector<S3Call> calls;
  std::vector<std::size_t> of;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Status key = check_s3_key(requests[i].key);
    results.emplace_back(key.ok() ? Error{Code::kInternal, "not sent"} : key.error());
    if (!key.ok() || requests[i].body.size() > kSinglePutBytes) continue;
    calls.push_back(put_call(client, requests[i].key, requests[i].body));
    of.push_back(i);
  }
  if (!calls.empty()) {
    const std::vector<S3Outcome> outcomes = client.send(calls, deadline);
    for (std::size_t c = 0; c < of.size(); ++c) {
      results[of[c]] = outcomes[c].ok() ? written_of(requests[of[c]].key, *outcomes[c].answer)
                                        : Result<Written>(outcomes[c].refusal.error);
    }
  }
  // Large ones one after the other: the parts of one fill the connections.
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].body.size() > kSinglePutBytes && check_s3_key(requests[i].key).ok())
      results[i] = Upload(client, requests[i], deadline).run();
  }
  return results;
}

std::vector<Result<void>> remove_versions(S3Client& client, std::span<const Version> versions,
                                          Deadline deadline) {
  std::vector<Result<void>> results(versions.size(), Result<void>(Code::kInternal, "not sent"));
  std::vector<std::size_t> in_xml;
  std::vector<std::size_t> alone;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    const Status key = check_s3_key(versions[i].first);
    if (!key.ok()) {
      results[i] = key.error();
    } else {
      (fits_xml(versions[i].first) ? in_xml : alone).push_back(i);
    }
  }
  for (std::size_t from = 0; from < in_xml.size(); from += kMaxDeleteKeys) {
    const std::size_t count = std::min(kMaxDeleteKeys, in_xml.size() - from);
    const std::span<const std::size_t> which = std::span(in_xml).subspan(from, count);
    std::vector<Version> batch;
    for (const std::size_t i : which) batch.push_back(versions[i]);
    const auto removed = remove_batch(client, batch, deadline);
    for (std::size_t b = 0; b < which.size(); ++b) {
      if (removed) {
        results[which[b]] = (*removed)[b];
      } else {
        alone.push_back(which[b]);
      }
    }
  }
  for (std::size_t from = 0; from < alone.size(); from += kSingleDeletes) {
    std::vector<S3Call> calls;
    for (std::size_t i = from; i < std::min(alone.size(), from + kSingleDeletes); ++i)
      calls.push_back(delete_call(versions[alone[i]]));
    const std::vector<S3Outcome> outcomes = client.send(calls, deadline);
    for (std::size_t i = 0; i < outcomes.size(); ++i)
      results[alone[from + i]] = remove_one_of(outcomes[i]);
  }
  return results;
}

std::vector<Result<void>> remove_objects(S3Client& client, std::span<const std::string> keys,
                                         Deadline deadline) {
  std::vector<Version> versions;
  versions.reserve(keys.size());
  for (const std::string& key : keys) versions.emplace_back(key, "");
  return remove_versions(client, versions, deadline);
}

}  // namespace kedge
