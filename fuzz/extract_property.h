// What holds for any bytes that are read as one format: extracting ends without a crash, locators
// lie inside the object and in order, and the bytes of a block or of a run of blocks, alone, give
// the same text again (docs/extract.md, "The rule").
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/utf8.h"
#include "extract/extractor.h"
#include "ingest/chunker.h"

namespace kedge::fuzz {

// At most a token a byte, and for joined texts the sum.
inline std::size_t count_words(std::string_view text) {
  std::size_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    words += !blank && !inside;
    inside = !blank;
  }
  return words;
}

inline void check_text(std::string_view text) {
  KEDGE_CHECK(!text.empty());
  KEDGE_CHECK(!find_invalid_utf8(text).has_value());
}

inline void check_blocks(ByteView raw, const Extraction& extraction) {
  KEDGE_CHECK(extraction.context_of_block.size() == extraction.blocks.size());
  KEDGE_CHECK(!find_invalid_utf8(extraction.title).has_value());
  std::uint64_t end = 0;
  std::uint64_t line = 1;
  std::uint64_t row = 0;
  for (std::size_t i = 0; i < extraction.blocks.size(); ++i) {
    const Block& block = extraction.blocks[i];
    KEDGE_CHECK(block.begin >= end && block.end > block.begin && block.end <= raw.size());
    KEDGE_CHECK(block.line_first >= line && block.line_last >= block.line_first);
    KEDGE_CHECK(block.row == 0 || block.row >= row);
    KEDGE_CHECK(extraction.context_of_block[i] < extraction.contexts.size());
    check_text(block.text);
    end = block.end;
    line = block.line_first;
    row = block.row;
    const SpanContext context{extraction.media_type, extraction.charset,
                              extraction.contexts[extraction.context_of_block[i]]};
    const ByteView bytes = raw.subspan(block.begin, block.end - block.begin);
    const auto span = extract_span(bytes, context);
    KEDGE_CHECK(span.ok());
    KEDGE_CHECK(*span == block.text);
    const auto mapped = map_span(bytes, context);
    KEDGE_CHECK(mapped.ok() && mapped->text == block.text);
    KEDGE_CHECK(mapped->offsets.size() == mapped->text.size());
    KEDGE_CHECK(std::ranges::is_sorted(mapped->offsets));
    KEDGE_CHECK(mapped->offsets.back() < bytes.size());
    KEDGE_CHECK(context_after(bytes, context).ok());
  }
}

inline void check_chunks(ByteView raw, const Extraction& extraction) {
  const auto chunks = make_chunks(raw, extraction, {.max_tokens = kSafeMaxTokens}, count_words);
  KEDGE_CHECK(chunks.ok());
  std::uint64_t end = 0;
  for (const Chunk& chunk : *chunks) {
    KEDGE_CHECK(chunk.begin >= end && chunk.end > chunk.begin && chunk.end <= raw.size());
    KEDGE_CHECK(count_words(chunk.text) <= kSafeMaxTokens);
    check_text(chunk.text);
    const auto span = extract_span(raw.subspan(chunk.begin, chunk.end - chunk.begin),
                                   {extraction.media_type, extraction.charset, chunk.context});
    KEDGE_CHECK(span.ok());
    KEDGE_CHECK(*span == chunk.text);
    end = chunk.end;
  }
}

inline int check_extraction(const std::uint8_t* data, std::size_t size, std::string_view key,
                            std::string_view media_type) {
  const ByteView raw(reinterpret_cast<const std::byte*>(data), size);
  const auto extraction = extract(raw, {.key = key, .media_type = ""});
  if (!extraction.ok() || extraction->media_type != media_type) return 0;
  check_blocks(raw, *extraction);
  check_chunks(raw, *extraction);
  return 0;
}

}  // namespace kedge::fuzz
