#include <charconv>

#include "base/strings.h"
#include "emulator/operations.h"
#include "emulator/xml.h"

namespace kedge::emulator {
namespace {

struct Range {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
enum class RangeKind { kWhole, kPart, kUnsatisfiable };

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// What is not one range of bytes is ignored, as the rules of HTTP want.
RangeKind parse_range(std::string_view text, std::uint64_t size, Range& out) {
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return RangeKind::kWhole;
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return RangeKind::kWhole;
  const auto first = number(text.substr(0, dash));
  const auto last = number(text.substr(dash + 1));
  if (dash == 0) {
    if (!last) return RangeKind::kWhole;
    if (*last == 0 || size == 0) return RangeKind::kUnsatisfiable;
    out.count = std::min(*last, size);
    out.first = size - out.count;
    return RangeKind::kPart;
  }
  const bool open = dash + 1 == text.size();
  if (!first || (!open && (!last || *last < *first))) return RangeKind::kWhole;
  if (*first >= size) return RangeKind::kUnsatisfiable;
  out.first = *first;
  out.count = (open ? size - 1 : std::min(*last, size - 1)) - *first + 1;
  return RangeKind::kPart;
}

// Where the caller may not list, what is missing cannot be told from what is denied.
Failure missing(const S3Request& request, const Context& context) {
  if (!context.may("s3:ListBucket", request.bucket, request.key)) return denied();
  return {404,
          "NoSuchKey",
          "The specified key does not exist.",
          {},
          str_cat("<Key>", xml_escaped(request.key), "</Key>")};
}

struct Found {
  Version version;
  bool versioned = false;
};

Failure marker_failure(const Version& marker, Failure failure) {
  failure.headers.push_back({"x-amz-delete-marker", "true"});
  failure.headers.push_back({"x-amz-version-id", marker.id});
  return failure;
}

Refusal find_by_id(const S3Request& request, const Context& context, const Bucket& bucket,
                   Found& out) {
  const std::string_view id = request.argument("versionId");
  const auto versions = bucket.objects.find(request.key);
  if (versions == bucket.objects.end()) {
    if (!context.may("s3:ListBucket", request.bucket, request.key)) return denied();
    return Failure{404, "NoSuchVersion", "The specified version does not exist."};
  }
  for (const Version& one : versions->second) {
    if (one.id != id) continue;
    if (one.content == nullptr)
      return marker_failure(one, {405, "MethodNotAllowed",
                                  "The specified method is not allowed against this resource."});
    out.version = one;
    return {};
  }
  return Failure{404, "NoSuchVersion", "The specified version does not exist."};
}

Refusal find_current(const S3Request& request, const Context& context, Bucket& bucket, Found& out) {
  const auto shadow = bucket.shadows.find(request.key);
  if (shadow != bucket.shadows.end() && shadow->second.reads > 0) {
    --shadow->second.reads;
    if (!shadow->second.before) return missing(request, context);
    out.version = *shadow->second.before;
    return {};
  }
  const auto versions = bucket.objects.find(request.key);
  if (versions == bucket.objects.end()) return missing(request, context);
  const Version& newest = versions->second.back();
  if (newest.content == nullptr) return marker_failure(newest, missing(request, context));
  out.version = newest;
  return {};
}

Refusal check_read(const S3Request& request, const Content& content) {
  const std::string_view if_match = request.header("if-match");
  if (!if_match.empty() && if_match != "*" && !same_etag(if_match, content.etag))
    return Failure{412,
                   "PreconditionFailed",
                   "At least one of the pre-conditions you specified did not hold",
                   {},
                   "<Condition>If-Match</Condition>"};
  const std::string_view if_none_match = request.header("if-none-match");
  if (!if_none_match.empty() && (if_none_match == "*" || same_etag(if_none_match, content.etag)))
    return Failure{304, "NotModified", "", {{"ETag", content.etag}}};
  if (request.operation == Operation::kGetObject &&
      (content.storage_class == "GLACIER" || content.storage_class == "DEEP_ARCHIVE"))
    return Failure{403,
                   "InvalidObjectState",
                   "The operation is not valid for the object's storage class",
                   {},
                   str_cat("<StorageClass>", content.storage_class, "</StorageClass>")};
  return {};
}

void describe(const S3Request& request, const Found& found, Reply& reply) {
  const Content& content = *found.version.content;
  reply.set("Last-Modified", http_date(found.version.modified));
  reply.set("ETag", content.etag);
  reply.set("Accept-Ranges", "bytes");
  if (found.versioned) reply.set("x-amz-version-id", found.version.id);
  if (!content.storage_class.empty() && content.storage_class != "STANDARD")
    reply.set("x-amz-storage-class", content.storage_class);
  if (!content.tags.empty()) reply.set("x-amz-tagging-count", std::to_string(content.tags.size()));
  for (const HttpHeader& header : content.headers) {
    const std::string_view instead = request.argument(str_cat("response-", header.name));
    reply.set(header.name, instead.empty() ? header.value : std::string(instead));
  }
}

// A wrong Content-Range, and other bytes than were asked for.
void bend_range(const Context& context, Range& range, std::uint64_t& told, std::uint64_t size) {
  if (const Fault* fault = context.plan.find(FaultKind::kWrongContentRange)) told += fault->bytes;
  const Fault* fault = context.plan.find(FaultKind::kWrongRange);
  if (fault == nullptr) return;
  // As many bytes as before, from wherever as many are left.
  range.first = std::min(range.first + fault->bytes, size - range.count);
}

}  // namespace

Reply get_object(const S3Request& request, const Context& context) {
  Found found;
  {
    const std::lock_guard lock(context.store.mutex);
    Bucket* bucket = context.store.find(request.bucket);
    if (bucket == nullptr) return reply_of(no_such_bucket(), request);
    found.versioned = bucket->versioning != Versioning::kOff;
    const auto refusal = request.has("versionId") ? find_by_id(request, context, *bucket, found)
                                                  : find_current(request, context, *bucket, found);
    if (refusal) return reply_of(*refusal, request);
  }
  const Content& content = *found.version.content;
  if (const auto refusal = check_read(request, content)) return reply_of(*refusal, request);
  Reply reply;
  const std::uint64_t size = content.body.size();
  Range range{0, size};
  const bool ignored = context.plan.has(FaultKind::kIgnoreRange);
  const std::string_view asked = ignored ? std::string_view() : request.header("range");
  switch (parse_range(asked, size, range)) {
    case RangeKind::kUnsatisfiable:
      return reply_of({416,
                       "InvalidRange",
                       "The requested range is not satisfiable",
                       {{"Content-Range", str_cat("bytes */", size)}},
                       str_cat("<RangeRequested>", xml_escaped(asked),
                               "</RangeRequested><ActualObjectSize>", size, "</ActualObjectSize>")},
                      request);
    case RangeKind::kPart: {
      reply.status = 206;
      std::uint64_t told = range.first;
      bend_range(context, range, told, size);
      reply.set("Content-Range", str_cat("bytes ", told, "-", told + range.count - 1, "/", size));
      break;
    }
    case RangeKind::kWhole:
      if (request.header("x-amz-checksum-mode") == "ENABLED" && !content.checksum_name.empty())
        reply.set(content.checksum_name, content.checksum);
  }
  describe(request, found, reply);
  reply.body = content.body;
  reply.offset = range.first;
  reply.length = range.count;
  return reply;
}

}  // namespace kedge::emulator
