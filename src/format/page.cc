#include "format/page.h"

#include <algorithm>

#include "base/strings.h"

namespace kedge {

Error corrupt(std::string_view structure, std::string_view rule, std::size_t offset) {
  return {Code::kCorrupt, str_cat(structure, ": ", rule, " at offset ", offset)};
}

void put_magic(ByteWriter& out, std::string_view magic, std::uint16_t version) {
  out.put_bytes(as_bytes(magic));
  out.put(version);
  out.put(std::uint16_t{0});
}

namespace {

// The two bytes behind the version.
Result<std::uint16_t> get_prefix(ByteReader& in, std::string_view magic, std::uint16_t version,
                                 std::string_view structure) {
  const std::size_t at = in.offset();
  const ByteView found = in.get_bytes(magic.size());
  const auto found_version = in.get<std::uint16_t>();
  const auto rest = in.get<std::uint16_t>();
  if (!in.ok()) return corrupt(structure, "cut short", at);
  if (as_text(found) != magic) return corrupt(structure, "wrong magic", at);
  if (found_version != version) {
    return Error{Code::kUnsupported, str_cat(structure, ": version ", found_version,
                                             " is not known to this build, which reads ", version)};
  }
  return rest;
}

}  // namespace

Status get_magic(ByteReader& in, std::string_view magic, std::uint16_t version,
                 std::string_view structure) {
  const std::uint16_t rest = KEDGE_TRY(get_prefix(in, magic, version, structure));
  if (rest != 0) return corrupt(structure, "reserved bytes are not zero", in.offset() - 2);
  return {};
}

void put_page_header(ByteWriter& out, std::string_view magic, const PageHeader& header) {
  out.put_bytes(as_bytes(magic));
  out.put(kSegmentVersion);
  out.put(header.bits);
  out.put(header.count);
  out.put(header.first);
}

Result<PageHeader> get_page_header(ByteReader& in, std::string_view magic,
                                   std::string_view structure) {
  PageHeader header;
  header.bits = KEDGE_TRY(get_prefix(in, magic, kSegmentVersion, structure));
  header.count = in.get<std::uint32_t>();
  header.first = in.get<std::uint32_t>();
  if (!in.ok()) return corrupt(structure, "cut short", in.offset());
  return header;
}

Status check_padding(ByteReader& in, std::string_view structure) {
  const std::size_t at = in.offset();
  if (in.remaining() >= kPageAlignment || (at + in.remaining()) % kPageAlignment != 0)
    return corrupt(structure, "does not end at the next multiple of 64", at);
  for (const std::byte b : in.get_bytes(in.remaining())) {
    if (b != std::byte{0}) return corrupt(structure, "padding is not zero", at);
  }
  return {};
}

void put_varint(ByteWriter& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.put(static_cast<std::uint8_t>(value | 0x80));
  out.put(static_cast<std::uint8_t>(value));
}

std::uint64_t get_varint(ByteReader& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto piece = in.get<std::uint8_t>();
    if (!in.ok()) return 0;
    value |= std::uint64_t{piece & 0x7FU} << shift;
    if ((piece & 0x80U) != 0) continue;
    // A last byte of zero says nothing; of the tenth byte only one bit has a place.
    if ((piece == 0 && shift > 0) || (shift == 63 && piece > 1)) break;
    return value;
  }
  in.fail();
  return 0;
}

std::uint64_t get_varint(ByteReader& in, std::uint64_t max) {
  const std::uint64_t value = get_varint(in);
  if (value <= max) return value;
  in.fail();
  return 0;
}

void put_zigzag(ByteWriter& out, std::int64_t value) {
  put_varint(out, (static_cast<std::uint64_t>(value) << 1) ^
                      (value < 0 ? ~std::uint64_t{0} : std::uint64_t{0}));
}

std::int64_t get_zigzag(ByteReader& in) {
  const std::uint64_t value = get_varint(in);
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

void put_short_string(ByteWriter& out, std::string_view text) {
  put_varint(out, text.size());
  out.put_bytes(as_bytes(text));
}

std::string_view get_short_string(ByteReader& in, std::size_t max_size) {
  return as_text(in.get_bytes(get_varint(in, max_size)));
}

void StringTable::add(std::string_view text) { strings_.push_back(text); }

void StringTable::seal() {
  std::sort(strings_.begin(), strings_.end());
  strings_.erase(std::unique(strings_.begin(), strings_.end()), strings_.end());
}

std::size_t StringTable::number_of(std::string_view text) const {
  return static_cast<std::size_t>(std::lower_bound(strings_.begin(), strings_.end(), text) -
                                  strings_.begin());
}

void StringTable::put(ByteWriter& out) const {
  for (const std::string_view text : strings_) put_short_string(out, text);
}

Result<StringTable> StringTable::get(ByteReader& in, std::size_t count, std::size_t max_size,
                                     std::string_view structure) {
  // Each string takes a byte at least, so the count is bounded by what is there.
  if (count > in.remaining()) return corrupt(structure, "string table is cut short", in.offset());
  StringTable table;
  table.strings_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = in.offset();
    const std::string_view text = get_short_string(in, max_size);
    if (!in.ok()) return corrupt(structure, "string is cut short or too long", at);
    if (!table.strings_.empty() && table.strings_.back() >= text)
      return corrupt(structure, "strings are not increasing", at);
    table.strings_.push_back(text);
  }
  return table;
}

}  // namespace kedge
