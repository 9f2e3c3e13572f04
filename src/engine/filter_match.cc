// A filter against one row: what the filter means. The attributes plane answers the same
// (engine/filter_eval.h).
#include <algorithm>
#include <functional>

#include "engine/filter.h"

namespace kedge {
namespace {

using Kind = Filter::Kind;
using FieldKind = FilterField::Kind;

std::optional<double> as_number(const MetadataScalar& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) return number_spelled(*text);
  return std::nullopt;
}

bool is_equal(const MetadataScalar& value, const MetadataScalar& literal) {
  if (std::holds_alternative<double>(literal)) return as_number(value) == std::get<double>(literal);
  if (const auto* wanted = std::get_if<bool>(&literal)) {
    if (const auto* text = std::get_if<std::string>(&value))
      return boolean_spelled(*text) == *wanted;
  }
  return value == literal;
}

bool holds(const Filter& filter, const MetadataScalar& value) {
  const auto ordered = [&](const auto& compare) {
    const std::optional<double> number = as_number(value);
    return number && compare(*number, std::get<double>(filter.values[0]));
  };
  switch (filter.kind) {
    case Kind::kIn:
      return std::any_of(filter.values.begin(), filter.values.end(),
                         [&](const MetadataScalar& literal) { return is_equal(value, literal); });
    case Kind::kPrefix: {
      const auto* text = std::get_if<std::string>(&value);
      return text != nullptr && text->starts_with(std::get<std::string>(filter.values[0]));
    }
    case Kind::kLess:
      return ordered(std::less<>());
    case Kind::kLessOrEqual:
      return ordered(std::less_equal<>());
    case Kind::kGreater:
      return ordered(std::greater<>());
    case Kind::kGreaterOrEqual:
      return ordered(std::greater_equal<>());
    default:
      return true;
  }
}

// What the row has of a field; nothing: it has not got it.
std::optional<MetadataList> values_of(const FilterField& field, const ObjectRow& row,
                                      std::string_view source_uri) {
  switch (field.kind) {
    case FieldKind::kKey:
      return MetadataList{row.key};
    case FieldKind::kSource:
      return MetadataList{std::string(source_uri)};
    case FieldKind::kMediaType:
      if (row.media_type.empty()) return std::nullopt;
      return MetadataList{row.media_type};
    case FieldKind::kSize:
      return MetadataList{static_cast<double>(row.size)};
    case FieldKind::kModified:
      if (row.last_modified.micros == 0) return std::nullopt;
      return MetadataList{static_cast<double>(row.last_modified.micros)};
    case FieldKind::kAttribute:
      break;
  }
  const auto at =
      std::lower_bound(row.metadata.begin(), row.metadata.end(), field.name,
                       [](const auto& pair, const std::string& name) { return pair.first < name; });
  if (at == row.metadata.end() || at->first != field.name) return std::nullopt;
  return scalars_of(at->second);
}

}  // namespace

bool matches(const Filter& filter, const ObjectRow& row, std::string_view source_uri) {
  const auto child_holds = [&](const Filter& child) { return matches(child, row, source_uri); };
  switch (filter.kind) {
    case Kind::kAll:
      return std::all_of(filter.children.begin(), filter.children.end(), child_holds);
    case Kind::kAny:
      return std::any_of(filter.children.begin(), filter.children.end(), child_holds);
    case Kind::kNot:
      return !child_holds(filter.children.front());
    default:
      break;
  }
  const std::optional<MetadataList> values = values_of(filter.field, row, source_uri);
  if (!values) return false;
  if (filter.kind == Kind::kExists) return true;
  return std::any_of(values->begin(), values->end(),
                     [&](const MetadataScalar& value) { return holds(filter, value); });
}

}  // namespace kedge
