// Markdown by lines (docs/adr/0003-scanners-instead-of-trees.md says why not md4c): front matter,
// headings, paragraphs, list items, fences, indented code, tables. Context: "front" inside front
// matter, "table" in the rows of a table, "comment", and the fence itself, as "```", inside a
// fenced block; empty elsewhere.
#include <algorithm>

#include "extract/markdown_inline.h"
#include "extract/scan.h"

namespace kedge {
namespace {

constexpr std::size_t kMaxFence = 64;

std::string_view strip(std::string_view line) {
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  return line;
}

// The fence that a line opens: its run of ` or ~, empty if none.
std::string_view fence_of(std::string_view line) {
  line = strip(line);
  if (line.size() < 3 || (line[0] != '`' && line[0] != '~')) return {};
  const std::size_t run = std::min(line.find_first_not_of(line[0]), line.size());
  const bool inline_code = line[0] == '`' && line.find('`', run) != std::string_view::npos;
  return run < 3 || run > kMaxFence || inline_code ? std::string_view() : line.substr(0, run);
}

bool closes_fence(std::string_view line, std::string_view fence) {
  line = strip(line);
  return line.size() >= fence.size() && line.find_first_not_of(fence[0]) == std::string_view::npos;
}

// A line of only one character, with blanks: "---", "***", "= = =".
bool only(std::string_view line, char c, bool blanks) {
  std::size_t count = 0;
  for (const char x : line) {
    if (x == c) {
      ++count;
    } else if (!(blanks && is_space(x))) {
      return false;
    }
  }
  return count >= (blanks ? 3 : 1);
}

bool is_break(std::string_view line) {
  line = strip(line);
  return !line.empty() && (line[0] == '-' || line[0] == '*' || line[0] == '_') &&
         only(line, line[0], true);
}

// |---|:--:| between a table's header and its rows.
bool is_delimiter_row(std::string_view line) {
  line = strip(line);
  return line.find('|') != std::string_view::npos && line.find('-') != std::string_view::npos &&
         line.find_first_not_of("|-: \t") == std::string_view::npos;
}

std::size_t indentation(std::string_view line) {
  std::size_t columns = 0;
  for (const char c : line) {
    if (c == ' ') {
      ++columns;
    } else if (c == '\t') {
      columns += 4;
    } else {
      break;
    }
  }
  return columns;
}

// The size of "- ", "* ", "+ " at the front; numbers ("1. ") are kept as text: 0 size, but an item
// all the same.
struct Marker {
  bool item = false;
  std::size_t size = 0;
};
Marker list_marker(std::string_view line) {
  if (line.empty()) return {};
  if (line[0] == '-' || line[0] == '*' || line[0] == '+') {
    if (line.size() == 1) return {true, 1};
    const bool item = is_space(line[1]);
    return {item, item ? std::size_t{2} : 0};
  }
  std::size_t digits = 0;
  while (digits < line.size() && is_digit(line[digits])) ++digits;
  const bool item = digits > 0 && digits <= 9 && digits + 1 < line.size() &&
                    (line[digits] == '.' || line[digits] == ')') && is_space(line[digits + 1]);
  return {item, 0};
}

std::uint8_t heading_level(std::string_view line) {
  const std::size_t run = std::min(line.find_first_not_of('#'), line.size());
  return run >= 1 && run <= 6 && (run == line.size() || is_space(line[run]))
             ? static_cast<std::uint8_t>(run)
             : 0;
}

// [label]: address
bool is_definition(std::string_view line) {
  if (line.size() < 4 || line[0] != '[' || line[1] == '^') return false;
  const std::size_t close = line.find(']');
  return close != std::string_view::npos && close + 2 < line.size() && line[close + 1] == ':' &&
         is_space(line[close + 2]);
}

class MarkdownScanner {
 public:
  MarkdownScanner(const ScanInput& input, BlockSink& sink)
      : text_(input.text), sink_(sink), state_(input.context) {
    if (input.whole) enter_front_matter();
  }

  Status run() {
    while (at_ < text_.size() && !sink_.full()) {
      line_ = line_at(text_, at_);
      end_ = trimmed_end(text_, line_);
      take_line(text_.substr(line_.begin, end_ - line_.begin));
      at_ = std::max(at_, line_.next);
    }
    flush();
    sink_.end_context = state_;
    return sink_.status();
  }

 private:
  void enter_front_matter() {
    const Line first = line_at(text_, 0);
    if (text_.substr(0, trimmed_end(text_, first)) != "---") return;
    // Front matter that is never closed is a thematic break.
    constexpr std::size_t kMaxFrontMatter = std::size_t{64} << 10;
    for (Line line = line_at(text_, first.next);
         line.begin < std::min(text_.size(), kMaxFrontMatter); line = line_at(text_, line.next)) {
      const std::string_view content =
          text_.substr(line.begin, trimmed_end(text_, line) - line.begin);
      if (content == "---" || content == "...") {
        state_ = "front";
        at_ = first.next;
        return;
      }
    }
  }

  void take_line(std::string_view line) {
    if (state_ == "front") return front_line(line);
    if (state_ == "comment") return comment_line(line);
    if (!state_.empty() && state_ != "table") return fence_line(line);
    if (is_blank(line)) {
      state_.clear();
      return flush();
    }
    std::size_t content = content_begin(line);
    const std::string_view rest = line.substr(content);
    if (rest.empty()) return flush();
    const std::string_view fence = fence_of(rest);
    if (!fence.empty()) return open_fence(fence);
    if (state_ == "table") return table_row(content);
    const bool continues = building() && quoted(line) == quoted_;
    if (indentation(line) >= 4 && !continues && !list_marker(rest).item && !quoted(line)) {
      flush();
      return indented_code();
    }
    if (building() && setext(rest)) return;
    if (is_break(rest)) return flush();
    if (rest.starts_with("<!--") && rest.find("-->") == std::string_view::npos) {
      flush();
      state_ = "comment";
      return;
    }
    const std::uint8_t level = heading_level(rest);
    if (level > 0) return heading(content, level);
    if (rest[0] == '|') return table_row(content);
    if (heads_table(rest)) {
      table_row(content);
      // What makes it a table is part of the block, or its bytes alone would be a paragraph.
      return take_delimiter_row();
    }
    // In the middle of a paragraph it is text; behind a quote, or in one behind a paragraph, it is
    // not in the middle.
    if (!continues && is_definition(rest)) return flush();
    const Marker marker = list_marker(rest);
    if (marker.item) {
      flush();
      begin_inline(BlockKind::kListItem, 0);
      return add_inline(line_.begin + content + marker.size);
    }
    if (quoted(line) != quoted_) flush();
    if (!building()) begin_inline(BlockKind::kParagraph, 0);
    quoted_ = quoted(line);
    add_inline(line_.begin + content);
  }

  static bool quoted(std::string_view line) {
    const std::size_t first = line.find_first_not_of(" \t");
    return first != std::string_view::npos && line[first] == '>';
  }

  // Where the line's content begins, after indentation and the marks of block quotes.
  static std::size_t content_begin(std::string_view line) {
    std::size_t at = 0;
    while (at < line.size() && (is_space(line[at]) || line[at] == '>')) ++at;
    return at;
  }

  void front_line(std::string_view line) {
    if (line == "---" || line == "...") {
      close_code();
      state_.clear();
      return;
    }
    if (line.starts_with("title:")) {
      std::string_view title = strip(line.substr(6));
      if (title.size() > 1 && (title[0] == '"' || title[0] == '\'') && title.back() == title[0]) {
        title = title.substr(1, title.size() - 2);
      }
      sink_.title = title;
    }
    code_line(BlockKind::kField, state_);
  }

  void comment_line(std::string_view line) {
    if (line.find("-->") != std::string_view::npos) state_.clear();
  }

  void open_fence(std::string_view fence) {
    flush();
    sink_.open(BlockKind::kCode, line_.begin, state_ == "table" ? "table" : "");
    state_ = fence;
    code_end_ = end_;
  }

  void fence_line(std::string_view line) {
    if (closes_fence(line, state_)) {
      if (!sink_.is_open()) sink_.open(BlockKind::kCode, line_.begin, state_);
      code_end_ = end_;
      state_.clear();
      return close_code();
    }
    code_line(BlockKind::kCode, state_);
  }

  void indented_code() {
    code_line(BlockKind::kCode, "");
    // Each further indented line is looked at again: the block ends with its first other line.
    while (line_.next < text_.size()) {
      const Line next = line_at(text_, line_.next);
      const std::string_view line = text_.substr(next.begin, trimmed_end(text_, next) - next.begin);
      if (is_blank(line) || indentation(line) < 4) break;
      line_ = next;
      end_ = trimmed_end(text_, next);
      code_line(BlockKind::kCode, "");
    }
    close_code();
  }

  // A line kept as it is.
  void code_line(BlockKind kind, std::string_view context) {
    if (!sink_.is_open()) sink_.open(kind, line_.begin, context);
    if (!sink_.current().text.empty()) sink_.put_as("\n", code_eol_);
    sink_.put(text_.substr(line_.begin, end_ - line_.begin), line_.begin);
    code_eol_ = line_.end;
    code_end_ = std::max(end_, line_.begin);
  }

  void close_code() {
    if (sink_.is_open()) sink_.close(code_end_);
  }

  // "===" or "---" below a paragraph makes it a heading.
  bool setext(std::string_view rest) {
    if (kind_ != BlockKind::kParagraph || quoted_) return false;
    const bool first = only(rest, '=', false);
    if (!first && !only(rest, '-', false)) return false;
    kind_ = BlockKind::kHeading;
    level_ = first ? 1 : 2;
    inline_end_ = end_;
    flush();
    return true;
  }

  void heading(std::size_t content, std::uint8_t level) {
    flush();
    begin_inline(BlockKind::kHeading, level, content);
    std::size_t begin = line_.begin + content + level;
    while (begin < end_ && is_space(text_[begin])) ++begin;
    // Closing hashes are decoration.
    std::size_t stop = end_;
    while (stop > begin && text_[stop - 1] == '#') --stop;
    if (stop < end_ && (stop == begin || is_space(text_[stop - 1]))) {
      while (stop > begin && is_space(text_[stop - 1])) --stop;
    } else {
      stop = end_;
    }
    append_inline(begin, stop);
    inline_end_ = end_;
    flush();
  }

  // A row without a bar at its front, above a delimiter row.
  bool heads_table(std::string_view rest) {
    if (rest.find('|') == std::string_view::npos || line_.next >= text_.size()) return false;
    const Line next = line_at(text_, line_.next);
    return is_delimiter_row(text_.substr(next.begin, next.end - next.begin));
  }

  void table_row(std::size_t content) {
    flush();
    const std::string context = state_;
    state_ = "table";
    const std::size_t begin = line_.begin + content;
    if (is_delimiter_row(text_.substr(begin, end_ - begin))) return;
    begin_inline(BlockKind::kTableRow, 0, content);
    inline_context_ = context;
    std::size_t cell = begin;
    for (std::size_t at = begin; at <= end_; ++at) {
      if (at < end_ && text_[at] == '\\') ++at;
      if (at < end_ && text_[at] != '|') continue;
      add_cell(cell, std::min(at, end_));
      cell = at + 1;
    }
    inline_end_ = end_;
  }

  void take_delimiter_row() {
    line_ = line_at(text_, line_.next);
    end_ = trimmed_end(text_, line_);
    inline_end_ = end_;
  }

  void add_cell(std::size_t begin, std::size_t end) {
    while (begin < end && is_space(text_[begin])) ++begin;
    while (end > begin && is_space(text_[end - 1])) --end;
    if (begin >= end) return;
    if (!inline_.text.empty()) separate(" | ", begin);
    append_inline(begin, end);
  }

  [[nodiscard]] bool building() const { return building_; }

  // `skip`: what is left out at the front of the line. Headings and rows leave out their
  // indentation, which right behind a paragraph means nothing and elsewhere would make them code.
  void begin_inline(BlockKind kind, std::uint8_t level, std::size_t skip = 0) {
    building_ = true;
    kind_ = kind;
    level_ = level;
    inline_begin_ = line_.begin + skip;
    inline_context_.clear();
    quoted_ = false;
  }

  // The rest of the line from `begin`, joined to the lines before; a break where two blanks or a
  // backslash asked for it.
  void add_inline(std::size_t begin) {
    std::size_t stop = end_;
    if (!inline_.text.empty()) separate(hard_break_ ? "\n" : " ", begin);
    hard_break_ = line_.end >= end_ + 2 || (stop > begin && text_[stop - 1] == '\\');
    if (stop > begin && text_[stop - 1] == '\\') --stop;
    append_inline(begin, stop);
    inline_end_ = end_;
  }

  void separate(std::string_view separator, std::size_t at) {
    inline_.text += separator;
    inline_.source.insert(inline_.source.end(), separator.size(), static_cast<std::uint32_t>(at));
  }

  void append_inline(std::size_t begin, std::size_t end) {
    if (begin >= end) return;
    inline_.text += text_.substr(begin, end - begin);
    for (std::size_t at = begin; at < end; ++at)
      inline_.source.push_back(static_cast<std::uint32_t>(at));
  }

  void flush() {
    close_code();
    if (building_) {
      sink_.open(kind_, inline_begin_, inline_context_, level_);
      put_inline(inline_, sink_);
      sink_.close(inline_end_);
    }
    building_ = false;
    hard_break_ = false;
    quoted_ = false;
    inline_.text.clear();
    inline_.source.clear();
  }

  std::string_view text_;
  BlockSink& sink_;
  std::string state_;
  std::size_t at_ = 0;
  Line line_;
  std::size_t end_ = 0;  // of the line, without blanks
  std::size_t code_end_ = 0;
  std::size_t code_eol_ = 0;

  bool building_ = false;
  bool hard_break_ = false;
  bool quoted_ = false;
  BlockKind kind_ = BlockKind::kParagraph;
  std::uint8_t level_ = 0;
  InlineText inline_;
  std::string inline_context_;
  std::size_t inline_begin_ = 0;
  std::size_t inline_end_ = 0;
};

}  // namespace

Status scan_markdown(const ScanInput& input, BlockSink& sink) {
  return MarkdownScanner(input, sink).run();
}

}  // namespace kedge
