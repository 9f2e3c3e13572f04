// JSON and JSON Lines: "path: value" lines, an object in an array is one record. Context: the open
// containers (JsonState::encode). In JSON Lines the context is that of the first line of a span,
// and "!" says that this line is not JSON and is kept as it is.
#include "extract/json_scanner.h"

namespace kedge {
namespace {

constexpr std::string_view kNotJson = "!";

}  // namespace

Status scan_json(const ScanInput& input, BlockSink& sink) {
  if (input.whole && is_blank(input.text)) return {};
  JsonState state = KEDGE_TRY(JsonState::parse(input.context));
  KEDGE_TRY(
      scan_json_value(input.text, 0, input.text.size(), {.fragment = !input.whole}, state, sink));
  sink.end_context = state.encode();
  return {};
}

Status scan_json_lines(const ScanInput& input, BlockSink& sink) {
  const std::string_view text = input.text;
  std::string context(input.context);
  std::uint64_t row = 0;
  for (std::size_t at = 0; at < text.size() && !sink.full();) {
    const Line line = line_at(text, at);
    at = line.next;
    const std::size_t end = trimmed_end(text, line);
    bool plain = context == kNotJson;
    JsonState state;
    if (!plain) state = KEDGE_TRY(JsonState::parse(context));
    context.clear();
    if (end == line.begin) continue;
    ++row;
    // A line that just ends too early is read as far as it goes: so is the first piece of one that
    // a chunk cuts.
    const JsonOptions options{.fragment = true, .record_root = true, .row = row};
    const std::size_t blocks = sink.blocks.size();
    if (!plain) {
      Status status = scan_json_value(text, line.begin, end, options, state, sink);
      if (!status.ok() && status.code() == Code::kExhausted) return status;
      plain = !status.ok();
    }
    if (plain) {
      sink.blocks.resize(blocks);
      sink.open(BlockKind::kRecord, line.begin, kNotJson, 0, row);
      sink.put(text.substr(line.begin, end - line.begin), line.begin);
      sink.close(end);
    }
    // Only the last line can be cut inside.
    if (line.next == line.end) context = plain ? std::string(kNotJson) : state.encode();
  }
  sink.end_context = context;
  return sink.status();
}

}  // namespace kedge
