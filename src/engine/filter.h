// What a search may be limited to: conditions on the metadata of objects, and on what Kedge itself
// knows of them. docs/filters.md has the language; its two forms, a short text and the JSON of S3
// Vectors, make the same Filter.
//
// Pure: no IO.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "format/metadata.h"
#include "format/rows.h"

namespace kedge {

// What a condition looks at. Of the names that Kedge knows, `name` is empty.
struct FilterField {
  enum class Kind : std::uint8_t {
    kAttribute,  // metadata of the object, by name
    kKey,
    kSource,     // the uri of the source
    kMediaType,  // absent where it is not known
    kSize,       // bytes
    kModified,   // microseconds since 1970; absent where it is not known
  };
  Kind kind = Kind::kAttribute;
  std::string name;
  bool operator==(const FilterField&) const = default;
};

struct Filter {
  enum class Kind : std::uint8_t {
    kAll,     // every child holds
    kAny,     // some child holds
    kNot,     // the child does not
    kIn,      // a value is equal to one of `values`
    kPrefix,  // a text begins with the text
    kLess,    // a number is below the number, and so on
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kExists,  // the object has it, if only as an empty list
  };
  Kind kind = Kind::kExists;
  std::vector<Filter> children;        // kAll, kAny: two or more, none of the same kind; kNot: one
  FilterField field;                   // of the conditions
  std::vector<MetadataScalar> values;  // kIn: one or more; kPrefix, comparisons: one
  bool operator==(const Filter&) const = default;
};

// A list holds where one of its values does; what an object has not got satisfies kNot only.
// Texts are compared by their bytes, and a text that spells a number or a boolean is that, too,
// where the filter asks for one (format/metadata.h).
bool matches(const Filter& filter, const ObjectRow& row, std::string_view source_uri);

// `year >= 2020 and team = "core" and not (lang in ("de", "fr")) and exists(author)`.
// kInvalid: says at which position, counted in bytes from 1, what was expected.
Result<Filter> parse_filter_text(std::string_view text);
// `{"year": {"$gte": 2020}, "team": "core"}`. kInvalid: says where, as `$.year.$gte`, and what was
// expected.
Result<Filter> parse_filter_json(std::string_view text);
// JSON where the first character that is not a space is '{', else text.
Result<Filter> parse_filter(std::string_view text);
// The short form; parse_filter_text() makes the same filter of it.
std::string to_text(const Filter& filter);

// Of the text or JSON of a filter; of the filter: children of children; conditions and groups; the
// values of one list.
inline constexpr std::size_t kMaxFilterBytes = 65'536;
inline constexpr std::size_t kMaxFilterDepth = 30;
inline constexpr std::size_t kMaxFilterTerms = 512;
inline constexpr std::size_t kMaxFilterValues = 4'096;

// ---- for the parsers

// The field that a name means: Kedge's own names first, `meta.NAME` for metadata of any name.
FilterField field_of(std::string_view name);
// What the values of a field are compared with: refuses what can never hold ("size" with a text),
// and makes times of dates. kInvalid with what was expected, without the place.
Result<MetadataScalar> comparable(const FilterField& field, Filter::Kind kind,
                                  MetadataScalar literal);
// All or any of some: one alone is itself, and those of the same kind are taken apart.
// Precondition: not empty.
Filter join(Filter::Kind kind, std::vector<Filter> children);
Filter negate(Filter filter);

}  // namespace kedge
