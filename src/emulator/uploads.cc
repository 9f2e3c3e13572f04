#include <algorithm>
#include <charconv>
#include <pugixml.hpp>

#include "base/strings.h"
#include "emulator/digests.h"
#include "emulator/listing.h"
#include "emulator/xml.h"

namespace kedge::emulator {
namespace {

using UploadAt = std::map<std::pair<std::string, std::string>, Upload>::iterator;

Reply create_upload(const S3Request& request, const Context& context, Bucket& bucket) {
  if (bucket.uploads.size() >= kMaxUploads)
    return reply_of({503, "SlowDown", "Too many uploads that nobody finished"}, request);
  const std::string id = context.store.new_id();
  bucket.uploads[{request.key, id}] = {
      context.now, kept_headers(request), std::string(request.header("x-amz-storage-class")), {}};
  Xml xml("InitiateMultipartUploadResult");
  xml.element("Bucket", request.bucket).element("Key", request.key).element("UploadId", id);
  return xml_reply(std::move(xml).finish());
}

// What the request names is there, in order, and large enough; appends it.
Refusal assemble(const S3Request& request, const Context& context, const Upload& upload,
                 Content& out) {
  const Bytes body = request.payload.flat();
  pugi::xml_document document;
  if (!document.load_buffer(body.data(), body.size())) return malformed_xml();
  std::string sums;
  int previous = 0;
  std::uint64_t previous_size = context.min_part_bytes;
  std::size_t count = 0;
  for (const pugi::xml_node& node : document.child("CompleteMultipartUpload").children("Part")) {
    const int number = node.child("PartNumber").text().as_int();
    if (number <= previous)
      return Failure{400, "InvalidPartOrder",
                     "The list of parts was not in ascending order. Parts must be ordered by part "
                     "number."};
    const auto part = upload.parts.find(number);
    if (part == upload.parts.end() || !same_etag(part->second.etag, node.child_value("ETag")))
      return Failure{400, "InvalidPart",
                     "One or more of the specified parts could not be found. The part may not have "
                     "been uploaded, or the specified entity tag may not match the part's entity "
                     "tag."};
    if (previous_size < context.min_part_bytes)
      return Failure{400, "EntityTooSmall",
                     "Your proposed upload is smaller than the minimum allowed size"};
    previous = number;
    previous_size = part->second.body.size();
    out.body.append(part->second.body);
    sums += part->second.md5;
    ++count;
  }
  if (count == 0) return malformed_xml();
  out.etag = str_cat('"', to_hex(md5(as_bytes(sums))), "-", count, '"');
  return {};
}

Reply complete_upload(const S3Request& request, const Context& context, Bucket& bucket,
                      UploadAt upload) {
  auto content = std::make_shared<Content>();
  content->headers = upload->second.headers;
  content->storage_class = upload->second.storage_class;
  if (auto refusal = assemble(request, context, upload->second, *content))
    return reply_of(*refusal, request);
  const Conditions conditions = Conditions::of(request);
  if (!context.plan.has(FaultKind::kIgnoreConditions))
    if (auto refusal = check_write(conditions, bucket.current(request.key), false))
      return reply_of(*refusal, request);
  bucket.uploads.erase(upload);
  Xml xml("CompleteMultipartUploadResult");
  xml.element("Location", str_cat("http://", request.header("host"), request.path));
  xml.element("Bucket", request.bucket).element("Key", request.key).element("ETag", content->etag);
  Reply reply = xml_reply(std::move(xml).finish());
  commit_version(request, context, bucket, std::move(content), reply);
  return reply;
}

Reply list_parts(const S3Request& request, const UploadAt upload) {
  const auto most = page_size(request, "max-parts");
  const std::string marker(request.argument("part-number-marker"));
  int after = 0;
  const auto [end, error] = std::from_chars(marker.data(), marker.data() + marker.size(), after);
  if (!most || (!marker.empty() && error != std::errc()) || end != marker.data() + marker.size())
    return reply_of({400, "InvalidArgument", "not a number"}, request);
  Xml xml("ListPartsResult");
  xml.element("Bucket", request.bucket).element("Key", request.key);
  xml.element("UploadId", request.argument("uploadId"));
  std::size_t count = 0;
  bool truncated = false;
  int last = after;
  const auto& parts = upload->second.parts;
  for (auto part = parts.upper_bound(after); part != parts.end(); ++part) {
    if (count == *most) {
      truncated = *most > 0;
      break;
    }
    xml.open("Part").number("PartNumber", static_cast<std::uint64_t>(part->first));
    xml.element("LastModified", xml_time(part->second.modified));
    xml.element("ETag", part->second.etag).number("Size", part->second.body.size()).close("Part");
    last = part->first;
    ++count;
  }
  xml.number("MaxParts", *most).flag("IsTruncated", truncated);
  xml.number("NextPartNumberMarker", static_cast<std::uint64_t>(last));
  return xml_reply(std::move(xml).finish());
}

Reply list_uploads(const S3Request& request, const Context& context, const Bucket& bucket) {
  const auto most = page_size(request, "max-uploads");
  if (!most) return reply_of({400, "InvalidArgument", "max-uploads is not a number"}, request);
  const std::string prefix(request.argument("prefix"));
  const std::string key_marker(request.argument("key-marker"));
  const std::string id_marker(request.argument("upload-id-marker"));
  const bool url = wants_url(request);
  // Without an id the marker is the whole key, and ids are hexadecimal: "g" is beyond all of them.
  const auto begin = std::max(std::pair(prefix, std::string()),
                              std::pair(key_marker, id_marker.empty() ? "g" : id_marker));
  auto at = key_marker.empty() ? bucket.uploads.lower_bound({prefix, ""})
                               : bucket.uploads.upper_bound(begin);
  Xml xml("ListMultipartUploadsResult");
  xml.element("Bucket", request.bucket).element("KeyMarker", listed(key_marker, url));
  xml.element("UploadIdMarker", id_marker).element("Prefix", listed(prefix, url));
  if (url) xml.element("EncodingType", "url");
  xml.number("MaxUploads", *most);
  std::size_t count = 0;
  std::pair<std::string, std::string> last;
  for (; at != bucket.uploads.end() && at->first.first.starts_with(prefix) && count < *most; ++at) {
    xml.open("Upload").element("Key", listed(at->first.first, url));
    xml.element("UploadId", at->first.second).element("Initiated", xml_time(at->second.initiated));
    xml.open("Owner").element("ID", context.account).close("Owner");
    xml.element("StorageClass", "STANDARD").close("Upload");
    last = at->first;
    ++count;
  }
  const bool truncated =
      count > 0 && at != bucket.uploads.end() && at->first.first.starts_with(prefix);
  xml.flag("IsTruncated", truncated);
  if (truncated)
    xml.element("NextKeyMarker", listed(last.first, url))
        .element("NextUploadIdMarker", last.second);
  return xml_reply(std::move(xml).finish());
}

}  // namespace

Reply upload_operation(const S3Request& request, const Context& context, Bucket& bucket) {
  if (request.operation == Operation::kListMultipartUploads)
    return list_uploads(request, context, bucket);
  if (request.operation == Operation::kCreateMultipartUpload)
    return create_upload(request, context, bucket);
  const auto upload = bucket.uploads.find({request.key, std::string(request.argument("uploadId"))});
  if (upload == bucket.uploads.end()) return reply_of(no_such_upload(), request);
  if (request.operation == Operation::kCompleteMultipartUpload)
    return complete_upload(request, context, bucket, upload);
  if (request.operation == Operation::kListParts) return list_parts(request, upload);
  bucket.uploads.erase(upload);
  Reply reply;
  reply.status = 204;
  return reply;
}

}  // namespace kedge::emulator
