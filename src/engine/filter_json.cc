// The JSON form of a filter, as S3 Vectors has it: an object of fields, each with a value or with
// operators, and of $and and $or. Several in one object hold together.
#include <boost/json.hpp>
#include <utility>

#include "base/allocation.h"
#include "base/strings.h"
#include "engine/filter.h"
#include "engine/json_text.h"

namespace kedge {
namespace {

namespace json = boost::json;
using Kind = Filter::Kind;

Error wrong(std::string_view path, std::string_view expected) {
  return {Code::kInvalid, str_cat("filter: expected ", expected, " at ", printable(path))};
}

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

class JsonParser {
 public:
  Result<Filter> group(const json::value& value, const std::string& path, std::size_t depth) {
    if (depth > kMaxFilterDepth)
      return wrong(path, str_cat("nesting of at most ", kMaxFilterDepth));
    const json::object* fields = value.if_object();
    if (fields == nullptr || fields->empty())
      return wrong(path, "an object with at least one condition");
    std::vector<Filter> parts;
    for (const auto& [raw_name, inner] : *fields) {
      const std::string name(raw_name.data(), raw_name.size());
      const std::string here = str_cat(path, ".", name);
      if (name == "$and" || name == "$or") {
        parts.push_back(
            KEDGE_TRY(groups(inner, name == "$and" ? Kind::kAll : Kind::kAny, here, depth + 1)));
      } else if (name.starts_with("$")) {
        return wrong(here, "the name of a field, $and or $or");
      } else {
        parts.push_back(KEDGE_TRY(field(field_of(name), inner, here)));
      }
    }
    return join(Kind::kAll, std::move(parts));
  }

 private:
  Result<Filter> groups(const json::value& value, Kind kind, const std::string& path,
                        std::size_t depth) {
    const json::array* list = value.if_array();
    if (list == nullptr || list->empty()) return wrong(path, "an array with at least one filter");
    std::vector<Filter> parts;
    for (std::size_t i = 0; i < list->size(); ++i)
      parts.push_back(KEDGE_TRY(group((*list)[i], str_cat(path, "[", i, "]"), depth)));
    return join(kind, std::move(parts));
  }

  Result<Filter> field(const FilterField& field, const json::value& value,
                       const std::string& path) {
    const json::object* operators = value.if_object();
    if (operators == nullptr) return compare(field, Kind::kIn, value, path);
    if (operators->empty()) return wrong(path, "a value or an operator");
    std::vector<Filter> parts;
    for (const auto& [raw_name, inner] : *operators) {
      const std::string name(raw_name.data(), raw_name.size());
      parts.push_back(KEDGE_TRY(apply(field, name, inner, str_cat(path, ".", name))));
    }
    return join(Kind::kAll, std::move(parts));
  }

  Result<Filter> apply(const FilterField& field, std::string_view name, const json::value& value,
                       const std::string& path) {
    constexpr std::pair<std::string_view, Kind> kOperators[] = {
        {"$eq", Kind::kIn},   {"$gt", Kind::kGreater},      {"$gte", Kind::kGreaterOrEqual},
        {"$lt", Kind::kLess}, {"$lte", Kind::kLessOrEqual}, {"$startsWith", Kind::kPrefix}};
    for (const auto& [known, kind] : kOperators) {
      if (name == known) return compare(field, kind, value, path);
    }
    if (name == "$ne") return negate(KEDGE_TRY(compare(field, Kind::kIn, value, path)));
    if (name == "$in") return list(field, value, path);
    if (name == "$nin") return negate(KEDGE_TRY(list(field, value, path)));
    if (name != "$exists")
      return wrong(path, "$eq $ne $gt $gte $lt $lte $in $nin $exists or $startsWith");
    KEDGE_TRY(count_term(path));
    if (!value.is_bool()) return wrong(path, "true or false");
    Filter filter;
    filter.field = field;
    return value.get_bool() ? std::move(filter) : negate(std::move(filter));
  }

  Result<Filter> compare(const FilterField& field, Kind kind, const json::value& value,
                         const std::string& path) {
    KEDGE_TRY(count_term(path));
    Filter filter;
    filter.kind = kind;
    filter.field = field;
    filter.values.push_back(KEDGE_TRY(literal(filter, value, path)));
    return filter;
  }

  Result<Filter> list(const FilterField& field, const json::value& value, const std::string& path) {
    KEDGE_TRY(count_term(path));
    const json::array* values = value.if_array();
    if (values == nullptr || values->empty() || values->size() > kMaxFilterValues)
      return wrong(path, str_cat("an array of 1 to ", kMaxFilterValues, " values"));
    Filter filter;
    filter.kind = Kind::kIn;
    filter.field = field;
    for (std::size_t i = 0; i < values->size(); ++i)
      filter.values.push_back(KEDGE_TRY(literal(filter, (*values)[i], str_cat(path, "[", i, "]"))));
    return filter;
  }

  Result<MetadataScalar> literal(const Filter& filter, const json::value& value,
                                 const std::string& path) {
    MetadataScalar out;
    if (const json::string* text = value.if_string()) {
      out = std::string(view(*text));
    } else if (value.is_number()) {
      out = value.is_int64()    ? static_cast<double>(value.get_int64())
            : value.is_uint64() ? static_cast<double>(value.get_uint64())
                                : value.get_double();
    } else if (value.is_bool()) {
      out = value.get_bool();
    } else {
      return wrong(path, "a text, a number or a boolean");
    }
    Result<MetadataScalar> fits = comparable(filter.field, filter.kind, std::move(out));
    if (!fits.ok()) return wrong(path, fits.error().message);
    return fits;
  }

  Status count_term(const std::string& path) {
    if (++terms_ > kMaxFilterTerms)
      return wrong(path, str_cat("at most ", kMaxFilterTerms, " conditions"));
    return {};
  }

  std::size_t terms_ = 0;
};

}  // namespace

Result<Filter> parse_filter_json(std::string_view text) try {
  if (text.size() > kMaxFilterBytes)
    return {Code::kInvalid, str_cat("filter: more than ", kMaxFilterBytes, " bytes")};
  json::parse_options options;
  options.max_depth = 2 * kMaxFilterDepth + 4;
  boost::system::error_code error;
  std::size_t read = 0;
  const json::value value = parse_json(text, options, {}, error, read);
  if (error == json::error::extra_data) {
    const std::size_t rest = text.find_first_not_of(" \t\r\n", read);
    return {Code::kInvalid, str_cat("filter: expected the end at position ", rest + 1)};
  }
  if (error) {
    return {Code::kInvalid,
            str_cat("filter: not JSON at position ", read + 1, ": ", error.message())};
  }
  return JsonParser().group(value, "$", 0);
} catch (...) {
  return memory_error("filter");
}

}  // namespace kedge
