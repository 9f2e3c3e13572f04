// A pack of the embedding cache: pairs of a model input's hash and its f16 vector, and the state of
// the cache, which names its packs. docs/format.md, "Pack".
//
// A reader fetches three kinds of pieces, each with its own checksum: the head with the Bloom
// filter and the first hash of each index block, once; index blocks; rows. Rows lie in the order
// they were added, so that the chunks of one object are one range; the index is sorted by hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "format/space.h"

namespace kedge {

inline constexpr std::size_t kPackBlockEntries = 256;
inline constexpr std::uint64_t kMaxPackBytes = 32ULL << 20;
inline constexpr std::uint32_t kMaxPackRows = 1U << 20;
inline constexpr std::size_t kMaxPacks = 3500;

// Where everything is, by arithmetic.
struct PackShape {
  std::uint32_t rows = 0;       // 1 to kMaxPackRows
  std::uint32_t dimension = 0;  // 1 to kMaxDimension

  [[nodiscard]] std::uint32_t blocks() const;
  [[nodiscard]] std::uint64_t bloom_bytes() const;  // 12 bits a row, a multiple of 64 bytes
  [[nodiscard]] std::uint64_t head_bytes() const;   // header, filter, first hashes, CRC
  [[nodiscard]] std::uint64_t block_offset(std::uint32_t block) const;
  [[nodiscard]] std::uint64_t block_bytes(std::uint32_t block) const;
  [[nodiscard]] std::uint64_t row_offset(std::uint32_t row) const;
  [[nodiscard]] std::uint64_t row_bytes() const;
  [[nodiscard]] std::uint64_t total_bytes() const;
  // The most rows, at least one, whose pack has at most `bytes`, and kMaxPackBytes.
  static std::uint32_t max_rows(std::uint32_t dimension, std::uint64_t bytes = kMaxPackBytes);

  [[nodiscard]] std::uint32_t entries_in(std::uint32_t block) const;
};

struct PackEntry {
  Id128 hash;
  std::uint32_t row = 0;
};

// Precondition: hashes are distinct; vectors is rows x dimension; the shape is in range.
Bytes encode_pack(const Id128& space, std::uint32_t dimension, std::span<const Id128> hashes,
                  std::span<const std::uint16_t> vectors);

// Builds a pack in the place that it takes in memory at the end, row by row: for merges, whose rows
// come from several packs. Memory: the pack, and 20 bytes a row.
class PackBuilder {
 public:
  // Precondition: a shape of `most_rows` rows is in range.
  PackBuilder(const Id128& space, std::uint32_t dimension, std::uint32_t most_rows);
  // Preconditions: `dimension` halves; fewer than most_rows rows were added.
  void add(const Id128& hash, std::span<const std::uint16_t> vector);
  // The pack; of rows with the same hash the one added first. Precondition: there is a row.
  struct Built {
    std::uint32_t rows = 0;
    Bytes bytes;
  };
  Built finish() &&;

 private:
  // Closes the gaps that the rows which are left out leave; true where `dropped`.
  void compact(const std::vector<bool>& dropped);

  Id128 space_;
  PackShape most_;
  Bytes bytes_;  // rows lie where those of a pack with most_ rows do
  std::vector<Id128> hashes_;
};

class PackHead {
 public:
  // The first shape.head_bytes() of a pack. kCorrupt naming the rule.
  static Result<PackHead> parse(ByteView bytes, const Id128& space, const PackShape& shape);

  [[nodiscard]] const PackShape& shape() const { return shape_; }
  // False: certainly not in the pack.
  [[nodiscard]] bool may_contain(const Id128& hash) const;
  // The only block that can have it; nothing if it sorts before the first.
  [[nodiscard]] std::optional<std::uint32_t> block_of(const Id128& hash) const;
  [[nodiscard]] std::size_t memory_bytes() const { return bloom_.size() + firsts_.size() * 16; }

 private:
  PackShape shape_;
  Bytes bloom_;
  std::vector<Id128> firsts_;
};

// The bytes of one index block. kCorrupt: checksum, order, or a row out of range.
Result<std::vector<PackEntry>> parse_pack_block(ByteView bytes, const PackShape& shape,
                                                std::uint32_t block);
// The bytes of one row, which must be of `hash`. kCorrupt: checksum (it covers the hash), or a
// value that is not finite.
Result<std::vector<std::uint16_t>> parse_pack_row(ByteView bytes, const PackShape& shape,
                                                  const Id128& hash);
bool is_finite_half(std::uint16_t half);

// The payload of the cache's head.
struct PackName {
  Id128 id;
  std::uint32_t rows = 0;
  bool operator==(const PackName&) const = default;
  [[nodiscard]] std::string key() const;  // "pack/<id>"
};

struct CacheState {
  Id128 space;
  std::uint32_t dimension = 0;
  std::vector<PackName> packs;  // oldest first

  bool operator==(const CacheState&) const = default;
  [[nodiscard]] PackShape shape(const PackName& pack) const { return {pack.rows, dimension}; }
  [[nodiscard]] Bytes encode() const;
  // kCorrupt naming the rule.
  static Result<CacheState> parse(ByteView bytes);
};

}  // namespace kedge
