// An attributes page: entries sorted by key. docs/format.md, "Attributes page".
//   offset   size   field
//   0        16     page header, magic "KGAP"; count: entries; first: number of the page
//   16              entries: bytes that the key shares with the one before (varint), the rest of it
//                   (short text), the objects
//                   zeros up to a multiple of 64
// Objects are runs or bits, whichever is shorter, runs where they are equal:
//   runs   varint 2 * runs; of each the objects between it and the one before (varint), its length
//          less one (varint)
//   bits   varint 2 * bytes + 1; number of the first byte (varint); the bytes, of which the first
//          and the last are not zero; bit i of byte b is object 8 * b + i
#include <algorithm>

#include "base/allocation.h"
#include "base/strings.h"
#include "format/attributes.h"
#include "format/attributes_key.h"
#include "format/attributes_writer.h"
#include "format/page.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGAP";
constexpr std::string_view kWhat = "attributes page";

std::size_t varint_bytes(std::uint64_t value) {
  std::size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

// The bytes of the bit form: the first, and how many.
struct BitForm {
  std::uint64_t first = 0;
  std::uint64_t bytes = 0;
  [[nodiscard]] std::uint64_t encoded_bytes() const {
    return varint_bytes(2 * bytes + 1) + varint_bytes(first) + bytes;
  }
};
BitForm bit_form(std::span<const ObjectRun> runs) {
  const std::uint64_t first = runs.front().begin / 8;
  return {first, (runs.back().end - 1) / 8 - first + 1};
}

std::uint64_t run_form_bytes(std::span<const ObjectRun> runs) {
  std::uint64_t bytes = varint_bytes(2 * std::uint64_t{runs.size()});
  std::uint32_t end = 0;
  for (const ObjectRun& run : runs) {
    bytes += varint_bytes(run.begin - end) + varint_bytes(run.end - run.begin - 1);
    end = run.end;
  }
  return bytes;
}

void put_objects(ByteWriter& out, std::span<const ObjectRun> runs) {
  const BitForm bits = bit_form(runs);
  if (bits.encoded_bytes() < run_form_bytes(runs)) {
    put_varint(out, 2 * bits.bytes + 1);
    put_varint(out, bits.first);
    Bytes bytes(bits.bytes);
    for (const ObjectRun& run : runs) {
      for (std::uint32_t object = run.begin; object < run.end; ++object)
        bytes[object / 8 - bits.first] |= static_cast<std::byte>(1U << (object % 8));
    }
    out.put_bytes(bytes);
    return;
  }
  put_varint(out, 2 * std::uint64_t{runs.size()});
  std::uint32_t end = 0;
  for (const ObjectRun& run : runs) {
    put_varint(out, run.begin - end);
    put_varint(out, run.end - run.begin - 1);
    end = run.end;
  }
}

std::size_t shared_bytes(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                  a.begin());
}

void put_entry(ByteWriter& out, std::string_view before, const AttributeEntry& entry) {
  const std::size_t shared = shared_bytes(before, entry.key);
  put_varint(out, shared);
  put_short_string(out, std::string_view(entry.key).substr(shared));
  put_objects(out, entry.objects);
}

}  // namespace

void AttributesPageWriter::add(const AttributeEntry& entry) {
  ByteWriter bytes;
  put_entry(bytes, last_key_, entry);
  if (count_ > 0 && out_.size() + bytes.size() > kAttributesPageBytes) {
    end_page();
    bytes = ByteWriter();
    put_entry(bytes, {}, entry);
  }
  if (count_ == 0) {
    first_keys_.push_back(entry.key.substr(0, kMaxBound));
    put_page_header(out_, kMagic, {.count = 0, .first = static_cast<std::uint32_t>(pages_.size())});
  }
  out_.put_bytes(bytes.view());
  out_.put_at(8, ++count_);
  last_key_ = entry.key;
}

void AttributesPageWriter::end_page() {
  if (count_ == 0) return;
  out_.align(kPageAlignment);
  pages_.push_back(std::move(out_).take());
  out_ = ByteWriter();
  count_ = 0;
  last_key_.clear();
}

Bytes encode_attributes_page(std::uint32_t number, std::span<const AttributeEntry> entries) {
  ByteWriter out;
  put_page_header(out, kMagic,
                  {.count = static_cast<std::uint32_t>(entries.size()), .first = number});
  std::string_view before;
  for (const AttributeEntry& entry : entries) {
    put_entry(out, before, entry);
    before = entry.key;
  }
  out.align(kPageAlignment);
  return std::move(out).take();
}

Result<AttributesPage> AttributesPage::open(ByteView bytes, std::uint32_t number,
                                            const SegmentDirectory& directory) try {
  AttributesPage page(bytes, number, directory);
  const PageHeader header = KEDGE_TRY(get_page_header(page.in_, kMagic, kWhat));
  if (header.bits != 0) return corrupt(kWhat, "reserved bytes are not zero", 6);
  if (header.count == 0) return corrupt(kWhat, "no entries", 8);
  if (header.first != number) return corrupt(kWhat, "another page than was asked for", 12);
  page.left_ = header.count;
  return page;
} catch (...) {
  return memory_error(kWhat);
}

Result<bool> AttributesPage::next() try {
  if (left_ == 0) {
    KEDGE_TRY(check_padding(in_, kWhat));
    return false;
  }
  --left_;
  KEDGE_TRY(read_key());
  KEDGE_TRY(read_objects());
  first_ = false;
  return true;
} catch (...) {
  return memory_error(kWhat);
}

Status AttributesPage::read_key() {
  const std::size_t at = in_.offset();
  const std::uint64_t shared = get_varint(in_, entry_.key.size());
  const std::string_view rest = get_short_string(in_, kMaxAttributeKey);
  if (!in_.ok()) return corrupt(kWhat, "key is cut short or too long", at);
  // As much as can be is shared, so the keys differ behind it, unless one ends there.
  const std::string_view before = std::string_view(entry_.key).substr(shared);
  if (!first_ && !before.empty() && (rest.empty() || rest[0] == before[0]))
    return corrupt(kWhat, "key shares another number of bytes with the one before", at);
  if (!first_ && before >= rest) return corrupt(kWhat, "keys are not increasing", at);
  entry_.key.resize(shared);
  entry_.key += rest;
  if (const auto rule = broken_key_rule(entry_.key)) return corrupt(kWhat, *rule, at);
  if (first_ && std::string_view(entry_.key).substr(0, kMaxBound) !=
                    directory_->first_key_of_attributes_page[number_]) {
    return corrupt(kWhat, "first key differs from the directory's", at);
  }
  return {};
}

Status AttributesPage::read_objects() {
  const std::size_t at = in_.offset();
  const std::uint64_t form = get_varint(in_);
  entry_.objects.clear();
  const bool bits = form % 2 == 1;
  // A run takes two bytes at least.
  if (!in_.ok() || form < 2 || form / 2 > in_.remaining() / (bits ? 1 : 2))
    return corrupt(kWhat, "objects are cut short, or none", at);
  KEDGE_TRY(bits ? read_bits(form / 2) : read_runs(form / 2));
  const bool shorter = bit_form(entry_.objects).encoded_bytes() < run_form_bytes(entry_.objects);
  if (shorter != bits) return corrupt(kWhat, "objects are not in the shorter form", at);
  return {};
}

Status AttributesPage::read_runs(std::uint64_t count) {
  const std::size_t at = in_.offset();
  const std::uint32_t objects = directory_->objects;
  std::uint64_t end = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t gap = get_varint(in_, objects);
    const std::uint64_t more = get_varint(in_, objects);
    if (!in_.ok() || end + gap + more >= objects)
      return corrupt(kWhat, "objects are cut short or out of range", at);
    if (i > 0 && gap == 0) return corrupt(kWhat, "runs of objects have no gap between them", at);
    entry_.objects.push_back(
        {static_cast<std::uint32_t>(end + gap), static_cast<std::uint32_t>(end + gap + more + 1)});
    end += gap + more + 1;
  }
  return {};
}

Status AttributesPage::read_bits(std::uint64_t size) {
  const std::size_t at = in_.offset();
  const std::uint64_t first = get_varint(in_, directory_->objects / 8);
  const ByteView bytes = in_.get_bytes(size);
  if (!in_.ok()) return corrupt(kWhat, "objects are cut short or out of range", at);
  if (bytes.front() == std::byte{0} || bytes.back() == std::byte{0})
    return corrupt(kWhat, "bits begin or end with a byte of zeros", at);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      if ((std::to_integer<unsigned>(bytes[i]) >> bit & 1U) == 0) continue;
      const std::uint64_t object = (first + i) * 8 + bit;
      if (object >= directory_->objects)
        return corrupt(kWhat, "objects are cut short or out of range", at);
      const auto number = static_cast<std::uint32_t>(object);
      if (!entry_.objects.empty() && entry_.objects.back().end == number) {
        ++entry_.objects.back().end;
      } else {
        entry_.objects.push_back({number, number + 1});
      }
    }
  }
  return {};
}

std::pair<std::size_t, std::size_t> attributes_pages_of(const SegmentDirectory& directory,
                                                        const AttributeRange& range) {
  const std::vector<std::string>& first_keys = directory.first_key_of_attributes_page;
  // A page whose first key is not below the end holds nothing; of one that is cut it is not known.
  auto end = std::lower_bound(first_keys.begin(), first_keys.end(), range.end);
  auto begin = std::lower_bound(first_keys.begin(), end, range.begin);
  // The page before begins below the range, and may reach into it. Where its first key is cut, and
  // agrees with the range up to the cut, it may begin behind the range's begin: then the one before
  // it, too.
  while (begin != first_keys.begin()) {
    --begin;
    if (begin->size() < kMaxBound || !range.begin.starts_with(*begin)) break;
  }
  return {static_cast<std::size_t>(begin - first_keys.begin()),
          static_cast<std::size_t>(end - first_keys.begin())};
}

}  // namespace kedge
