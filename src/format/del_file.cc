// A del file: dead objects of a segment. docs/format.md, "Del file".
//   offset   size   field
//   0        8      magic "KGDF", version, zero
//   8        16     id of the segment
//   24       4      count of dead objects, at least 1
//   28       4      size of the bitmap
//   32              roaring bitmap of their numbers, portable format
//   end - 4  4      CRC-32C of every byte before it
//
// The library writes the bitmap. It is read here: the library's reader checks sizes, but neither
// the order nor the counts of what it reads, and the numbers are all that is wanted.
#include <roaring/roaring.h>

#include <algorithm>
#include <bit>
#include <memory>

#include "base/allocation.h"
#include "base/strings.h"
#include "format/page.h"
#include "format/segment.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGDF";
constexpr std::string_view kWhat = "del file";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kCrcBytes = 4;

// The portable roaring format, https://github.com/RoaringBitmap/RoaringFormatSpec.
constexpr std::uint32_t kCookieWithoutRuns = 12346;
constexpr std::uint32_t kCookieWithRuns = 12347;
constexpr std::uint32_t kMinContainersWithOffsets = 4;
constexpr std::uint32_t kMaxArray = 4096;  // numbers of a container; above: a bitset
constexpr std::size_t kBitsetWords = 1024;

struct Container {
  std::uint32_t base = 0;
  std::uint32_t count = 0;
  bool runs = false;
};

// Reads one bitmap of exactly `count` numbers below `limit`.
class BitmapReader {
 public:
  BitmapReader(ByteView bytes, std::size_t offset_in_file, std::uint32_t count, std::uint32_t limit)
      : in_(bytes), begin_(offset_in_file), count_(count), limit_(limit) {}
  Result<std::vector<std::uint32_t>> read();

 private:
  [[nodiscard]] Error broken(std::string_view rule) const {
    return corrupt(kWhat, rule, begin_ + in_.offset());
  }
  Status read_header();
  Status read_array(const Container& container);
  Status read_bitset(const Container& container);
  Status read_runs(const Container& container);

  ByteReader in_;
  std::size_t begin_;
  std::uint32_t count_;
  std::uint32_t limit_;
  bool has_offsets_ = false;
  std::vector<Container> containers_;
  std::vector<std::uint32_t> numbers_;
};

Status BitmapReader::read_header() {
  const auto cookie = in_.get<std::uint32_t>();
  std::uint32_t containers = 0;
  ByteView run_flags;
  if ((cookie & 0xFFFF) == kCookieWithRuns) {
    containers = (cookie >> 16) + 1;
    run_flags = in_.get_bytes((containers + 7) / 8);
  } else if (cookie == kCookieWithoutRuns) {
    containers = in_.get<std::uint32_t>();
  } else {
    return broken("unknown cookie of the bitmap");
  }
  has_offsets_ = run_flags.empty() || containers >= kMinContainersWithOffsets;
  if (!in_.ok() || containers > in_.remaining() / 4) return broken("bitmap is cut short");
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < containers; ++i) {
    Container container;
    container.base = std::uint32_t{in_.get<std::uint16_t>()} << 16;
    container.count = std::uint32_t{in_.get<std::uint16_t>()} + 1;
    container.runs =
        !run_flags.empty() && (std::to_integer<unsigned>(run_flags[i / 8]) >> (i % 8) & 1U) != 0;
    if (i > 0 && containers_.back().base >= container.base)
      return broken("containers are not increasing");
    total += container.count;
    containers_.push_back(container);
  }
  if (!run_flags.empty() && containers % 8 != 0 &&
      std::to_integer<unsigned>(run_flags.back()) >> (containers % 8) != 0) {
    return broken("run flags without a container");
  }
  // Before anything is expanded: a run of four bytes may stand for 65,536 numbers.
  if (total != count_) return broken("bitmap holds another count than the file names");
  return {};
}

Status BitmapReader::read_array(const Container& container) {
  if (in_.remaining() / 2 < container.count) return broken("bitmap is cut short");
  for (std::uint32_t i = 0; i < container.count; ++i) {
    const std::uint32_t number = container.base | in_.get<std::uint16_t>();
    if (i > 0 && numbers_.back() >= number) return broken("numbers are not increasing");
    numbers_.push_back(number);
  }
  return {};
}

Status BitmapReader::read_bitset(const Container& container) {
  if (in_.remaining() / 8 < kBitsetWords) return broken("bitmap is cut short");
  const std::size_t before = numbers_.size();
  for (std::size_t word = 0; word < kBitsetWords; ++word) {
    auto bits = in_.get<std::uint64_t>();
    if (numbers_.size() - before + static_cast<std::size_t>(std::popcount(bits)) > container.count)
      return broken("bitset holds more numbers than its header says");
    for (; bits != 0; bits &= bits - 1) {
      numbers_.push_back(container.base | static_cast<std::uint32_t>(word * 64) |
                         static_cast<std::uint32_t>(std::countr_zero(bits)));
    }
  }
  if (numbers_.size() - before != container.count)
    return broken("bitset holds fewer numbers than its header says");
  return {};
}

Status BitmapReader::read_runs(const Container& container) {
  const std::size_t before = numbers_.size();
  const std::uint32_t runs = in_.get<std::uint16_t>();
  if (!in_.ok() || in_.remaining() / 4 < runs) return broken("bitmap is cut short");
  std::uint32_t next = 0;
  for (std::uint32_t i = 0; i < runs; ++i) {
    const std::uint32_t first = in_.get<std::uint16_t>();
    const std::uint32_t last = first + in_.get<std::uint16_t>();
    if (last > 0xFFFF || (i > 0 && first <= next)) return broken("bad run");
    if (numbers_.size() - before + (last - first + 1) > container.count)
      return broken("runs hold more numbers than their header says");
    for (std::uint32_t low = first; low <= last; ++low) numbers_.push_back(container.base | low);
    next = last + 1;
  }
  if (numbers_.size() - before != container.count)
    return broken("runs hold fewer numbers than their header says");
  return {};
}

Result<std::vector<std::uint32_t>> BitmapReader::read() {
  KEDGE_TRY(read_header());
  std::vector<std::uint32_t> offsets;
  if (has_offsets_) {
    for (std::size_t i = 0; i < containers_.size(); ++i)
      offsets.push_back(in_.get<std::uint32_t>());
    if (!in_.ok()) return broken("bitmap is cut short");
  }
  numbers_.reserve(count_);
  for (std::size_t i = 0; i < containers_.size(); ++i) {
    const Container& container = containers_[i];
    if (has_offsets_ && offsets[i] != in_.offset()) return broken("bad offset of a container");
    if (container.runs) {
      KEDGE_TRY(read_runs(container));
    } else if (container.count <= kMaxArray) {
      KEDGE_TRY(read_array(container));
    } else {
      KEDGE_TRY(read_bitset(container));
    }
    if (numbers_.back() >= limit_) return broken("number out of range");
  }
  if (in_.remaining() != 0) return broken("bytes behind the bitmap");
  return std::move(numbers_);
}

}  // namespace

Bytes encode_del_file(const Id128& segment, std::span<const std::uint32_t> dead) {
  KEDGE_CHECK(!dead.empty() &&
              std::adjacent_find(dead.begin(), dead.end(), std::greater_equal<>()) == dead.end());
  const std::unique_ptr<roaring_bitmap_t, decltype(&roaring_bitmap_free)> bitmap(
      roaring_bitmap_of_ptr(dead.size(), dead.data()), &roaring_bitmap_free);
  KEDGE_CHECK(bitmap != nullptr);
  roaring_bitmap_run_optimize(bitmap.get());
  Bytes portable(roaring_bitmap_portable_size_in_bytes(bitmap.get()));
  KEDGE_CHECK(roaring_bitmap_portable_serialize(
                  bitmap.get(), reinterpret_cast<char*>(portable.data())) == portable.size());
  ByteWriter out;
  put_magic(out, kMagic, kVersion);
  out.put_bytes(segment.bytes);
  out.put(static_cast<std::uint32_t>(dead.size()));
  out.put(static_cast<std::uint32_t>(portable.size()));
  out.put_bytes(portable);
  out.put(crc32c(out.view()));
  return std::move(out).take();
}

Result<std::vector<std::uint32_t>> parse_del_file(ByteView bytes, const Id128& segment,
                                                  std::uint32_t objects) try {
  ByteReader in(bytes);
  KEDGE_TRY(get_magic(in, kMagic, kVersion, kWhat));
  const ByteView id = in.get_bytes(segment.bytes.size());
  const auto count = in.get<std::uint32_t>();
  const auto size = in.get<std::uint32_t>();
  if (!in.ok() || in.remaining() < kCrcBytes) return corrupt(kWhat, "cut short", in.offset());
  if (!std::equal(id.begin(), id.end(), segment.bytes.begin()))
    return corrupt(kWhat, "belongs to another segment", 8);
  if (count == 0 || count > objects) return corrupt(kWhat, "count out of range", 24);
  if (size != in.remaining() - kCrcBytes) return corrupt(kWhat, "bad size of the bitmap", 28);
  const ByteView bitmap = in.get_bytes(size);
  if (in.get<std::uint32_t>() != crc32c(bytes.first(kHeaderBytes + size)))
    return corrupt(kWhat, "checksum does not match", bytes.size() - kCrcBytes);
  return BitmapReader(bitmap, kHeaderBytes, count, objects).read();
} catch (...) {
  return memory_error(kWhat);
}

}  // namespace kedge
