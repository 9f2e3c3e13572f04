// Plain text, source code and logs: lines as they are, without blanks at their ends. No context.
#include "extract/scan.h"

namespace kedge {
namespace {

// Without the escape sequences (ESC [ ... letter) that colour a terminal.
void put_without_colours(std::string_view text, std::size_t begin, std::size_t end,
                         BlockSink& sink) {
  while (begin < end) {
    const std::size_t escape = std::min(text.find('\x1b', begin), end);
    sink.put(text.substr(begin, escape - begin), begin);
    begin = escape;
    if (begin == end) return;
    ++begin;
    if (begin >= end || text[begin] != '[') continue;
    ++begin;
    while (begin < end && !(text[begin] >= '@' && text[begin] <= '~')) ++begin;
    if (begin < end) ++begin;
  }
}

// A line that belongs to the entry above it: indented, or a part of a stack trace.
bool continues_entry(std::string_view line) {
  if (is_space(line.front()) || line.front() == '}' || line.front() == ')') return true;
  for (const std::string_view head : {"Caused by:", "Suppressed:", "Traceback (", "... ", "at "}) {
    if (line.starts_with(head)) return true;
  }
  // "java.lang.IllegalStateException: message", "ValueError: message".
  std::size_t end = 0;
  while (end < line.size() && (is_alnum(line[end]) || line[end] == '.' || line[end] == '_')) ++end;
  const std::string_view name = line.substr(0, end);
  const bool stops = end == line.size() || line[end] == ':';
  return stops && (name.ends_with("Error") || name.ends_with("Exception"));
}

}  // namespace

Status scan_text(const ScanInput& input, BlockKind kind, BlockSink& sink) {
  const std::string_view text = input.text;
  std::size_t last_end = 0;
  std::size_t last_line = 0;
  for (std::size_t at = 0; at < text.size() && !sink.full();) {
    const Line line = line_at(text, at);
    at = line.next;
    const std::size_t end = trimmed_end(text, line);
    if (end == line.begin) {
      if (sink.is_open()) sink.close(last_end);
      continue;
    }
    if (sink.is_open()) {
      sink.put_as("\n", last_line);
    } else {
      sink.open(kind, line.begin, "");
    }
    sink.put(text.substr(line.begin, end - line.begin), line.begin);
    last_end = end;
    last_line = line.end;
  }
  if (sink.is_open()) sink.close(last_end);
  return sink.status();
}

Status scan_log(const ScanInput& input, BlockSink& sink) {
  const std::string_view text = input.text;
  std::size_t last_end = 0;
  std::size_t last_line = 0;
  for (std::size_t at = 0; at < text.size() && !sink.full();) {
    const Line line = line_at(text, at);
    at = line.next;
    const std::size_t end = trimmed_end(text, line);
    if (end == line.begin) continue;
    const bool continues =
        sink.is_open() && continues_entry(text.substr(line.begin, end - line.begin));
    if (continues) {
      sink.put_as("\n", last_line);
    } else {
      if (sink.is_open()) sink.close(last_end);
      sink.open(BlockKind::kLogLines, line.begin, "");
    }
    put_without_colours(text, line.begin, end, sink);
    last_end = end;
    last_line = line.end;
  }
  if (sink.is_open()) sink.close(last_end);
  return sink.status();
}

}  // namespace kedge
