#include "extract/csv.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "extract/scan.h"

namespace kedge {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// The closing quote of a field whose content begins at `at`; text.size() if the text ends first,
// kNone if it is too far.
std::size_t closing_quote(std::string_view text, std::size_t at) {
  const std::size_t begin = at;
  while (true) {
    at = text.find('"', at);
    if (std::min(at, text.size()) - begin > kMaxCsvQuoted) return kNone;
    if (at == std::string_view::npos) return text.size();
    if (at + 1 >= text.size() || text[at + 1] != '"') return at;
    at += 2;
  }
}

std::size_t unquoted_end(std::string_view text, char delimiter, std::size_t at) {
  while (at < text.size() && text[at] != delimiter && text[at] != '\n' && text[at] != '\r') ++at;
  return at;
}

bool is_number(std::string_view value) {
  const std::size_t digits =
      static_cast<std::size_t>(std::count_if(value.begin(), value.end(), is_digit));
  return digits > 0 && value.find_first_not_of("0123456789.,:+-/ $%eE") == std::string_view::npos;
}

}  // namespace

void read_csv_record(std::string_view text, char delimiter, CsvStart start, std::size_t& at,
                     std::vector<CsvField>& fields) {
  fields.clear();
  while (true) {
    // Blanks before an opening quote are not content.
    std::size_t first = at;
    while (first < text.size() && text[first] == ' ') ++first;
    const bool in_quotes = start == CsvStart::kInQuotes;
    const bool opens = start == CsvStart::kField && first < text.size() && text[first] == '"';
    const std::size_t content = in_quotes ? at : first + 1;
    const std::size_t close = in_quotes || opens ? closing_quote(text, content) : kNone;
    start = CsvStart::kField;
    CsvField field;
    if (close != kNone) {
      // What follows the closing quote up to the delimiter is dropped: mostly nothing, sometimes
      // blanks.
      field = {content, close, true, close == text.size()};
      at = unquoted_end(text, delimiter, std::min(close + 1, text.size()));
    } else {
      field = {at, unquoted_end(text, delimiter, at), false, false};
      at = field.end;
    }
    if (fields.size() < kMaxCsvColumns) fields.push_back(field);
    if (at < text.size() && text[at] == delimiter) {
      ++at;
      continue;
    }
    if (at < text.size()) at = line_at(text, at).next;
    return;
  }
}

char sniff_csv_delimiter(std::string_view text) {
  constexpr std::size_t kMaxSniffed = std::size_t{32} << 10;
  constexpr std::size_t kMaxRecords = 30;
  text = text.substr(0, kMaxSniffed);
  char best = ',';
  std::size_t best_score = 0;
  for (const char delimiter : {',', ';', '\t', '|'}) {
    std::vector<CsvField> fields;
    std::array<std::size_t, 256> records_of_width{};
    std::size_t records = 0;
    for (std::size_t at = 0; at < text.size() && records < kMaxRecords; ++records) {
      read_csv_record(text, delimiter, CsvStart::kField, at, fields);
      ++records_of_width[std::min<std::size_t>(fields.size(), 255)];
    }
    // Evenness counts most, then the number of columns.
    const auto most = std::max_element(records_of_width.begin() + 2, records_of_width.end());
    const auto width = static_cast<std::size_t>(most - records_of_width.begin());
    const std::size_t score = *most == 0 ? 0 : *most * 1000 + width;
    if (score > best_score) {
      best_score = score;
      best = delimiter;
    }
  }
  return best;
}

bool has_csv_header(std::string_view text, char delimiter) {
  std::vector<CsvField> fields;
  std::size_t at = 0;
  read_csv_record(text, delimiter, CsvStart::kField, at, fields);
  if (is_blank(text.substr(at, kMaxCsvQuoted))) return false;
  std::unordered_set<std::string> names;
  for (const CsvField& field : fields) {
    const std::string name = csv_field_text(text, field, kMaxShownName * 4);
    if (name.empty() || name.size() > kMaxShownName * 2 || is_number(name) ||
        !names.insert(name).second)
      return false;
  }
  return true;
}

std::string csv_field_text(std::string_view text, const CsvField& field, std::size_t size) {
  // A whole character more than is asked for: what is cut, is cut between two.
  const std::size_t enough = size + 4;
  std::string out;
  for (std::size_t at = field.begin; at < field.end && out.size() < enough; ++at) {
    const bool blank = is_space(text[at]);
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out += blank ? ' ' : text[at];
    if (field.quoted && text[at] == '"') ++at;
  }
  out.resize(utf8_prefix(out, size).size());
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace kedge
