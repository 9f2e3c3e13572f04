// CSV as RFC 4180 writes it and spreadsheets bend it: one record at a time, with the place of each
// field.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kedge {

// A field: [begin, end) is its content, inside the quotes if it has any.
struct CsvField {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool quoted = false;  // doubled quotes inside mean one
  bool open = false;    // the text ended before the closing quote
};

// Where a record begins: a piece of a long record may begin inside a field.
enum class CsvStart { kField, kInQuotes, kInField };

// Reads the record at `at`, and moves `at` behind its line end. A quote that is not closed within
// kMaxCsvQuoted bytes is a character like any other, or one stray quote would swallow the rest of a
// table.
void read_csv_record(std::string_view text, char delimiter, CsvStart start, std::size_t& at,
                     std::vector<CsvField>& fields);

// The delimiter that splits the first records most evenly: one of , ; tab |
char sniff_csv_delimiter(std::string_view text);

// Whether the first record names columns: all names present, distinct and no numbers, and a record
// follows.
bool has_csv_header(std::string_view text, char delimiter);

// The content of a field, white space collapsed, at most `size` bytes.
std::string csv_field_text(std::string_view text, const CsvField& field, std::size_t size);

inline constexpr std::size_t kMaxCsvQuoted = std::size_t{128} << 10;
inline constexpr std::size_t kMaxCsvColumns = 16384;
// Column names are recorded with each object; columns beyond this many bytes of names stay unnamed.
inline constexpr std::size_t kMaxCsvHeader = 4096;

}  // namespace kedge
