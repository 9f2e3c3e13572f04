// Blocks to chunks: runs of neighbouring blocks within a token budget, cut at points anchored in
// content, so that an insertion at the front moves few cuts and an append moves none but the last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "extract/extractor.h"

namespace kedge {

struct ChunkerOptions {
  std::size_t max_tokens = 0;  // of the text with its context, special tokens not counted; required
  std::size_t target_tokens =
      0;  // where cuts are looked for; 0: the default fraction of max_tokens
};

// A chunk: one contiguous byte range of the raw object and its text; neighbouring chunks do not
// overlap.
struct Chunk {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t line_first = 0;
  std::uint64_t line_last = 0;
  std::uint64_t row_first = 0;
  std::uint64_t row_last = 0;
  std::string context;  // SpanContext::context of its bytes
  std::string text;     // == extract_span(raw[begin, end), {media_type, charset, context})
};

using TokenCounter = std::function<std::size_t(std::string_view)>;

// Blocks longer than the budget are cut at sentences, then words, then characters, never inside a
// UTF-8 sequence of the raw charset or an HTML tag.
Result<std::vector<Chunk>> make_chunks(ByteView raw, const Extraction& extraction,
                                       const ChunkerOptions& options,
                                       const TokenCounter& count_tokens);

// Part of the recipe.
inline constexpr std::uint32_t kChunkerVersion = 1;

}  // namespace kedge
