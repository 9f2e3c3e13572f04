#include "extract/extractor.h"

#include <algorithm>

#include "base/allocation.h"
#include "base/strings.h"
#include "extract/charset.h"
#include "extract/scan.h"

namespace kedge {
namespace {

Status scan(std::string_view media_type, ScanInput input, BlockSink& sink) {
  if (media_type == kTypeText) return scan_text(input, BlockKind::kParagraph, sink);
  if (media_type == kTypeSource) return scan_text(input, BlockKind::kCode, sink);
  if (media_type == kTypeLog) return scan_log(input, sink);
  if (media_type == kTypeMarkdown) return scan_markdown(input, sink);
  if (media_type == kTypeHtml) return scan_html(input, sink);
  if (media_type == kTypeJson) return scan_json(input, sink);
  if (media_type == kTypeJsonLines) return scan_json_lines(input, sink);
  input.tabs = media_type == kTypeTsv;
  if (media_type == kTypeCsv || input.tabs) return scan_csv(input, sink);
  return {Code::kUnsupported,
          str_cat("media type '", printable(media_type), "' is not read by this version")};
}

Status check_size(ByteView raw) {
  if (raw.size() <= kMaxExtractBytes) return {};
  return {Code::kExhausted,
          str_cat("object of ", raw.size(), " bytes is larger than the extractor's limit of ",
                  kMaxExtractBytes)};
}

// Counts lines for offsets that do not decrease.
class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}
  std::uint64_t line_of(std::size_t at) {
    for (; at_ < at; ++at_) {
      const char c = text_[at_];
      const bool pair = c == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n';
      line_ += (c == '\n' || (c == '\r' && !pair)) ? 1 : 0;
    }
    return line_;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::uint64_t line_ = 1;
};

struct Scanned {
  Decoded decoded;
  BlockSink sink;
};

Result<Scanned> scan_span(ByteView bytes, const SpanContext& context, bool mapped) {
  KEDGE_TRY(check_size(bytes));
  Scanned scanned{KEDGE_TRY(decode(bytes, context.charset)), BlockSink(mapped)};
  KEDGE_TRY(scan(context.media_type, {.text = scanned.decoded.text(), .context = context.context},
                 scanned.sink));
  return scanned;
}

std::string first_heading(const std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    if (block.kind == BlockKind::kHeading) return block.text;
  }
  return "";
}

}  // namespace

std::string_view separator(BlockKind before, BlockKind after) {
  const bool lines = after == BlockKind::kListItem || after == BlockKind::kTableRow ||
                     after == BlockKind::kField || after == BlockKind::kLogLines;
  return before == after && lines ? "\n" : "\n\n";
}

Result<Extraction> extract(ByteView raw, const ExtractHint& hint) try {
  KEDGE_TRY(check_size(raw));
  const TypeDecision type = decide_type(hint, raw.first(std::min(raw.size(), kMaxSniffBytes)));
  if (!type.readable) return {Code::kUnsupported, type.reason};
  const CharsetGuess guess = detect_charset(raw, type.media_type == kTypeHtml);
  const Decoded decoded = KEDGE_TRY(decode(raw.subspan(guess.bom_size), guess.charset));

  BlockSink sink(false);
  KEDGE_TRY(scan(type.media_type, {.text = decoded.text(), .context = "", .whole = true}, sink));

  Extraction extraction;
  extraction.media_type = type.media_type;
  extraction.charset = guess.charset;
  extraction.contexts = sink.contexts();
  extraction.blocks.reserve(sink.blocks.size());
  extraction.context_of_block.reserve(sink.blocks.size());
  LineCounter lines(decoded.text());
  for (ScannedBlock& from : sink.blocks) {
    Block block;
    block.kind = from.kind;
    block.level = from.level;
    block.begin = guess.bom_size + decoded.raw_offset(from.begin);
    block.end = guess.bom_size + decoded.raw_offset(from.end);
    block.line_first = lines.line_of(from.begin);
    block.line_last = lines.line_of(from.end);
    block.row = from.row;
    block.text = std::move(from.text);
    extraction.blocks.push_back(std::move(block));
    extraction.context_of_block.push_back(from.context);
  }
  extraction.title = sink.title.empty() ? first_heading(extraction.blocks) : std::move(sink.title);
  return extraction;
} catch (...) {
  return memory_error("text");
}

Result<std::string> extract_span(ByteView bytes, const SpanContext& context) try {
  const Scanned scanned = KEDGE_TRY(scan_span(bytes, context, false));
  std::string text;
  const ScannedBlock* before = nullptr;
  for (const ScannedBlock& block : scanned.sink.blocks) {
    if (before) text += separator(before->kind, block.kind);
    text += block.text;
    before = &block;
  }
  return text;
} catch (...) {
  return memory_error("text");
}

Result<MappedText> map_span(ByteView bytes, const SpanContext& context) try {
  const Scanned scanned = KEDGE_TRY(scan_span(bytes, context, true));
  const auto raw = [&scanned](std::size_t at) {
    return static_cast<std::uint32_t>(scanned.decoded.raw_offset(at));
  };
  MappedText mapped;
  const ScannedBlock* before = nullptr;
  for (const ScannedBlock& block : scanned.sink.blocks) {
    if (before) mapped.text += separator(before->kind, block.kind);
    const std::uint32_t first = raw(block.source.front());
    mapped.offsets.resize(mapped.text.size(), first);
    mapped.text += block.text;
    std::uint32_t last = mapped.offsets.empty() ? 0 : mapped.offsets.back();
    for (const std::uint32_t at : block.source)
      mapped.offsets.push_back(last = std::max(last, raw(at)));
    before = &block;
  }
  const std::string_view text = scanned.decoded.text();
  for (std::size_t at = line_at(text, 0).next; at < text.size(); at = line_at(text, at).next) {
    mapped.line_starts.push_back(raw(at));
  }
  return mapped;
} catch (...) {
  return memory_error("text");
}

Result<std::string> context_after(ByteView bytes, const SpanContext& context) try {
  const Scanned scanned = KEDGE_TRY(scan_span(bytes, context, false));
  return scanned.sink.end_context;
} catch (...) {
  return memory_error("text");
}

}  // namespace kedge
