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
  std::size_t target_tokens = 0;  // the mean size aimed at; 0: kTargetPercent of max_tokens
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

// Must count at most one token a byte, and for two texts joined by white space at most the sum of
// both, as WordPiece does: each block is counted once, and chunks are sums.
using TokenCounter = std::function<std::size_t(std::string_view)>;

// Where a chunk ends is decided by the blocks around the place and hardly by where the chunk began:
// a heading, or the block whose hash is the least within a radius of itself. Nothing behind a
// chunk's window of max_tokens has a say, so that an append moves no cut that was there. Blocks
// longer than the budget are cut at sentences, then words, then within words, never inside a
// character of the raw charset, an HTML tag, an escape or a character reference. kInvalid:
// max_tokens is 0, or so small that one piece does not fit (never from kSafeMaxTokens on).
Result<std::vector<Chunk>> make_chunks(ByteView raw, const Extraction& extraction,
                                       const ChunkerOptions& options,
                                       const TokenCounter& count_tokens);

// The mean of chunk sizes with windows of max_tokens: lists of random blocks of 5 to 200 tokens,
// 254 at most.
inline constexpr std::size_t kTargetPercent = 57;
// The radius within which a cut must be the best, of a chunk's window.
inline constexpr std::size_t kRadiusPercent = 40;
// A name, its value's smallest piece and what divides them always fit.
inline constexpr std::size_t kSafeMaxTokens = 160;

// Part of the recipe.
inline constexpr std::uint32_t kChunkerVersion = 1;

}  // namespace kedge
