#include <algorithm>

#include "base/strings.h"
#include "emulator/listing.h"
#include "emulator/xml.h"

namespace kedge::emulator {
namespace {

void write_version(const std::string& key, const Version& version, bool latest, bool url,
                   const std::string& account, Xml& xml) {
  const char* name = version.content == nullptr ? "DeleteMarker" : "Version";
  xml.open(name).element("Key", listed(key, url)).element("VersionId", version.id);
  xml.flag("IsLatest", latest).element("LastModified", xml_time(version.modified));
  if (version.content != nullptr) {
    const Content& content = *version.content;
    xml.element("ETag", content.etag).number("Size", content.body.size());
    xml.element("StorageClass", content.storage_class.empty() ? "STANDARD" : content.storage_class);
  }
  xml.open("Owner").element("ID", account).close("Owner").close(name);
}

struct Position {
  std::string key;
  std::string version_id;  // "": a common prefix, or all versions of the key are done
};

// The versions of one key, newest first, from behind the one named `after` ("": from the newest).
// Returns how many were written; `next` is the last one when `most` did not suffice.
std::size_t write_key(const std::string& key, const Versions& versions, std::string_view after,
                      std::size_t most, bool url, const std::string& account, Xml& xml,
                      std::string& last) {
  std::size_t written = 0;
  bool begun = after.empty();
  for (auto one = versions.rbegin(); one != versions.rend(); ++one) {
    if (begun) {
      if (written == most) return written + 1;
      write_version(key, *one, one == versions.rbegin(), url, account, xml);
      ++written;
      last = one->id;
    } else {
      begun = one->id == after;
    }
  }
  return written;
}

}  // namespace

Reply list_versions(const S3Request& request, const Context& context, const Bucket& bucket) {
  const std::string prefix(request.argument("prefix"));
  const std::string delimiter(request.argument("delimiter"));
  const std::string marker(request.argument("key-marker"));
  const std::string id_marker(request.argument("version-id-marker"));
  const auto most = page_size(request, "max-keys");
  if (!most || (!id_marker.empty() && marker.empty()))
    return reply_of(
        {400, "InvalidArgument", "A version-id marker cannot be specified without a key marker."},
        request);
  const bool url = wants_url(request);
  Xml entries("ListVersionsResult");
  entries.element("Name", request.bucket).element("Prefix", listed(prefix, url));
  entries.element("KeyMarker", listed(marker, url)).element("VersionIdMarker", id_marker);
  if (!delimiter.empty()) entries.element("Delimiter", listed(delimiter, url));
  entries.number("MaxKeys", *most);
  if (url) entries.element("EncodingType", "url");
  auto at = bucket.objects.lower_bound(std::max(prefix, marker));
  if (id_marker.empty() && at != bucket.objects.end() && at->first == marker) ++at;
  const auto jump = [&](std::string_view group) {
    const std::string next = after_all(group);
    at = next.empty() ? bucket.objects.end() : bucket.objects.lower_bound(next);
  };
  if (!delimiter.empty() && marker.size() > prefix.size() && marker.ends_with(delimiter))
    jump(marker);
  std::size_t count = 0;
  bool truncated = false;
  Position last;
  const bool empty = context.plan.has(FaultKind::kEmptyListing);
  while (!empty && at != bucket.objects.end() && at->first.starts_with(prefix)) {
    if (count >= *most) {
      truncated = *most > 0;
      break;
    }
    const std::string_view group = common_prefix(at->first, prefix, delimiter);
    if (!group.empty()) {
      last = {std::string(group), ""};
      entries.open("CommonPrefixes").element("Prefix", listed(group, url)).close("CommonPrefixes");
      ++count;
      jump(last.key);
      continue;
    }
    const std::string_view after = at->first == marker ? std::string_view(id_marker) : "";
    const std::size_t room = *most - count;
    last.key = at->first;
    const std::size_t written = write_key(at->first, at->second, after, room, url, context.account,
                                          entries, last.version_id);
    if (written > room) {
      truncated = true;
      break;
    }
    count += written;
    ++at;
  }
  entries.flag("IsTruncated", truncated);
  if (truncated && !context.plan.has(FaultKind::kNoToken)) {
    entries.element("NextKeyMarker", listed(last.key, url));
    if (!last.version_id.empty()) entries.element("NextVersionIdMarker", last.version_id);
  }
  return xml_reply(std::move(entries).finish());
}

}  // namespace kedge::emulator
