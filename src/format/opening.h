// The opening file: copies of the blocks that opening an index reads behind its head, so that who
// opens it can read them beside the head, in one round. A hint: it is replaced now and then, may be
// old or lost, and nothing is believed of it that the head does not name. docs/format.md,
// "Opening".
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"

namespace kedge {

inline constexpr std::string_view kOpeningFolder = "opening/";
inline constexpr std::string_view kOpeningKey = "opening/blocks";  // under the index's prefix
inline constexpr std::size_t kMaxOpeningBlocks = 1024;

struct OpeningBlock {
  Id128 file;                // of which it is a part
  std::uint64_t offset = 0;  // there
  std::uint32_t crc = 0;     // CRC-32C of its bytes, as the head has it
  ByteView bytes;            // borrowed; not empty
};

// Precondition: at most kMaxOpeningBlocks, sorted by file and offset, no two alike.
Bytes encode_opening(std::span<const OpeningBlock> blocks);
// Blocks borrow `bytes`. Their checksums are for who takes one to compare with the head's, and with
// the bytes. kCorrupt with the rule and offset; kUnsupported for another version.
Result<std::vector<OpeningBlock>> parse_opening(ByteView bytes);

}  // namespace kedge
