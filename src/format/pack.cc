#include "format/pack.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::uint32_t kPackMagic = 0x3150474B;   // "KGP1"
constexpr std::uint32_t kStateMagic = 0x3143474B;  // "KGC1"
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kHashBytes = 16;
constexpr std::size_t kEntryBytes = kHashBytes + 4;
constexpr std::size_t kCrcBytes = 4;
constexpr std::uint64_t kBloomBitsPerRow = 12;
constexpr int kBloomProbes = 8;
constexpr std::uint64_t kAlignment = 64;

Error corrupt(std::string message) { return {Code::kCorrupt, "pack: " + std::move(message)}; }
Error corrupt_state(std::string message) {
  return {Code::kCorrupt, "cache state: " + std::move(message)};
}

std::uint64_t aligned(std::uint64_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

Id128 get_id(ByteReader& in) {
  Id128 id;
  const ByteView bytes = in.get_bytes(kHashBytes);
  std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
  return id;
}

// Hashes are uniform already: two words of them give all probes (Kirsch and Mitzenmacher).
template <typename Visit>
void for_each_probe(const Id128& hash, std::uint64_t bits, Visit visit) {
  std::uint64_t words[2];
  std::memcpy(words, hash.bytes.data(), sizeof words);
  for (int i = 0; i < kBloomProbes; ++i) {
    visit(words[0] % bits);
    words[0] += words[1] | 1;
  }
}

bool checksum_holds(ByteView bytes) {
  if (bytes.size() < kCrcBytes) return false;
  ByteReader tail(bytes.subspan(bytes.size() - kCrcBytes));
  return tail.get<std::uint32_t>() == crc32c(bytes.first(bytes.size() - kCrcBytes));
}

void put_crc(ByteWriter& out, std::size_t from) { out.put(crc32c(out.view().subspan(from))); }

}  // namespace

std::uint32_t PackShape::blocks() const {
  return static_cast<std::uint32_t>((rows + kPackBlockEntries - 1) / kPackBlockEntries);
}

std::uint64_t PackShape::bloom_bytes() const {
  return aligned((std::uint64_t{rows} * kBloomBitsPerRow + 7) / 8);
}

std::uint64_t PackShape::head_bytes() const {
  return aligned(kHeaderBytes + bloom_bytes() + std::uint64_t{blocks()} * kHashBytes + kCrcBytes);
}

std::uint64_t PackShape::block_offset(std::uint32_t block) const {
  return head_bytes() + std::uint64_t{block} * (kPackBlockEntries * kEntryBytes + kCrcBytes);
}

std::uint32_t PackShape::entries_in(std::uint32_t block) const {
  const std::size_t left = rows - block * kPackBlockEntries;
  return static_cast<std::uint32_t>(std::min(left, kPackBlockEntries));
}

std::uint64_t PackShape::block_bytes(std::uint32_t block) const {
  return std::uint64_t{entries_in(block)} * kEntryBytes + kCrcBytes;
}

std::uint64_t PackShape::row_bytes() const { return std::uint64_t{dimension} * 2 + kCrcBytes; }

std::uint64_t PackShape::row_offset(std::uint32_t row) const {
  const std::uint32_t last = blocks() - 1;
  return aligned(block_offset(last) + block_bytes(last)) + row * row_bytes();
}

std::uint64_t PackShape::total_bytes() const { return row_offset(rows); }

std::uint32_t PackShape::max_rows(std::uint32_t dimension, std::uint64_t bytes) {
  bytes = std::min(bytes, kMaxPackBytes);
  std::uint32_t low = 1;
  std::uint32_t high = kMaxPackRows;
  while (low < high) {
    const std::uint32_t middle = low + (high - low + 1) / 2;
    if (PackShape{middle, dimension}.total_bytes() <= bytes) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

namespace {

std::vector<std::uint32_t> rows_by_hash(std::span<const Id128> hashes) {
  std::vector<std::uint32_t> order(hashes.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return hashes[a] != hashes[b] ? hashes[a] < hashes[b] : a < b;
  });
  return order;
}

// All that lies before the first row: header, filter, first hashes, index. `order`: rows by hash.
Bytes encode_front(const Id128& space, const PackShape& shape, std::span<const Id128> hashes,
                   std::span<const std::uint32_t> order) {
  ByteWriter out;
  out.reserve(shape.row_offset(0));
  out.put(kPackMagic);
  out.put(kVersion);
  out.put_zeros(2);
  out.put(shape.rows);
  out.put(shape.dimension);
  out.put_bytes(space.bytes);
  out.put(shape.total_bytes());
  out.put_zeros(kHeaderBytes - out.size());
  Bytes bloom(shape.bloom_bytes());
  for (const Id128& hash : hashes) {
    for_each_probe(hash, bloom.size() * 8,
                   [&](std::uint64_t bit) { bloom[bit / 8] |= std::byte{1} << (bit % 8); });
  }
  out.put_bytes(bloom);
  for (std::size_t i = 0; i < order.size(); i += kPackBlockEntries)
    out.put_bytes(hashes[order[i]].bytes);
  out.put_zeros(shape.head_bytes() - kCrcBytes - out.size());
  put_crc(out, 0);
  for (std::size_t i = 0; i < order.size(); i += kPackBlockEntries) {
    const std::size_t from = out.size();
    for (std::size_t j = i; j < std::min(order.size(), i + kPackBlockEntries); ++j) {
      out.put_bytes(hashes[order[j]].bytes);
      out.put(order[j]);
    }
    put_crc(out, from);
  }
  out.align(kAlignment);
  KEDGE_CHECK(out.size() == shape.row_offset(0));
  return std::move(out).take();
}

}  // namespace

Bytes encode_pack(const Id128& space, std::uint32_t dimension, std::span<const Id128> hashes,
                  std::span<const std::uint16_t> vectors) {
  KEDGE_CHECK(!hashes.empty() && hashes.size() <= kMaxPackRows);
  KEDGE_CHECK(vectors.size() == hashes.size() * dimension);
  PackBuilder builder(space, dimension, static_cast<std::uint32_t>(hashes.size()));
  for (std::size_t row = 0; row < hashes.size(); ++row)
    builder.add(hashes[row], vectors.subspan(row * dimension, dimension));
  PackBuilder::Built built = std::move(builder).finish();
  KEDGE_CHECK(built.rows == hashes.size());
  return std::move(built.bytes);
}

PackBuilder::PackBuilder(const Id128& space, std::uint32_t dimension, std::uint32_t most_rows)
    : space_(space), most_{most_rows, dimension} {
  KEDGE_CHECK(most_rows >= 1 && most_rows <= kMaxPackRows);
  bytes_.resize(most_.total_bytes());
  hashes_.reserve(most_rows);
}

void PackBuilder::add(const Id128& hash, std::span<const std::uint16_t> vector) {
  KEDGE_CHECK(vector.size() == most_.dimension && hashes_.size() < most_.rows);
  const ByteView values = std::as_bytes(vector);
  std::byte* const row =
      bytes_.data() + most_.row_offset(static_cast<std::uint32_t>(hashes_.size()));
  std::memcpy(row, values.data(), values.size());
  const std::uint32_t crc = crc32c(values, crc32c(hash.bytes));
  std::memcpy(row + values.size(), &crc, sizeof crc);
  hashes_.push_back(hash);
}

void PackBuilder::compact(const std::vector<bool>& dropped) {
  std::uint32_t kept = 0;
  for (std::uint32_t row = 0; row < hashes_.size(); ++row) {
    if (dropped[row]) continue;
    hashes_[kept] = hashes_[row];
    std::memmove(bytes_.data() + most_.row_offset(kept), bytes_.data() + most_.row_offset(row),
                 most_.row_bytes());
    ++kept;
  }
  hashes_.resize(kept);
}

PackBuilder::Built PackBuilder::finish() && {
  KEDGE_CHECK(!hashes_.empty());
  std::vector<std::uint32_t> order = rows_by_hash(hashes_);
  std::vector<bool> dropped(hashes_.size());
  bool twice = false;
  for (std::size_t i = 1; i < order.size(); ++i) {
    dropped[order[i]] = hashes_[order[i]] == hashes_[order[i - 1]];
    twice = twice || dropped[order[i]];
  }
  if (twice) {
    compact(dropped);
    order = rows_by_hash(hashes_);
  }
  const PackShape shape{static_cast<std::uint32_t>(hashes_.size()), most_.dimension};
  const Bytes front = encode_front(space_, shape, hashes_, order);
  // Fewer rows than there might have been begin further ahead.
  std::memmove(bytes_.data() + front.size(), bytes_.data() + most_.row_offset(0),
               shape.rows * shape.row_bytes());
  std::copy(front.begin(), front.end(), bytes_.begin());
  bytes_.resize(shape.total_bytes());
  return {.rows = shape.rows, .bytes = std::move(bytes_)};
}

Result<PackHead> PackHead::parse(ByteView bytes, const Id128& space, const PackShape& shape) try {
  if (shape.rows == 0 || shape.rows > kMaxPackRows) return corrupt("rows out of range");
  if (shape.dimension == 0 || shape.dimension > kMaxDimension)
    return corrupt("dimension out of range");
  if (bytes.size() != shape.head_bytes())
    return corrupt(str_cat("head of ", bytes.size(), " bytes, expected ", shape.head_bytes()));
  ByteReader in(bytes);
  if (in.get<std::uint32_t>() != kPackMagic) return corrupt("bad magic at offset 0");
  if (!checksum_holds(bytes)) return corrupt("bad checksum of the head");
  if (const auto version = in.get<std::uint16_t>(); version != kVersion)
    return {Code::kUnsupported,
            str_cat("pack: format version ", version, "; this build knows ", kVersion)};
  if (in.get<std::uint16_t>() != 0) return corrupt("reserved bytes at offset 6");
  if (in.get<std::uint32_t>() != shape.rows) return corrupt("other rows at offset 8");
  if (in.get<std::uint32_t>() != shape.dimension) return corrupt("other dimension at offset 12");
  if (get_id(in) != space) return corrupt("another space at offset 16");
  if (in.get<std::uint64_t>() != shape.total_bytes()) return corrupt("bad length at offset 32");
  for (const std::byte b : in.get_bytes(kHeaderBytes - in.offset())) {
    if (b != std::byte{0}) return corrupt("reserved bytes after offset 40");
  }
  PackHead head;
  head.shape_ = shape;
  const ByteView bloom = in.get_bytes(shape.bloom_bytes());
  head.bloom_.assign(bloom.begin(), bloom.end());
  for (std::uint32_t block = 0; block < shape.blocks(); ++block) {
    const Id128 first = get_id(in);
    if (block > 0 && first <= head.firsts_.back())
      return corrupt(str_cat("first hash of block ", block, " does not rise"));
    head.firsts_.push_back(first);
  }
  while (in.remaining() > kCrcBytes) {
    if (in.get<std::uint8_t>() != 0) return corrupt(str_cat("padding at offset ", in.offset() - 1));
  }
  return head;
} catch (...) {
  return memory_error("pack");
}

bool PackHead::may_contain(const Id128& hash) const {
  bool all = true;
  for_each_probe(hash, bloom_.size() * 8, [&](std::uint64_t bit) {
    all = all && (bloom_[bit / 8] & (std::byte{1} << (bit % 8))) != std::byte{0};
  });
  return all;
}

std::optional<std::uint32_t> PackHead::block_of(const Id128& hash) const {
  const auto after = std::upper_bound(firsts_.begin(), firsts_.end(), hash);
  if (after == firsts_.begin()) return {};
  return static_cast<std::uint32_t>(after - firsts_.begin() - 1);
}

Result<std::vector<PackEntry>> parse_pack_block(ByteView bytes, const PackShape& shape,
                                                std::uint32_t block) try {
  KEDGE_CHECK(block < shape.blocks());
  if (bytes.size() != shape.block_bytes(block))
    return corrupt(str_cat("block ", block, " has ", bytes.size(), " bytes"));
  if (!checksum_holds(bytes)) return corrupt(str_cat("bad checksum of block ", block));
  ByteReader in(bytes);
  std::vector<PackEntry> entries(shape.entries_in(block));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].hash = get_id(in);
    entries[i].row = in.get<std::uint32_t>();
    if (i > 0 && entries[i].hash <= entries[i - 1].hash)
      return corrupt(str_cat("block ", block, ": hash ", i, " does not rise"));
    if (entries[i].row >= shape.rows)
      return corrupt(str_cat("block ", block, ": row ", i, " out of range"));
  }
  return entries;
} catch (...) {
  return memory_error("pack");
}

bool is_finite_half(std::uint16_t half) { return (half & 0x7C00U) != 0x7C00U; }

Result<std::vector<std::uint16_t>> parse_pack_row(ByteView bytes, const PackShape& shape,
                                                  const Id128& hash) try {
  if (bytes.size() != shape.row_bytes()) return corrupt(str_cat("row of ", bytes.size(), " bytes"));
  const ByteView vector = bytes.first(bytes.size() - kCrcBytes);
  ByteReader tail(bytes.subspan(vector.size()));
  if (tail.get<std::uint32_t>() != crc32c(vector, crc32c(hash.bytes)))
    return corrupt(str_cat("bad checksum of the row of ", hash.hex()));
  std::vector<std::uint16_t> values(shape.dimension);
  std::memcpy(values.data(), vector.data(), vector.size());
  if (!std::all_of(values.begin(), values.end(), is_finite_half))
    return corrupt(str_cat("a value of ", hash.hex(), " is not finite"));
  return values;
} catch (...) {
  return memory_error("pack");
}

std::string PackName::key() const { return "pack/" + id.hex(); }

Bytes CacheState::encode() const {
  ByteWriter out;
  out.put(kStateMagic);
  out.put(kVersion);
  out.put_zeros(2);
  out.put_bytes(space.bytes);
  out.put(dimension);
  out.put(static_cast<std::uint32_t>(packs.size()));
  for (const PackName& pack : packs) {
    out.put_bytes(pack.id.bytes);
    out.put(pack.rows);
  }
  return std::move(out).take();
}

Result<CacheState> CacheState::parse(ByteView bytes) try {
  ByteReader in(bytes);
  CacheState state;
  if (in.get<std::uint32_t>() != kStateMagic) return corrupt_state("bad magic at offset 0");
  if (const auto version = in.get<std::uint16_t>(); version != kVersion)
    return {Code::kUnsupported,
            str_cat("cache state: format version ", version, "; this build knows ", kVersion)};
  if (in.get<std::uint16_t>() != 0) return corrupt_state("reserved bytes at offset 6");
  state.space = get_id(in);
  state.dimension = in.get<std::uint32_t>();
  const std::size_t count = in.get<std::uint32_t>();
  if (!in.ok()) return corrupt_state("too short");
  if (state.dimension == 0 || state.dimension > kMaxDimension)
    return corrupt_state("dimension at offset 24 out of range");
  if (count > kMaxPacks) return corrupt_state("too many packs at offset 28");
  if (in.remaining() != count * (kHashBytes + 4)) return corrupt_state("length does not fit");
  std::set<Id128> ids;
  for (std::size_t i = 0; i < count; ++i) {
    PackName pack;
    pack.id = get_id(in);
    pack.rows = in.get<std::uint32_t>();
    if (pack.rows == 0 || pack.rows > kMaxPackRows)
      return corrupt_state(str_cat("pack ", i, ": rows out of range"));
    if (!ids.insert(pack.id).second) return corrupt_state(str_cat("pack ", i, " is named twice"));
    state.packs.push_back(pack);
  }
  return state;
} catch (...) {
  return memory_error("cache state");
}

}  // namespace kedge
