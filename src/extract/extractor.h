// Raw bytes of an object to text with locators. Every block of text knows the exact byte range of
// the raw object that it came from: extract_span() on exactly those bytes, with the recorded
// charset and context, gives the text again. Pure functions: no IO. The input is hostile.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace kedge {

inline constexpr std::string_view kTypeText = "text/plain";
inline constexpr std::string_view kTypeMarkdown = "text/markdown";
inline constexpr std::string_view kTypeHtml = "text/html";
inline constexpr std::string_view kTypeSource =
    "text/x-source";  // source code, configuration, XML: as they are
inline constexpr std::string_view kTypeCsv = "text/csv";
inline constexpr std::string_view kTypeTsv = "text/tab-separated-values";
inline constexpr std::string_view kTypeJson = "application/json";
inline constexpr std::string_view kTypeJsonLines = "application/x-ndjson";
inline constexpr std::string_view kTypeLog = "text/x-log";

enum class BlockKind : std::uint8_t {
  kHeading,
  kParagraph,
  kListItem,
  kCode,
  kTableRow,
  kRecord,    // an object in an array of JSON, a line of JSON Lines
  kField,     // a member of JSON outside of records, the front matter of Markdown
  kLogLines,  // an entry of a log with the lines that continue it
};

// A run of text that is not cut if it fits a chunk. Blocks are in order of their bytes and do not
// overlap.
struct Block {
  BlockKind kind = BlockKind::kParagraph;
  std::uint8_t level = 0;   // of a heading, 1 to 6
  std::uint64_t begin = 0;  // byte range of the raw object, [begin, end)
  std::uint64_t end = 0;
  std::uint64_t line_first = 0;  // 1-based lines of the raw object; 0 where lines mean nothing
  std::uint64_t line_last = 0;
  std::uint64_t row = 0;  // 1-based record number of CSV and JSON Lines; 0 elsewhere
  std::string text;       // UTF-8, whitespace normalised as the format says
};

// Which text a byte range yields beyond its own bytes: recorded with the object and, where it
// differs, the chunk.
struct SpanContext {
  std::string media_type;
  std::string charset = "UTF-8";  // an ICU converter name
  std::string
      context;  // format-specific, docs/extract.md: the columns of a CSV, the path of a JSON value
};

struct Extraction {
  std::string media_type;
  std::string charset;
  std::string title;  // first heading, <title>, or empty
  std::vector<Block> blocks;
  std::vector<std::string> contexts;            // distinct contexts
  std::vector<std::uint32_t> context_of_block;  // index into contexts, one a block
};

struct ExtractHint {
  std::string_view key;         // its suffix tells the type where the store's media type does not
  std::string_view media_type;  // from the store; may be empty or wrong
};

// The type of an object by its hint and first bytes, and whether this build reads it. `reason` says
// why not
// ("pdf is not read by this version"); such objects are skipped, not failed.
struct TypeDecision {
  std::string media_type;
  bool readable = false;
  std::string reason;
};
TypeDecision decide_type(const ExtractHint& hint, ByteView first_bytes);

// kUnsupported: decide_type() says no. kInvalid: broken beyond reading (bad JSON, unknown charset),
// with the offset. kExhausted: nesting or counts beyond the named limits.
Result<Extraction> extract(ByteView raw, const ExtractHint& hint);

// The text of bytes [begin, end) of an object, from those bytes alone. For blocks and for chunks
// (runs of blocks): the texts of the blocks with separator() between them.
Result<std::string> extract_span(ByteView bytes, const SpanContext& context);

// What stands between the texts of two neighbouring blocks: a line end between items of one list,
// table or log, else an empty line.
std::string_view separator(BlockKind before, BlockKind after);

// The text of a span and where it comes from, for cutting a block that is too long for one chunk. A
// cut before a character at text[i] is safe where offsets[i] > offsets[i - 1]: bytes that share an
// offset stand for one thing.
struct MappedText {
  std::string text;
  std::vector<std::uint32_t> offsets;  // of each byte of `text`, into the span; not decreasing
  std::vector<std::uint32_t>
      line_starts;  // offsets into the span where a line begins, without the first
};
Result<MappedText> map_span(ByteView bytes, const SpanContext& context);

// The context that holds behind `bytes`, given the one before them: what SpanContext::context must
// be for a span that begins there.
Result<std::string> context_after(ByteView bytes, const SpanContext& context);

// Larger objects are kExhausted: extraction holds an object and its text in memory.
inline constexpr std::size_t kMaxExtractBytes = std::size_t{256} << 20;

// Part of the recipe: another version means that objects count as changed.
inline constexpr std::uint32_t kExtractorVersion = 1;

}  // namespace kedge
