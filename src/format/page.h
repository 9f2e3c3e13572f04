// What the pieces of a segment have in common: the page header, varints, string tables, padding,
// and errors that name structure, rule and offset. docs/format.md, "Common rules".
//
// Every writer here is canonical: a value has one encoding, and readers refuse the others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace kedge {

inline constexpr std::size_t kPageAlignment = 64;
inline constexpr std::size_t kPageHeaderBytes = 16;
inline constexpr std::uint16_t kSegmentVersion = 2;

// kCorrupt: "<structure>: <rule> at offset <offset>".
Error corrupt(std::string_view structure, std::string_view rule, std::size_t offset);

// The first 16 bytes of every page:
//   offset   size   field
//   0        4      magic
//   4        2      version, 2
//   6        2      bits: of a keys page, log2 of the number of pages; else zero
//   8        4      count of what the page holds
//   12       4      first: number of the first of them; of a keys page, its own number
struct PageHeader {
  std::uint16_t bits = 0;
  std::uint32_t count = 0;
  std::uint32_t first = 0;
};
void put_page_header(ByteWriter& out, std::string_view magic, const PageHeader& header);
// kCorrupt for another magic or a page that is too short; kUnsupported for another version.
Result<PageHeader> get_page_header(ByteReader& in, std::string_view magic,
                                   std::string_view structure);

// Magic and version, as at the start of every structure, with the two zero bytes that follow.
void put_magic(ByteWriter& out, std::string_view magic, std::uint16_t version);
Status get_magic(ByteReader& in, std::string_view magic, std::uint16_t version,
                 std::string_view structure);

// Pages end at a multiple of 64: what is left must be fewer than 64 bytes, all zero.
Status check_padding(ByteReader& in, std::string_view structure);

// LEB128: seven bits a byte, low first; at most ten bytes, none of them superfluous.
void put_varint(ByteWriter& out, std::uint64_t value);
std::uint64_t get_varint(ByteReader& in);
// A varint of at most `max`; else the reader fails.
std::uint64_t get_varint(ByteReader& in, std::uint64_t max);
// 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
void put_zigzag(ByteWriter& out, std::int64_t value);
std::int64_t get_zigzag(ByteReader& in);
// A varint length of at most `max_size`, then the bytes.
void put_short_string(ByteWriter& out, std::string_view text);
std::string_view get_short_string(ByteReader& in, std::size_t max_size);

// The distinct strings that the entries of a page share, sorted; entries name them by number.
class StringTable {
 public:
  // Of a writer: gather with add(), then seal(), then number_of().
  void add(std::string_view text);
  void seal();
  [[nodiscard]] std::size_t number_of(std::string_view text) const;  // precondition: it was added
  void put(ByteWriter& out) const;

  // Of a reader: `count` strings, strictly increasing, each at most `max_size` bytes.
  static Result<StringTable> get(ByteReader& in, std::size_t count, std::size_t max_size,
                                 std::string_view structure);
  [[nodiscard]] std::size_t size() const { return strings_.size(); }
  [[nodiscard]] std::string_view operator[](std::size_t number) const { return strings_[number]; }

 private:
  std::vector<std::string_view> strings_;  // they borrow what was added or read
};

}  // namespace kedge
