#include <algorithm>
#include <pugixml.hpp>

#include "base/strings.h"
#include "emulator/operations.h"
#include "emulator/xml.h"

namespace kedge::emulator {
namespace {

constexpr std::size_t kMaxDeleteKeys = 1'000;

struct Deleted {
  bool marker = false;     // a delete marker was made, or was what went
  std::string version_id;  // of the marker, or of what went
};

// One version for good. What is not there is as deleted as what was.
Deleted delete_version(Bucket& bucket, const std::string& key, const std::string& id) {
  Deleted out{.version_id = id};
  const auto versions = bucket.objects.find(key);
  if (versions == bucket.objects.end()) return out;
  const auto one = std::ranges::find(versions->second, id, &Version::id);
  if (one == versions->second.end()) return out;
  out.marker = one->content == nullptr;
  versions->second.erase(one);
  if (versions->second.empty()) bucket.objects.erase(versions);
  return out;
}

Deleted delete_current(const Context& context, Bucket& bucket, const std::string& key) {
  if (bucket.versioning == Versioning::kOff) {
    bucket.objects.erase(key);
    return {};
  }
  return {true, context.store.write(bucket, key, nullptr, context.now).id};
}

}  // namespace

Reply delete_object(const S3Request& request, const Context& context, Bucket& bucket) {
  const Conditions conditions{.if_match = std::string(request.header("if-match")),
                              .if_none_match = {}};
  if (!context.plan.has(FaultKind::kIgnoreConditions))
    if (auto refusal = check_write(conditions, bucket.current(request.key), false))
      return reply_of(*refusal, request);
  if (const Fault* stale = context.plan.find(FaultKind::kStaleReads)) {
    Shadow shadow{.before = {}, .reads = stale->requests, .lists = 0};
    if (const Version* before = bucket.current(request.key)) shadow.before = *before;
    bucket.shadows[request.key] = std::move(shadow);
  }
  const Deleted done =
      request.has("versionId")
          ? delete_version(bucket, request.key, std::string(request.argument("versionId")))
          : delete_current(context, bucket, request.key);
  Reply reply;
  reply.status = 204;
  if (done.marker) reply.set("x-amz-delete-marker", "true");
  if (!done.version_id.empty()) reply.set("x-amz-version-id", done.version_id);
  return reply;
}

Reply delete_objects(const S3Request& request, const Context& context, Bucket& bucket) {
  if (request.header("content-md5").empty() && request.checksum_name.empty())
    return reply_of(
        {400, "InvalidRequest", "Missing required header for this request: Content-MD5"}, request);
  const Bytes body = request.payload.flat();
  pugi::xml_document document;
  // White space is part of a key.
  const auto parsed =
      document.load_buffer(body.data(), body.size(), pugi::parse_default | pugi::parse_ws_pcdata);
  const pugi::xml_node root = document.child("Delete");
  const auto objects = root.children("Object");
  const auto count = static_cast<std::size_t>(std::distance(objects.begin(), objects.end()));
  if (!parsed || !root || count == 0 || count > kMaxDeleteKeys)
    return reply_of(malformed_xml(), request);
  const bool quiet = std::string_view(root.child_value("Quiet")) == "true";
  Xml xml("DeleteResult");
  for (const pugi::xml_node& object : objects) {
    const std::string key = object.child_value("Key");
    const std::string id = object.child_value("VersionId");
    if (!context.may(id.empty() ? "s3:DeleteObject" : "s3:DeleteObjectVersion", request.bucket,
                     key)) {
      xml.open("Error").element("Key", key).element("Code", "AccessDenied");
      xml.element("Message", "Access Denied").close("Error");
      continue;
    }
    const Deleted done =
        id.empty() ? delete_current(context, bucket, key) : delete_version(bucket, key, id);
    if (quiet) continue;
    xml.open("Deleted").element("Key", key);
    if (!id.empty()) xml.element("VersionId", id);
    if (done.marker) {
      xml.flag("DeleteMarker", true);
      xml.element("DeleteMarkerVersionId", done.version_id);
    }
    xml.close("Deleted");
  }
  return xml_reply(std::move(xml).finish());
}

}  // namespace kedge::emulator
