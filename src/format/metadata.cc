// Encoding: varint count; of each its name, a kind u8 (1 text, 2 number, 3 boolean, 4 list) and the
// value: a short text; an IEEE double, finite and not -0; 0 or 1; a varint count and values with
// their kinds.
#include "format/metadata.h"

#include <charconv>
#include <cmath>

#include "base/strings.h"
#include "format/page.h"

namespace kedge {
namespace {

enum class ValueKind : std::uint8_t { kText = 1, kNumber = 2, kBoolean = 3, kList = 4 };

template <typename Value>
std::uint64_t scalar_bytes(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return text->size();
  return std::holds_alternative<double>(value) ? 8 : 1;
}

template <typename Value>
Status check_scalar(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value); text && text->size() > kMaxMetadataText)
    return {Code::kInvalid, "a name or value of the metadata is too long"};
  if (const auto* number = std::get_if<double>(&value); number && !std::isfinite(*number))
    return {Code::kInvalid, "a number of the metadata is NaN or infinite"};
  return {};
}

template <typename Value>
void put_scalar(ByteWriter& out, const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    out.put(static_cast<std::uint8_t>(ValueKind::kText));
    put_short_string(out, *text);
  } else if (const auto* number = std::get_if<double>(&value)) {
    out.put(static_cast<std::uint8_t>(ValueKind::kNumber));
    out.put(*number + 0.0);  // of the two zeros the positive one
  } else if (const auto* boolean = std::get_if<bool>(&value)) {
    out.put(static_cast<std::uint8_t>(ValueKind::kBoolean));
    out.put(static_cast<std::uint8_t>(*boolean ? 1 : 0));
  }
}

// The value behind a kind that is none of a list's.
Result<MetadataScalar> get_scalar(ByteReader& in, std::uint8_t kind, std::string_view structure) {
  const std::size_t at = in.offset();
  switch (static_cast<ValueKind>(kind)) {
    case ValueKind::kText:
      return MetadataScalar(std::string(get_short_string(in, kMaxMetadataText)));
    case ValueKind::kNumber: {
      const auto number = in.get<double>();
      if (!std::isfinite(number) || (number == 0 && std::signbit(number)))
        return corrupt(structure, "a number of metadata is not finite, or is -0", at);
      return MetadataScalar(number);
    }
    case ValueKind::kBoolean: {
      const auto value = in.get<std::uint8_t>();
      if (value > 1) return corrupt(structure, "a boolean of metadata is neither 0 nor 1", at);
      return MetadataScalar(value == 1);
    }
    default:
      return corrupt(structure, "unknown kind of metadata", at);
  }
}

Result<MetadataValue> get_value(ByteReader& in, std::string_view structure) {
  const auto kind = in.get<std::uint8_t>();
  if (!in.ok()) return MetadataValue();  // the caller sees that it is cut short
  if (kind != static_cast<std::uint8_t>(ValueKind::kList)) {
    return std::visit([](auto&& value) { return MetadataValue(std::move(value)); },
                      KEDGE_TRY(get_scalar(in, kind, structure)));
  }
  MetadataList list;
  const std::uint64_t count = get_varint(in, kMaxMetadataList);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const auto of_value = in.get<std::uint8_t>();
    if (!in.ok()) break;
    list.push_back(KEDGE_TRY(get_scalar(in, of_value, structure)));
  }
  return MetadataValue(std::move(list));
}

}  // namespace

std::uint64_t metadata_bytes(const Metadata& metadata) {
  std::uint64_t bytes = 0;
  for (const auto& [name, value] : metadata) {
    bytes += name.size();
    if (const auto* list = std::get_if<MetadataList>(&value)) {
      for (const MetadataScalar& one : *list) bytes += 1 + scalar_bytes(one);
    } else {
      bytes += scalar_bytes(value);
    }
  }
  return bytes;
}

Status check_metadata(const Metadata& metadata) {
  if (metadata.size() > kMaxMetadata)
    return {Code::kInvalid, str_cat("metadata has over ", kMaxMetadata, " names")};
  for (std::size_t i = 0; i < metadata.size(); ++i) {
    const auto& [name, value] = metadata[i];
    if (name.size() > kMaxMetadataText)
      return {Code::kInvalid, "a name or value of the metadata is too long"};
    if (i > 0 && metadata[i - 1].first >= name)
      return {Code::kInvalid, "names of the metadata are not increasing"};
    KEDGE_TRY(check_scalar(value));
    const auto* list = std::get_if<MetadataList>(&value);
    if (list == nullptr) continue;
    if (list->size() > kMaxMetadataList)
      return {Code::kInvalid,
              str_cat("a list of the metadata has over ", kMaxMetadataList, " values")};
    for (const MetadataScalar& one : *list) KEDGE_TRY(check_scalar(one));
  }
  if (metadata_bytes(metadata) > kMaxMetadataBytes)
    return {Code::kInvalid, str_cat("metadata has over ", kMaxMetadataBytes, " bytes")};
  return {};
}

namespace {

std::string_view text_of(const Metadata& metadata, std::string_view wanted) {
  for (const auto& [name, value] : metadata) {
    const std::string* text = std::get_if<std::string>(&value);
    if (name == wanted && text != nullptr) return *text;
  }
  return {};
}

}  // namespace

std::string_view sidecar_of(const Metadata& metadata) { return text_of(metadata, kSidecarName); }

std::string_view tags_of(const Metadata& metadata) { return text_of(metadata, kTagsName); }

MetadataList scalars_of(const MetadataValue& value) {
  if (const auto* list = std::get_if<MetadataList>(&value)) return *list;
  if (const auto* text = std::get_if<std::string>(&value)) return {*text};
  if (const auto* number = std::get_if<double>(&value)) return {*number};
  return {std::get<bool>(value)};
}

std::optional<double> number_spelled(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || !std::isfinite(number)) return std::nullopt;
  return number + 0.0;
}

std::optional<bool> boolean_spelled(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

void put_metadata(ByteWriter& out, const Metadata& metadata) {
  put_varint(out, metadata.size());
  for (const auto& [name, value] : metadata) {
    put_short_string(out, name);
    const auto* list = std::get_if<MetadataList>(&value);
    if (list == nullptr) {
      put_scalar(out, value);
      continue;
    }
    out.put(static_cast<std::uint8_t>(ValueKind::kList));
    put_varint(out, list->size());
    for (const MetadataScalar& one : *list) put_scalar(out, one);
  }
}

Result<Metadata> get_metadata(ByteReader& in, std::string_view structure) {
  const std::size_t at = in.offset();
  Metadata metadata;
  const std::uint64_t count = get_varint(in, kMaxMetadata);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view name = get_short_string(in, kMaxMetadataText);
    if (!in.ok()) break;
    if (i > 0 && metadata.back().first >= name)
      return corrupt(structure, "names of metadata are not increasing", at);
    MetadataValue value = KEDGE_TRY(get_value(in, structure));
    metadata.emplace_back(std::string(name), std::move(value));
  }
  if (!in.ok()) return corrupt(structure, "entry is cut short or a field is over its limit", at);
  if (metadata_bytes(metadata) > kMaxMetadataBytes)
    return corrupt(structure, "metadata is over its limit", at);
  return metadata;
}

}  // namespace kedge
