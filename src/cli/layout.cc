#include "cli/layout.h"

#include <algorithm>

#include "cli/terminal_text.h"
#include "cli/units.h"

namespace kedge::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 8;  // of a flexible column and of a wrapped paragraph

struct Word {
  std::string text;
  bool marked = false;
};

// The first bytes of a text that fit into `width` columns, at least one character.
std::size_t fitting_bytes(std::string_view text, std::size_t width) {
  std::size_t used = 0, columns = 0;
  while (used < text.size()) {
    const Character character = decode(text, used);
    columns += display_width(text.substr(used, character.bytes));
    if (columns > width && used > 0) break;
    used += character.bytes;
  }
  return used;
}

void append_words(std::vector<Word>& words, std::string_view text, bool marked, std::size_t width) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(' ', at);
    if (begin == std::string_view::npos) return;
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    for (std::string_view left = text.substr(begin, end - begin); !left.empty();) {
      const std::size_t bytes = fitting_bytes(left, width);
      words.push_back({std::string(left.substr(0, bytes)), marked});
      left.remove_prefix(bytes);
    }
    at = end;
  }
}

using Line = std::vector<Word>;

std::vector<Line> fill(std::vector<Word> words, std::size_t width) {
  std::vector<Line> lines;
  std::size_t used = 0;
  for (Word& word : words) {
    const std::size_t columns = display_width(word.text);
    if (lines.empty() || used + 1 + columns > width) {
      lines.emplace_back();
      used = columns;
    } else {
      used += 1 + columns;
    }
    lines.back().push_back(std::move(word));
  }
  return lines;
}

// `open`: the marked part began on a line above. `stays_open`: it goes on below.
std::string render_line(const Line& line, const Marks& marks, bool open = false,
                        bool stays_open = false) {
  std::string out;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (open && !line[i].marked) {
      out += marks.end;
      open = false;
    }
    if (i != 0) out += ' ';
    if (!open && line[i].marked) {
      out += marks.begin;
      open = true;
    }
    out += line[i].text;
  }
  return open && !stays_open ? out + marks.end : out;
}

bool has_mark(const Line& line) {
  return std::any_of(line.begin(), line.end(), [](const Word& word) { return word.marked; });
}

}  // namespace

std::string Table::render(std::size_t width, std::string_view indent) const {
  std::vector<std::size_t> widths(columns_.size());
  const bool titled = std::any_of(columns_.begin(), columns_.end(),
                                  [](const Column& column) { return !column.title.empty(); });
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths[i] = display_width(columns_[i].title);
    for (const auto& row : rows_) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::size_t total = indent.size() + kGap * (columns_.empty() ? 0 : columns_.size() - 1);
  for (const std::size_t column : widths) total += column;
  for (std::size_t i = 0; i < columns_.size() && total > width; ++i) {
    if (!columns_[i].flexible) continue;
    const std::size_t wanted = widths[i] - std::min(widths[i], total - width);
    const std::size_t now = std::min(widths[i], std::max(wanted, kNarrowest));
    total -= widths[i] - now;
    widths[i] = now;
  }
  std::string out;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line(indent);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string cell = shorten(cells[i], widths[i]);
      const std::string pad(widths[i] - std::min(widths[i], display_width(cell)), ' ');
      if (i != 0) line.append(kGap, ' ');
      line += columns_[i].align == Align::kRight ? pad + cell : cell + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  if (titled) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    add_line(titles);
  }
  for (const auto& row : rows_) add_line(row);
  return out;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  width = std::max(width, kNarrowest);
  std::vector<Word> words;
  append_words(words, text, false, width);
  std::vector<std::string> out;
  for (const Line& line : fill(std::move(words), width)) out.push_back(render_line(line, {}));
  return out;
}

std::string scope_lines(const std::vector<std::string>& include,
                        const std::vector<std::string>& exclude) {
  constexpr std::size_t kShown = 5;
  std::string out;
  const auto add = [&](const char* what, const std::vector<std::string>& patterns) {
    if (patterns.empty()) return;
    out += std::string("  ") + what;
    for (std::size_t i = 0; i < std::min(patterns.size(), kShown); ++i)
      out += (i == 0 ? " " : ", ") + visible(patterns[i]);
    if (patterns.size() > kShown)
      out += " and " + std::to_string(patterns.size() - kShown) + " more";
    out += '\n';
  };
  add("only", include);
  add("without", exclude);
  return out;
}

std::vector<std::string> excerpt(std::string_view text, std::pair<std::size_t, std::size_t> best,
                                 std::size_t width, std::size_t max_lines, const Marks& marks) {
  // Marks that are seen take columns too, and so do the ellipses.
  const bool coloured = !marks.begin.empty() && marks.begin[0] == '\x1b';
  const std::size_t edge = coloured ? 2 : 2 + display_width(marks.begin) + display_width(marks.end);
  width = std::max(width, kNarrowest + edge) - edge;
  const std::size_t begin = std::min(best.first, text.size());
  const std::size_t end = std::clamp(best.second, begin, text.size());
  std::vector<Word> words;
  append_words(words, visible_flowing(text.substr(0, begin)), false, width);
  append_words(words, visible_flowing(text.substr(begin, end - begin)), true, width);
  append_words(words, visible_flowing(text.substr(end)), false, width);
  const std::vector<Line> lines = fill(std::move(words), width);

  const auto found = std::find_if(lines.begin(), lines.end(), has_mark);
  std::size_t first = found == lines.end() ? 0 : static_cast<std::size_t>(found - lines.begin());
  // One line before the best part shows where it stands, unless the part needs the room.
  if (first > 0 && max_lines > 1) --first;
  if (lines.size() <= max_lines) first = 0;
  if (first + max_lines > lines.size()) first = lines.size() - std::min(lines.size(), max_lines);
  const std::size_t last = std::min(first + max_lines, lines.size());
  std::vector<std::string> out;
  for (std::size_t i = first; i < last; ++i) {
    // A colour begins and ends on each line; written marks stand at the two ends of the part.
    const bool above =
        !coloured && i > first && lines[i - 1].back().marked && lines[i].front().marked;
    const bool below = !coloured && i + 1 < last && lines[i + 1].front().marked;
    std::string line = render_line(lines[i], marks, above, below && lines[i].back().marked);
    if (i == first && first > 0) line = "…" + line;
    if (i + 1 == last && last < lines.size()) line += "…";
    out.push_back(std::move(line));
  }
  return out;
}

std::string usage_line(const std::string& of, const StoreUsage& index, const StoreUsage& source) {
  if (!index.billed && !source.billed) return "";
  const std::pair<const char*, std::uint64_t> kinds[] = {
      {"GET", index.reads + source.reads},
      {"HEAD", index.stats + source.stats},
      {"LIST", index.lists + source.lists},
      {"PUT", index.puts + index.creates + index.swaps},
      {"DELETE", index.removes},
      {"sent twice", index.hedges + source.hedges},
  };
  std::string out;
  for (const auto& [name, count] : kinds) {
    if (count > 0) out += (out.empty() ? "" : ", ") + format_count(count) + " " + name;
  }
  return of + ": " + (out.empty() ? "none" : out) + "; about " +
         format_usd(index.cost_usd + source.cost_usd) + "\n";
}

}  // namespace kedge::cli
