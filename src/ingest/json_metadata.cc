#include "ingest/json_metadata.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

namespace json = boost::json;

std::optional<MetadataScalar> scalar_of(const json::value& value) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_string()) return std::string(value.get_string().begin(), value.get_string().end());
  boost::system::error_code error;
  const auto number = value.to_number<double>(error);
  if (error || !std::isfinite(number)) return std::nullopt;
  return number + 0.0;  // no -0
}

}  // namespace

std::optional<MetadataValue> metadata_of(const json::value& value) {
  if (value.is_null()) return std::nullopt;
  if (std::optional<MetadataScalar> scalar = scalar_of(value))
    return std::visit([](auto& one) { return MetadataValue(std::move(one)); }, *scalar);
  const json::array* array = value.if_array();
  MetadataList list;
  if (array != nullptr) {
    for (const json::value& element : *array) {
      if (std::optional<MetadataScalar> scalar = scalar_of(element))
        list.push_back(*std::move(scalar));
    }
    if (list.size() == array->size()) return list;
  }
  return json::serialize(value);
}

std::optional<std::string> read_fields(const json::object& object, Metadata& out) {
  if (object.size() > kMaxJsonFields)
    return str_cat("metadata of ", object.size(), " fields, over ", kMaxJsonFields);
  for (const auto& [name, field] : object) {
    if (std::optional<MetadataValue> known = metadata_of(field))
      out.emplace_back(std::string(name), *std::move(known));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return std::nullopt;
}

}  // namespace kedge
