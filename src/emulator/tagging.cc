#include <algorithm>
#include <pugixml.hpp>

#include "base/strings.h"
#include "emulator/operations.h"
#include "emulator/xml.h"

namespace kedge::emulator {
namespace {

using Tags = std::vector<std::pair<std::string, std::string>>;

// As the S3 user guide has them ("Categorizing your objects using tags").
constexpr std::size_t kMaxTags = 10;
constexpr std::size_t kMaxTagKey = 128;
constexpr std::size_t kMaxTagValue = 256;

bool allowed(const Tags& tags) {
  if (tags.size() > kMaxTags) return false;
  for (const auto& [key, value] : tags) {
    if (key.empty() || key.size() > kMaxTagKey || value.size() > kMaxTagValue ||
        std::ranges::count(tags, key, &std::pair<std::string, std::string>::first) != 1)
      return false;
  }
  return true;
}

std::optional<Tags> tags_of_body(const S3Request& request) {
  const Bytes body = request.payload.flat();
  pugi::xml_document document;
  if (!document.load_buffer(body.data(), body.size())) return {};
  Tags out;
  for (const pugi::xml_node tag : document.child("Tagging").child("TagSet").children("Tag"))
    out.emplace_back(tag.child_value("Key"), tag.child_value("Value"));
  if (!document.child("Tagging").child("TagSet")) return {};
  return out;
}

// The version that the request names, or the current one.
Version* find_version(const S3Request& request, Bucket& bucket) {
  const auto found = bucket.objects.find(request.key);
  if (found == bucket.objects.end()) return nullptr;
  Versions& versions = found->second;
  if (!request.has("versionId"))
    return versions.back().content == nullptr ? nullptr : &versions.back();
  const auto one = std::ranges::find(versions, request.argument("versionId"), &Version::id);
  return one == versions.end() || one->content == nullptr ? nullptr : &*one;
}

Reply tags_reply(const Tags& tags) {
  Xml xml("Tagging");
  xml.open("TagSet");
  for (const auto& [key, value] : tags)
    xml.open("Tag").element("Key", key).element("Value", value).close("Tag");
  xml.close("TagSet");
  return xml_reply(std::move(xml).finish());
}

}  // namespace

Failure bad_tags() {
  return {400, "InvalidTag", "The tag provided was not a valid tag, or there are too many."};
}

std::optional<Tags> tags_of_header(std::string_view text) {
  Tags out;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::size_t equals = std::min(part.find('='), part.size());
    auto key = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(part.substr(std::min(part.size(), equals + 1)), true);
    if (!key || !value) return {};
    out.emplace_back(*std::move(key), *std::move(value));
  }
  if (!allowed(out)) return {};
  return out;
}

Reply tagging_operation(const S3Request& request, const Context& context, Bucket& bucket) {
  Version* version = find_version(request, bucket);
  if (version == nullptr) {
    if (!context.may("s3:ListBucket", request.bucket, request.key))
      return reply_of(denied(), request);
    return reply_of({404, "NoSuchKey", "The specified key does not exist."}, request);
  }
  if (request.operation == Operation::kGetObjectTagging) return tags_reply(version->content->tags);
  Tags tags;
  Reply reply;
  if (request.operation == Operation::kPutObjectTagging) {
    auto given = tags_of_body(request);
    if (!given) return reply_of(malformed_xml(), request);
    if (!allowed(*given)) return reply_of(bad_tags(), request);
    tags = *std::move(given);
  } else {
    reply.status = 204;
  }
  // Neither its ETag nor its time change: a listing shows nothing of it.
  auto changed = std::make_shared<Content>(*version->content);
  changed->tags = std::move(tags);
  version->content = std::move(changed);
  return reply;
}

}  // namespace kedge::emulator
