#include "ingest/object_tags.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/strings.h"

namespace kedge {

std::string tags_version(const ObjectTags& tags) {
  ByteWriter out;
  for (const auto& [name, value] : tags) {
    out.put_string(name);
    out.put_string(value);
  }
  return xxh3_128(out.view()).hex();
}

Status check_tags_error(const Error& error) {
  if (error.code == Code::kUnsupported)
    return {Code::kInvalid, str_cat(error.message, ": sync it without (--tags=false)")};
  if (error.code == Code::kDenied)
    return {Code::kDenied, str_cat(error.message,
                                   ": reading tags takes the right s3:GetObjectTagging; or sync "
                                   "without them (--tags=false)")};
  return {};
}

Metadata texts_as_metadata(const std::vector<std::pair<std::string, std::string>>& texts) {
  Metadata out;
  for (const auto& [name, value] : texts) {
    if (name.size() > kMaxMetadataText || value.size() > kMaxMetadataText) continue;
    if (!name.starts_with(kReservedMetadata)) out.emplace_back(name, value);
  }
  return out;
}

}  // namespace kedge
