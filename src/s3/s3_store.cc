#include "s3/s3_store.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "s3/s3_client.h"
#include "s3/s3_listing.h"
#include "s3/s3_object.h"
#include "s3/s3_sweep.h"
#include "s3/s3_upload.h"
#include "s3/s3_xml.h"
#include "store/range.h"

namespace kedge {
namespace {

constexpr std::uint64_t kSlack = 64 * 1024;  // of a body over what was asked for

// A GET or HEAD of one request; nullopt where it is answered without asking.
struct Planned {
  std::optional<S3Call> call;
  Error error;
};

class S3Store final : public ObjectStore {
 public:
  S3Store(std::string bucket, S3Options options, S3Environment environment)
      : client_(std::move(bucket), std::move(options), environment) {}

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<ObjectTags>> tags(std::span<const std::string> keys,
                                       Deadline deadline) override;
  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override {
    return put_objects(client_, requests, deadline);
  }
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override {
    return write_once(key, {"if-none-match", "*"}, body, deadline);
  }
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override;
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override {
    return remove_objects(client_, keys, deadline);
  }
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override {
    return list_objects(client_, prefix, start_after);
  }
  Result<Timestamp> now(Deadline deadline) override;
  Result<Leftovers> sweep(const SweepRequest& request, Deadline deadline) override {
    return sweep_leftovers(client_, request, deadline);
  }
  Result<std::string> presign(const ReadRequest& request, Duration valid,
                              Deadline deadline) override {
    return client_.presign(request.key, request.version_id, valid, deadline);
  }
  std::vector<StoreFact> facts(Deadline deadline) override {
    return bucket_facts(client_, deadline);
  }
  [[nodiscard]] std::string describe() const override { return "s3://" + client_.bucket(); }

 private:
  Planned plan(const ReadRequest& request, std::string method);
  template <typename T, typename Take>
  std::vector<Result<T>> ask(std::span<const ReadRequest> requests, const std::string& method,
                             const Take& take, Deadline deadline);
  Result<Blob> blob_of(const ReadRequest& request, S3Outcome outcome);
  Result<Written> write_once(std::string_view key, HttpHeader condition, ByteView body,
                             Deadline deadline);

  S3Client client_;
};

Result<Blob> blob_of_answer(const ReadRequest& request, S3Answer answer) {
  const Timestamp store_time = answer.store_time;
  if (answer.response.status == 304) return checked_unchanged(request, answer.response, store_time);
  if (request.length != std::uint64_t{0})
    return checked_blob(request, std::move(answer.response), store_time);
  Blob blob;
  blob.info = KEDGE_TRY(object_of(request.key, answer.response));
  blob.store_time = store_time;
  KEDGE_TRY(range_of(request, blob.info.size));
  return blob;
}

Planned S3Store::plan(const ReadRequest& request, std::string method) {
  Planned out;
  const Status key = check_s3_key(request.key);
  if (!key.ok()) {
    out.error = key.error();
    return out;
  }
  S3Call call;
  call.method = std::move(method);
  call.key = request.key;
  call.may_hedge = true;
  if (!request.version_id.empty()) call.query.emplace_back("versionId", request.version_id);
  if (request.if_match) {
    const std::optional<std::string> etag = etag_of_tag(*request.if_match);
    if (!etag) {
      out.error = {Code::kConflict,
                   str_cat(client_.name_of(request.key), ": no object has the tag '",
                           printable(request.if_match->value), "'")};
      return out;
    }
    call.headers.push_back({"if-match", *etag});
  }
  call.max_body_bytes = ~std::uint64_t{0};
  if (call.method == "GET") {
    call.arrived = request.arrived;
    call.headers.push_back({"x-amz-checksum-mode", "ENABLED"});
    if (!is_whole(request)) call.headers.push_back({"range", range_header(request)});
    // What can be no tag of an object matches none: then it is read.
    std::optional<std::string> known;
    if (request.unless_match) known = etag_of_tag(*request.unless_match);
    if (known) call.headers.push_back({"if-none-match", *std::move(known)});
    if (request.length && *request.length < call.max_body_bytes - kSlack)
      call.max_body_bytes = *request.length + kSlack;
  }
  out.call = std::move(call);
  return out;
}

// Plans all, sends what is to be sent in one go, and puts the answers in order.
template <typename T, typename Take>
std::vector<Result<T>> S3Store::ask(std::span<const ReadRequest> requests,
                                    const std::string& method, const Take& take,
                                    Deadline deadline) {
  std::vector<Result<T>> results;
  results.reserve(requests.size());
  std::vector<S3Call> calls;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    // A read of no bytes is a question about the object.
    const bool nothing = requests[i].length == std::uint64_t{0};
    Planned planned = plan(requests[i], nothing ? "HEAD" : method);
    results.emplace_back(planned.call ? Error{Code::kInternal, "not asked"} : planned.error);
    if (!planned.call) continue;
    calls.push_back(std::move(*planned.call));
    asked.push_back(i);
  }
  if (calls.empty()) return results;
  std::vector<S3Outcome> outcomes = client_.send(calls, deadline);
  for (std::size_t a = 0; a < asked.size(); ++a)
    results[asked[a]] = take(requests[asked[a]], std::move(outcomes[a]));
  return results;
}

Result<Blob> S3Store::blob_of(const ReadRequest& request, S3Outcome outcome) {
  if (outcome.ok()) {
    const bool hedged = outcome.answer->response.hedged;
    Blob blob = KEDGE_TRY(blob_of_answer(request, *std::move(outcome.answer)));
    blob.hedged = hedged;
    return blob;
  }
  if (outcome.refusal.status == 416)
    return {Code::kInvalid, str_cat("range of ", client_.name_of(request.key), " begins at ",
                                    request.offset, ", past its end")};
  return outcome.refusal.error;
}

std::vector<Result<Blob>> S3Store::read(std::span<const ReadRequest> requests, Deadline deadline) {
  std::vector<ReadRequest> empty;
  std::vector<std::size_t> of;
  auto results = ask<Blob>(
      requests, "GET",
      [&](const ReadRequest& request, S3Outcome outcome) -> Result<Blob> {
        // An empty object satisfies no range, not even the one from 0: ask for it whole.
        if (!outcome.ok() && outcome.refusal.status == 416 && request.offset == 0) {
          of.push_back(static_cast<std::size_t>(&request - requests.data()));
          empty.push_back(request);
          empty.back().length.reset();
        }
        return blob_of(request, std::move(outcome));
      },
      deadline);
  if (empty.empty()) return results;
  auto again = ask<Blob>(
      empty, "GET",
      [&](const ReadRequest& request, S3Outcome outcome) -> Result<Blob> {
        return blob_of(request, std::move(outcome));
      },
      deadline);
  for (std::size_t i = 0; i < of.size(); ++i) {
    // It has grown meanwhile: what came is more than was asked for.
    if (again[i].ok() && !again[i]->body.empty())
      again[i] = Error{Code::kUnavailable,
                       str_cat(client_.name_of(empty[i].key), " changed while it was read")};
    results[of[i]] = std::move(again[i]);
  }
  return results;
}

std::vector<Result<Stat>> S3Store::stat(std::span<const ReadRequest> requests, Deadline deadline) {
  return ask<Stat>(
      requests, "HEAD",
      [](const ReadRequest& request, S3Outcome outcome) -> Result<Stat> {
        if (!outcome.ok()) return outcome.refusal.error;
        Stat stat;
        stat.info = KEDGE_TRY(object_of(request.key, outcome.answer->response));
        stat.store_time = outcome.answer->store_time;
        stat.hedged = outcome.answer->response.hedged;
        if (request.if_match && stat.info.tag != *request.if_match)
          return Error{Code::kConflict, str_cat("'", printable(request.key),
                                                "' has another ETag than was asked "
                                                "for")};
        return stat;
      },
      deadline);
}

std::vector<Result<ObjectTags>> S3Store::tags(std::span<const std::string> keys,
                                              Deadline deadline) {
  std::vector<Result<ObjectTags>> results;
  std::vector<S3Call> calls;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Status good = check_s3_key(keys[i]);
    results.emplace_back(good.ok() ? Error{Code::kInternal, "not asked"} : good.error());
    if (!good.ok()) continue;
    S3Call call;
    call.method = "GET";
    call.key = keys[i];
    call.query.emplace_back("tagging", "");
    call.max_body_bytes = kMaxXmlBytes;
    calls.push_back(std::move(call));
    asked.push_back(i);
  }
  if (calls.empty()) return results;
  const std::vector<S3Outcome> outcomes = client_.send(calls, deadline);
  for (std::size_t a = 0; a < asked.size(); ++a) {
    const S3Outcome& outcome = outcomes[a];
    results[asked[a]] = outcome.ok() ? parse_tagging(outcome.answer->response.body)
                                     : Result<ObjectTags>(outcome.refusal.error);
  }
  return results;
}

Result<Written> S3Store::write_once(std::string_view key, HttpHeader condition, ByteView body,
                                    Deadline deadline) {
  KEDGE_TRY(check_s3_key(key));
  if (body.size() > kSinglePutBytes)
    return {Code::kInvalid, str_cat("a conditional write of ", body.size(), " bytes: the limit is ",
                                    kSinglePutBytes)};
  S3Call call = put_call(client_, key, body);
  call.headers.push_back(std::move(condition));
  call.at_most_once = true;
  S3Outcome outcome = client_.send_one(call, deadline);
  if (outcome.ok()) return written_of(key, *outcome.answer);
  return outcome.refusal.error;
}

Result<Written> S3Store::swap(std::string_view key, const Tag& expected, ByteView body,
                              Deadline deadline) {
  KEDGE_TRY(check_s3_key(key));
  const std::optional<std::string> etag = etag_of_tag(expected);
  if (!etag)
    return {Code::kConflict, str_cat(client_.name_of(key), ": no object has the tag '",
                                     printable(expected.value), "'")};
  Result<Written> written = write_once(key, {"if-match", *etag}, body, deadline);
  // S3 says 404 where there is nothing to replace.
  if (!written.ok() && written.code() == Code::kNotFound)
    return {Code::kConflict, written.error().message};
  return written;
}

Result<Timestamp> S3Store::now(Deadline deadline) {
  if (const auto known = client_.store_time()) return *known;
  S3Call call;
  call.method = "HEAD";
  const S3Outcome outcome = client_.send_one(call, deadline);
  const Timestamp time = outcome.ok() ? outcome.answer->store_time : outcome.refusal.store_time;
  if (time.micros != 0) return time;  // a refusal is dated too
  if (!outcome.ok()) return outcome.refusal.error;
  return {Code::kUnsupported, str_cat(client_.name_of(""), ": its answers carry no Date")};
}

Status check_options(const S3Options& options) {
  if (options.storage_class == "GLACIER" || options.storage_class == "DEEP_ARCHIVE")
    return {Code::kInvalid,
            str_cat("storage class ", options.storage_class, ": an index there could not be read")};
  const std::string& sse = options.server_side_encryption;
  if (!sse.empty() && sse != "AES256" && sse != "aws:kms" && sse != "aws:kms:dsse")
    return {Code::kInvalid, str_cat("server side encryption '", printable(sse),
                                    "': AES256, aws:kms or aws:kms:dsse")};
  if (!options.kms_key_id.empty() && !sse.starts_with("aws:kms"))
    return {Code::kInvalid, "a KMS key without server side encryption aws:kms"};
  for (const std::string* value :
       {&options.storage_class, &options.kms_key_id, &options.expected_bucket_owner}) {
    for (const char c : *value)
      if (c < 0x20 || c == 0x7F)
        return {Code::kInvalid, str_cat("'", printable(*value), "' cannot be sent in a header")};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> make_s3_store(std::string bucket, S3Options options,
                                                   S3Environment environment) {
  KEDGE_TRY(check_options(options));
  KEDGE_TRY(resolve_endpoint(options, bucket));
  return std::unique_ptr<ObjectStore>(
      std::make_unique<S3Store>(std::move(bucket), std::move(options), environment));
}

}  // namespace kedge
