#include <algorithm>
#include <array>

#include "base/strings.h"
#include "emulator/digests.h"
#include "emulator/operations.h"

namespace kedge::emulator {
namespace {

constexpr std::array<std::string_view, 10> kKept = {
    "content-type",
    "cache-control",
    "content-disposition",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-context"};

bool archived(const Content& content) {
  return content.storage_class == "GLACIER" || content.storage_class == "DEEP_ARCHIVE";
}

// Encryption is told with every answer about an object.
void add_encryption(const Content& content, Reply& reply) {
  for (const HttpHeader& header : content.headers)
    if (header.name.starts_with("x-amz-server-side-encryption")) reply.headers.push_back(header);
}

}  // namespace

std::vector<HttpHeader> kept_headers(const S3Request& request) {
  std::vector<HttpHeader> out;
  for (const HttpHeader& header : request.http.headers) {
    if (header.name.starts_with("x-amz-meta-") ||
        std::ranges::find(kKept, header.name) != kKept.end())
      out.push_back(header);
    // The framing of the transport is not the object's encoding.
    if (header.name == "content-encoding") {
      std::string value = header.value;
      if (value.starts_with("aws-chunked")) value.erase(0, std::string_view("aws-chunked").size());
      while (value.starts_with(',') || value.starts_with(' ')) value.erase(0, 1);
      if (!value.empty()) out.push_back({header.name, value});
    }
  }
  if (std::ranges::find(out, "content-type", &HttpHeader::name) == out.end())
    out.push_back({"content-type", "binary/octet-stream"});
  return out;
}

void commit_version(const S3Request& request, const Context& context, Bucket& bucket,
                    ContentPtr content, Reply& reply) {
  const Fault* stale_reads = context.plan.find(FaultKind::kStaleReads);
  const Fault* stale_lists = context.plan.find(FaultKind::kStaleLists);
  if (stale_reads != nullptr || stale_lists != nullptr) {
    Shadow shadow;
    if (const Version* before = bucket.current(request.key)) shadow.before = *before;
    if (stale_reads != nullptr) shadow.reads = stale_reads->requests;
    if (stale_lists != nullptr) shadow.lists = stale_lists->requests;
    bucket.shadows[request.key] = std::move(shadow);
  }
  const Fault* flip = context.plan.find(FaultKind::kFlipAtRest);
  if (flip != nullptr && content != nullptr && content->body.size() > 0) {
    Content bad = *content;
    bad.body = content->body.with_flipped_bit(flip->bytes);
    content = std::make_shared<const Content>(std::move(bad));
  }
  const Version& written =
      context.store.write(bucket, request.key, std::move(content), context.now);
  if (bucket.versioning != Versioning::kOff) reply.set("x-amz-version-id", written.id);
}

Reply write_object(const S3Request& request, const Context& context, ContentPtr content) {
  Conditions conditions = Conditions::of(request);
  const bool allow_missing = context.plan.has(FaultKind::kAllowIfMatchOnMissing);
  if (context.plan.has(FaultKind::kIgnoreConditions)) conditions = {};
  const Fault* race = context.plan.find(FaultKind::kIgnoreConditionsInRaces);
  if (race != nullptr && !conditions.empty()) {
    {
      const std::lock_guard lock(context.store.mutex);
      Bucket* bucket = context.store.find(request.bucket);
      if (bucket == nullptr) return reply_of(no_such_bucket(), request);
      if (auto refusal = check_write(conditions, bucket->current(request.key), allow_missing))
        return reply_of(*refusal, request);
    }
    context.pause(race->time);
    conditions = {};
  }
  const std::lock_guard lock(context.store.mutex);
  Bucket* bucket = context.store.find(request.bucket);
  if (bucket == nullptr) return reply_of(no_such_bucket(), request);
  if (auto refusal = check_write(conditions, bucket->current(request.key), allow_missing))
    return reply_of(*refusal, request);
  Reply reply;
  reply.set("ETag", content->etag);
  if (!content->checksum_name.empty()) reply.set(content->checksum_name, content->checksum);
  add_encryption(*content, reply);
  commit_version(request, context, *bucket, std::move(content), reply);
  return reply;
}

Reply put_object(const S3Request& request, const Context& context) {
  // The sum is made before the lock is taken: it is most of the work.
  Md5 sum{};
  {
    const std::vector<ByteView> whole = request.payload.slice(0, request.payload.size(), 2);
    sum = md5(whole.empty() ? ByteView() : whole.front());
  }
  const std::string etag = str_cat('"', to_hex(sum), '"');
  if (request.operation == Operation::kPutObject) {
    auto content = std::make_shared<Content>();
    content->body = request.payload;
    content->etag = etag;
    content->headers = kept_headers(request);
    content->storage_class = std::string(request.header("x-amz-storage-class"));
    content->checksum_name = request.checksum_name;
    content->checksum = request.checksum;
    auto tags = tags_of_header(request.header("x-amz-tagging"));
    if (!tags) return reply_of(bad_tags(), request);
    content->tags = *std::move(tags);
    return write_object(request, context, std::move(content));
  }
  const std::string number(request.argument("partNumber"));
  const bool digits = !number.empty() && number.size() <= 5 &&
                      number.find_first_not_of("0123456789") == std::string::npos;
  const int part_number = digits ? std::stoi(number) : 0;
  if (part_number < 1 || part_number > static_cast<int>(kMaxParts))
    return reply_of(
        {400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"},
        request);
  const std::lock_guard lock(context.store.mutex);
  Bucket* bucket = context.store.find(request.bucket);
  if (bucket == nullptr) return reply_of(no_such_bucket(), request);
  const auto upload =
      bucket->uploads.find({request.key, std::string(request.argument("uploadId"))});
  if (upload == bucket->uploads.end()) return reply_of(no_such_upload(), request);
  upload->second.parts[part_number] = {request.payload, etag, std::string(as_text(sum)),
                                       context.now};
  Reply reply;
  reply.set("ETag", etag);
  if (!request.checksum_name.empty()) reply.set(request.checksum_name, request.checksum);
  return reply;
}

namespace {

struct Source {
  std::string bucket;
  std::string key;
  std::string version_id;
};

std::optional<Source> copy_source(const S3Request& request) {
  std::string_view text = request.header("x-amz-copy-source");
  if (text.starts_with('/')) text.remove_prefix(1);
  Source out;
  const std::size_t mark = text.find("?versionId=");
  if (mark != std::string_view::npos) out.version_id = std::string(text.substr(mark + 11));
  const auto path = percent_decode(text.substr(0, mark), true);
  if (!path || path->find('/') == std::string::npos) return {};
  out.bucket = path->substr(0, path->find('/'));
  out.key = path->substr(out.bucket.size() + 1);
  return out;
}

}  // namespace

Reply copy_object(const S3Request& request, const Context& context) {
  const auto source = copy_source(request);
  if (!source)
    return reply_of({400, "InvalidArgument", "Copy Source must mention the source bucket and key"},
                    request);
  if (!context.may("s3:GetObject", source->bucket, source->key)) return reply_of(denied(), request);
  ContentPtr found;
  {
    const std::lock_guard lock(context.store.mutex);
    const Bucket* bucket = context.store.find(source->bucket);
    if (bucket == nullptr) return reply_of(no_such_bucket(), request);
    if (const Version* current = bucket->current(source->key)) found = current->content;
    if (!source->version_id.empty()) {
      found = nullptr;
      const auto versions = bucket->objects.find(source->key);
      if (versions != bucket->objects.end())
        for (const Version& one : versions->second)
          if (one.id == source->version_id) found = one.content;
    }
  }
  if (found == nullptr)
    return reply_of({404, "NoSuchKey", "The specified key does not exist."}, request);
  if (archived(*found))
    return reply_of(
        {403, "InvalidObjectState", "The operation is not valid for the object's storage class"},
        request);
  auto copy = std::make_shared<Content>(*found);
  if (request.header("x-amz-metadata-directive") == "REPLACE")
    copy->headers = kept_headers(request);
  copy->storage_class = std::string(request.header("x-amz-storage-class"));
  if (request.header("x-amz-tagging-directive") == "REPLACE") {
    auto tags = tags_of_header(request.header("x-amz-tagging"));
    if (!tags) return reply_of(bad_tags(), request);
    copy->tags = *std::move(tags);
  }
  const std::string etag = copy->etag;
  Reply written = write_object(request, context, std::move(copy));
  if (written.status != 200) return written;
  Reply reply = xml_reply(str_cat("<CopyObjectResult><ETag>&quot;", etag.substr(1, etag.size() - 2),
                                  "&quot;</ETag></CopyObjectResult>"));
  for (HttpHeader& header : written.headers)
    if (header.name != "ETag") reply.headers.push_back(std::move(header));
  return reply;
}

}  // namespace kedge::emulator
