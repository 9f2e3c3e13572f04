#include "ingest/sidecar.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "base/allocation.h"
#include "base/strings.h"
#include "engine/json_text.h"
#include "ingest/json_metadata.h"

namespace kedge {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 16;
constexpr std::string_view kAttributes = "metadataAttributes";

Error invalid(std::string what) { return {Code::kInvalid, std::move(what)}; }

// The value of {"value": {"type": ..., "...Value": x}}; nullptr if it is not one.
const json::value* typed_value(const json::value& value) {
  const json::object* object = value.if_object();
  const json::value* inner = object == nullptr ? nullptr : object->if_contains("value");
  const json::object* typed = inner == nullptr ? nullptr : inner->if_object();
  const json::value* type = typed == nullptr ? nullptr : typed->if_contains("type");
  if (type == nullptr || !type->is_string()) return nullptr;
  const std::pair<std::string_view, std::string_view> kinds[] = {
      {"STRING", "stringValue"},
      {"NUMBER", "numberValue"},
      {"BOOLEAN", "booleanValue"},
      {"STRING_LIST", "stringListValue"}};
  for (const auto& [name, field] : kinds) {
    if (type->get_string() == name) return typed->if_contains(field);
  }
  return nullptr;
}

}  // namespace

std::optional<std::string_view> described_by(std::string_view key) {
  if (!key.ends_with(kSidecarSuffix)) return std::nullopt;
  key.remove_suffix(kSidecarSuffix.size());
  if (key.empty() || key.ends_with('/')) return std::nullopt;
  return key;
}

std::string sidecar_version(const ObjectInfo& info) {
  return str_cat(info.tag.value, " ", info.size, " ", info.last_modified.micros);
}

Result<Metadata> parse_sidecar(ByteView bytes) try {
  if (bytes.size() > kMaxSidecarBytes)
    return invalid(str_cat("it has ", bytes.size(), " bytes, over ", kMaxSidecarBytes));
  json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::system::error_code error;
  std::size_t read = 0;
  json::value root = parse_json(as_text(bytes), options, {}, error, read);
  if (error) return invalid(str_cat("it is not JSON: ", error.message()));
  json::object* object = root.if_object();
  if (object == nullptr) return invalid("it is not a JSON object");
  if (json::value* inner = object->if_contains(kAttributes)) {
    object = inner->if_object();
    if (object == nullptr) return invalid(str_cat(kAttributes, " is not an object"));
  }
  for (auto& field : *object) {
    if (field.key().starts_with(kReservedMetadata))
      return invalid(str_cat("names that begin with ", kReservedMetadata, " are Kedge's own"));
    if (const json::value* typed = typed_value(field.value())) {
      json::value plain = *typed;
      field.value() = std::move(plain);
    }
  }
  Metadata out;
  if (const auto problem = read_fields(*object, out)) return invalid(*problem);
  KEDGE_TRY(check_metadata(out));
  return out;
} catch (...) {
  return memory_error("sidecar");
}

Metadata merge_metadata(const Metadata& under, const Metadata& over) {
  Metadata out = over;
  const auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
  for (const auto& field : under) {
    if (out.size() >= kMaxMetadata) break;
    const auto at = std::lower_bound(out.begin(), out.end(), field, by_name);
    if (at != out.end() && at->first == field.first) continue;
    const auto added = out.insert(at, field);
    if (metadata_bytes(out) > kMaxMetadataBytes) {
      out.erase(added);
      break;
    }
  }
  return out;
}

}  // namespace kedge
