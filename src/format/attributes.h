// The attributes plane: which objects of a segment have which values of metadata, sorted by name
// and value, so that a filter reads the pages of its ranges and no others. docs/format.md,
// "Attributes page".
//
// Pure: no IO.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "format/object_bitmap.h"
#include "format/rows.h"
#include "format/segment.h"

namespace kedge {

// What an entry is found by, as bytes whose order is that of the pages: attribute, kind, value.
// Whose names: Kedge's own ("media_type", "size", "modified") or those of metadata.
enum class AttributeScope : std::uint8_t { kOwn = 0, kMetadata = 1 };
std::string attribute_key(AttributeScope scope, std::string_view name);
// Behind an attribute's key: that an object has it, a boolean, a number, a text.
std::string presence_key(std::string attribute);
std::string boolean_key(std::string attribute, bool value);
std::string number_key(std::string attribute, double value);  // precondition: finite
std::string text_key(std::string attribute, std::string_view value);

// Keys in [begin, end).
struct AttributeRange {
  std::string begin;
  std::string end;
};
AttributeRange only(std::string key);
// Every key that begins with `prefix`, which is a key or the beginning of a text's.
AttributeRange beginning_with(std::string prefix);

// Pages [first, second) that may hold keys of the range.
std::pair<std::size_t, std::size_t> attributes_pages_of(const SegmentDirectory& directory,
                                                        const AttributeRange& range);

struct AttributeEntry {
  std::string key;
  std::vector<ObjectRun> objects;  // not empty; increasing, with gaps between them
  bool operator==(const AttributeEntry&) const = default;
};

// Reads the entries of a page one after the other. The page's bytes outlive it.
class AttributesPage {
 public:
  static Result<AttributesPage> open(ByteView bytes, std::uint32_t number,
                                     const SegmentDirectory& directory);
  // False behind the last, when the page is known to be whole.
  Result<bool> next();
  [[nodiscard]] const AttributeEntry& entry() const { return entry_; }

 private:
  AttributesPage(ByteView bytes, std::uint32_t number, const SegmentDirectory& directory)
      : in_(bytes), number_(number), directory_(&directory) {}
  Status read_key();
  Status read_objects();
  Status read_runs(std::uint64_t count);
  Status read_bits(std::uint64_t size);

  ByteReader in_;
  std::uint32_t number_;
  const SegmentDirectory* directory_;
  std::uint32_t left_ = 0;
  bool first_ = true;
  AttributeEntry entry_;
};

// Precondition: entries sorted by key, distinct, at least one.
Bytes encode_attributes_page(std::uint32_t number, std::span<const AttributeEntry> entries);

// Gathers the attributes of a segment's objects. Memory: 16 bytes a value (of an object the size,
// the time and the media type among them), each text once, and what finish() returns.
class AttributesBuilder {
 public:
  // Objects in the order of their numbers.
  void add(std::uint32_t object, const ObjectRow& row);
  // Of what was added, without what finish() takes.
  [[nodiscard]] std::uint64_t memory_bytes() const {
    return values_.capacity() * sizeof(Value) + text_bytes_;
  }

  struct Plane {
    std::vector<Bytes> pages;
    std::vector<std::string> first_keys;  // cut to kMaxBound bytes
  };
  Plane finish() &&;

 private:
  struct Value {
    std::uint32_t attribute = 0;  // number of the name, times 4, plus the kind
    std::uint32_t object = 0;
    std::uint64_t value = 0;  // in the order of values; of a text its number
  };
  std::uint32_t number_of(std::unordered_map<std::string, std::uint32_t>& numbers,
                          std::string text);
  void add_scalar(std::uint32_t name, std::uint32_t object, const MetadataScalar& scalar);
  void add_value(std::uint32_t name, std::uint8_t kind, std::uint32_t object, std::uint64_t value);

  std::unordered_map<std::string, std::uint32_t> names_;  // by attribute_key()
  std::unordered_map<std::string, std::uint32_t> texts_;
  std::vector<Value> values_;
  std::uint64_t text_bytes_ = 0;  // of names and texts
};

// A page is closed before it would pass this; one entry may be larger.
inline constexpr std::size_t kAttributesPageBytes = 32'768;
// Of attribute_key() of a name whose every byte is escaped.
inline constexpr std::size_t kMaxAttributeKey = 1 + 2 * kMaxMetadataText + 2 + 1 + kMaxMetadataText;

}  // namespace kedge
