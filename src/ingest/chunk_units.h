// The units that chunks are packed from: blocks, and the pieces of blocks that are longer than a
// chunk may be.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/chunker.h"

namespace kedge {

struct ChunkUnit {
  std::size_t block = 0;    // number of the block in the extraction
  bool piece = false;       // of a block that was cut
  std::uint64_t begin = 0;  // raw bytes
  std::uint64_t end = 0;
  std::uint64_t line_first = 0;
  std::uint64_t line_last = 0;
  std::size_t tokens = 0;
  std::uint8_t rank =
      0;  // how good a cut before it is: 1 to 6 a heading, then kBlockRank and the others
  std::uint64_t hash = 0;  // settles equal ranks: of the text that begins here
  std::string text;        // of a piece; blocks keep theirs in the extraction
};

inline constexpr std::uint8_t kBlockRank = 7;
inline constexpr std::uint8_t kSentenceRank = 8;
inline constexpr std::uint8_t kWordRank = 9;
inline constexpr std::uint8_t kCharacterRank = 10;
inline constexpr std::uint8_t kBehindHeadingRank = 11;
// Words longer than this are cut within.
inline constexpr std::size_t kMaxWordBytes = 64;

// All units of an extraction, in order. Each text is counted once; a block too long is counted
// again by its sentences, a sentence too long by its words.
Result<std::vector<ChunkUnit>> make_units(ByteView raw, const Extraction& extraction,
                                          std::size_t max_tokens, const TokenCounter& count_tokens);

// The text of one unit.
std::string_view unit_text(const ChunkUnit& unit, const Extraction& extraction);

}  // namespace kedge
