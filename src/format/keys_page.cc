// A keys page: object numbers by the hash of their keys. docs/format.md, "Keys page".
//   offset   size        field
//   0        16          page header, magic "KGKP"; bits: log2 of the number of pages; first: the
//                        number of this page
//   16       16 * count  the first 12 bytes of XXH3-128(source, key), object number u32; strictly
//                        increasing; the top `bits` bits of each hash are the page's number
//            zeros up to a multiple of 4096
//
// A page is 4 KiB. The number of pages is the lowest power of two that fills them to three quarters
// on average, doubled at most kMaxDoublings times while a page is overfull; what is overfull then
// is longer, by further 4 KiB: keys can be made to collide, and must not make the plane grow
// without end.
#include <algorithm>
#include <bit>

#include "base/allocation.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGKP";
constexpr std::string_view kWhat = "keys page";
constexpr std::size_t kHashBytes = 12;
constexpr std::size_t kEntryBytes = kHashBytes + 4;
constexpr std::size_t kPageEntries = (kKeysPageBytes - kPageHeaderBytes) / kEntryBytes;
constexpr int kMaxDoublings = 2;

std::uint64_t top_bits(ByteView hash, unsigned bits) {
  std::uint64_t top = 0;
  for (std::size_t i = 0; i < 8; ++i) top = (top << 8) | std::to_integer<std::uint64_t>(hash[i]);
  return bits == 0 ? 0 : top >> (64 - bits);
}

ByteView stored_part(const Id128& hash) { return ByteView(hash.bytes).first(kHashBytes); }

// How many of the sorted hashes each page takes.
std::vector<std::size_t> page_loads(std::span<const Id128> hashes, std::size_t pages) {
  std::vector<std::size_t> loads(pages);
  for (const Id128& hash : hashes) ++loads[keys_page_of(hash, pages)];
  return loads;
}

std::vector<std::size_t> choose_pages(std::span<const Id128> hashes) {
  const std::size_t wanted = (hashes.size() * 4 + kPageEntries * 3 - 1) / (kPageEntries * 3);
  std::size_t pages = std::bit_ceil(std::max<std::size_t>(wanted, 1));
  std::vector<std::size_t> loads = page_loads(hashes, pages);
  for (int i = 0; i < kMaxDoublings; ++i) {
    if (*std::max_element(loads.begin(), loads.end()) <= kPageEntries) break;
    pages *= 2;
    loads = page_loads(hashes, pages);
  }
  return loads;
}

int compare(ByteView a, ByteView b) { return std::memcmp(a.data(), b.data(), kHashBytes); }

}  // namespace

Id128 object_key_hash(std::uint32_t source, std::string_view key) {
  ByteWriter out;
  out.reserve(4 + key.size());
  out.put(source);
  out.put_bytes(as_bytes(key));
  return xxh3_128(out.view());
}

std::size_t keys_page_of(const Id128& key_hash, std::size_t page_count) {
  KEDGE_CHECK(std::has_single_bit(page_count));
  return top_bits(key_hash.bytes, static_cast<unsigned>(std::countr_zero(page_count)));
}

Status encode_keys_pages(std::span<const Id128> hashes,
                         const std::function<Status(const Bytes& page)>& take) {
  std::vector<std::uint32_t> order(hashes.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int order_of_hashes = compare(stored_part(hashes[a]), stored_part(hashes[b]));
    return order_of_hashes != 0 ? order_of_hashes < 0 : a < b;
  });
  const std::vector<std::size_t> loads = choose_pages(hashes);
  const auto bits = static_cast<std::uint16_t>(std::countr_zero(loads.size()));
  std::size_t next = 0;
  for (std::size_t page = 0; page < loads.size(); ++page) {
    ByteWriter out;
    out.reserve(kKeysPageBytes);
    put_page_header(out, kMagic,
                    {.bits = bits,
                     .count = static_cast<std::uint32_t>(loads[page]),
                     .first = static_cast<std::uint32_t>(page)});
    for (std::size_t i = 0; i < loads[page]; ++i, ++next) {
      out.put_bytes(stored_part(hashes[order[next]]));
      out.put(order[next]);
    }
    out.align(kKeysPageBytes);
    KEDGE_TRY(take(std::move(out).take()));
  }
  return {};
}

Result<std::vector<std::uint32_t>> find_in_keys_page(ByteView bytes, const Id128& key_hash,
                                                     const SegmentDirectory& directory) try {
  ByteReader in(bytes);
  const auto [bits, count, number] = KEDGE_TRY(get_page_header(in, kMagic, kWhat));
  const std::size_t pages = directory.keys.size();
  if (bits >= 32 || (std::size_t{1} << bits) != pages)
    return corrupt(kWhat, "number of pages differs from the directory's", 6);
  if (number != keys_page_of(key_hash, pages))
    return corrupt(kWhat, "another page than was asked for", 12);
  if (count > in.remaining() / kEntryBytes) return corrupt(kWhat, "cut short", in.offset());
  const std::size_t used = kPageHeaderBytes + std::size_t{count} * kEntryBytes;
  const std::size_t expected =
      std::max<std::size_t>(1, (used + kKeysPageBytes - 1) / kKeysPageBytes) * kKeysPageBytes;
  if (bytes.size() != expected) return corrupt(kWhat, "bad size", bytes.size());
  std::vector<std::uint32_t> found;
  ByteView previous;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = in.offset();
    const ByteView hash = in.get_bytes(kHashBytes);
    const auto object = in.get<std::uint32_t>();
    if (top_bits(hash, bits) != number) return corrupt(kWhat, "hash of another page", at);
    if (object >= directory.objects) return corrupt(kWhat, "object number out of range", at + 12);
    if (i > 0) {
      const int order = compare(previous, hash);
      std::uint32_t previous_object = 0;
      std::memcpy(&previous_object, previous.data() + kHashBytes, sizeof previous_object);
      if (order > 0 || (order == 0 && previous_object >= object))
        return corrupt(kWhat, "entries are not increasing", at);
    }
    previous = bytes.subspan(at, kEntryBytes);
    if (compare(hash, stored_part(key_hash)) == 0) found.push_back(object);
  }
  const ByteView rest = in.get_bytes(in.remaining());
  if (std::any_of(rest.begin(), rest.end(), [](std::byte b) { return b != std::byte{0}; }))
    return corrupt(kWhat, "padding is not zero", used);
  return found;
} catch (...) {
  return memory_error(kWhat);
}

}  // namespace kedge
