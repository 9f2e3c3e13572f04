// docs/format.md, "Opening".
//   offset   size      field
//   0        8         magic "KGOP", version, zero
//   8        4         count of blocks N, at most 1,024
//   12       4         zero
//   16       32 * N    file 16, offset u64, size u32, CRC-32C u32; increasing by file and offset
//            4         CRC-32C of every byte before it
//                      the blocks, in that order
#include "format/opening.h"

#include <algorithm>
#include <tuple>

#include "base/allocation.h"
#include "format/page.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGOP";
constexpr std::string_view kWhat = "opening";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 16;
constexpr std::size_t kEntryBytes = 32;

bool before(const OpeningBlock& a, const OpeningBlock& b) {
  return std::tie(a.file, a.offset) < std::tie(b.file, b.offset);
}

}  // namespace

Bytes encode_opening(std::span<const OpeningBlock> blocks) {
  KEDGE_CHECK(blocks.size() <= kMaxOpeningBlocks);
  for (std::size_t b = 1; b < blocks.size(); ++b) KEDGE_CHECK(before(blocks[b - 1], blocks[b]));
  ByteWriter out;
  put_magic(out, kMagic, kVersion);
  out.put(static_cast<std::uint32_t>(blocks.size()));
  out.put(std::uint32_t{0});
  for (const OpeningBlock& block : blocks) {
    KEDGE_CHECK(!block.bytes.empty() && block.bytes.size() <= UINT32_MAX);
    out.put_bytes(block.file.bytes);
    out.put(block.offset);
    out.put(static_cast<std::uint32_t>(block.bytes.size()));
    out.put(block.crc);
  }
  out.put(crc32c(out.view()));
  for (const OpeningBlock& block : blocks) out.put_bytes(block.bytes);
  return std::move(out).take();
}

Result<std::vector<OpeningBlock>> parse_opening(ByteView bytes) try {
  ByteReader in(bytes);
  KEDGE_TRY(get_magic(in, kMagic, kVersion, kWhat));
  const auto count = in.get<std::uint32_t>();
  const auto zero = in.get<std::uint32_t>();
  if (!in.ok()) return corrupt(kWhat, "cut short", bytes.size());
  if (count > kMaxOpeningBlocks) return corrupt(kWhat, "count out of range", 8);
  if (zero != 0) return corrupt(kWhat, "reserved bytes are not zero", 12);
  const std::size_t table = kHeaderBytes + kEntryBytes * count;
  if (bytes.size() < table + 4) return corrupt(kWhat, "cut short", bytes.size());
  ByteReader seal(bytes.subspan(table, 4));
  if (crc32c(bytes.first(table)) != seal.get<std::uint32_t>())
    return corrupt(kWhat, "checksum does not match", table);
  std::vector<OpeningBlock> blocks;
  std::size_t end = table + 4;
  for (std::uint32_t b = 0; b < count; ++b) {
    const std::size_t at = in.offset();
    OpeningBlock block;
    const ByteView id = in.get_bytes(block.file.bytes.size());
    std::copy(id.begin(), id.end(), block.file.bytes.begin());
    block.offset = in.get<std::uint64_t>();
    const auto size = in.get<std::uint32_t>();
    block.crc = in.get<std::uint32_t>();
    if (b > 0 && !before(blocks.back(), block))
      return corrupt(kWhat, "blocks are not increasing", at);
    if (size == 0 || size > bytes.size() - end) return corrupt(kWhat, "bad size of a block", at);
    block.bytes = bytes.subspan(end, size);
    end += size;
    blocks.push_back(block);
  }
  if (end != bytes.size()) return corrupt(kWhat, "bytes behind the blocks", end);
  return blocks;
} catch (...) {
  return memory_error(kWhat);
}

}  // namespace kedge
