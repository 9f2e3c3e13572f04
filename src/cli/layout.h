// Tables and wrapped paragraphs for people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kedge/usage.h"

namespace kedge::cli {

// Rows of visible texts (cli/terminal_text.h) in aligned columns, two spaces apart. The column
// named flexible is shortened until the rows fit the width.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    bool flexible = false;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  // With a line of titles unless all are empty. Each line ends with '\n'.
  [[nodiscard]] std::string render(std::size_t width, std::string_view indent = "") const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// A text broken between words into lines of at most `width` columns; words that are longer are cut.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

// What of a source is in scope, a line for each kind of pattern; "" for all of it.
std::string scope_lines(const std::vector<std::string>& include,
                        const std::vector<std::string>& exclude);

// How the part that answers is marked.
struct Marks {
  std::string begin, end;
};

// The lines of a text of a bucket around its best part (a byte range of the text): at most
// `max_lines` of `width` columns, the part inside marks, "…" where text was left out. White space
// is one space; what could steer a terminal is written out.
std::vector<std::string> excerpt(std::string_view text, std::pair<std::size_t, std::size_t> best,
                                 std::size_t width, std::size_t max_lines, const Marks& marks);

// "requests: 12 GET, 1 LIST, 3 PUT; about 0.000015 USD", of both together; "" where none of them
// went to a bucket. `of`: what they are.
std::string usage_line(const std::string& of, const StoreUsage& index, const StoreUsage& source);

}  // namespace kedge::cli
