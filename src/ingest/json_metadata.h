// Metadata out of JSON: of records of vectors, and of sidecars.
#pragma once

#include <optional>
#include <string>

#include "format/metadata.h"

namespace boost::json {
class object;
class value;
}  // namespace boost::json

namespace kedge {

inline constexpr std::size_t kMaxJsonFields = 256;

// A text, a finite number, a boolean, or a list of those; nothing for null; anything else, as an
// object, is the text of its JSON.
std::optional<MetadataValue> metadata_of(const boost::json::value& value);

// Every field, sorted by name. What is wrong with it, or nothing: more than kMaxJsonFields.
std::optional<std::string> read_fields(const boost::json::object& object, Metadata& out);

}  // namespace kedge
