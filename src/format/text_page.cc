// A text page: up to 256 chunks. docs/format.md, "Text page".
//   offset   size   field
//   0        16     page header, magic "KGTP"
//   16       4      strings, S: contexts
//   20       4      zero
//   24              string table, then the entries, then zeros up to a multiple of 64
// An entry: begin, as zigzag varint less the end of the entry before (modulo 2^64); end less begin,
// a varint; first and last line, then first and last record in the same way; context, a varint; row
// less chunk number, a zigzag varint, zero in a segment of one list; chunk hash; input hash.
#include <algorithm>

#include "base/allocation.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGTP";
constexpr std::string_view kWhat = "text page";
// The shortest entry: eight varints of one byte and two hashes.
constexpr std::size_t kMinEntryBytes = 8 + 32;

void put_range(ByteWriter& out, std::uint64_t first, std::uint64_t last, std::uint64_t before) {
  put_zigzag(out, static_cast<std::int64_t>(first - before));
  put_varint(out, last - first);
}

// Fails the reader where the range would pass 2^64.
void get_range(ByteReader& in, std::uint64_t& first, std::uint64_t& last, std::uint64_t before) {
  first = before + static_cast<std::uint64_t>(get_zigzag(in));
  last = first + get_varint(in, ~first);
}

void get_id(ByteReader& in, Id128& id) {
  const ByteView stored = in.get_bytes(id.bytes.size());
  std::copy(stored.begin(), stored.end(), id.bytes.begin());
}

}  // namespace

Bytes encode_text_page(std::uint32_t first_chunk, std::span<const TextEntry> entries) {
  StringTable contexts;
  for (const TextEntry& entry : entries) contexts.add(entry.chunk.context);
  contexts.seal();
  ByteWriter out;
  put_page_header(out, kMagic,
                  {.count = static_cast<std::uint32_t>(entries.size()), .first = first_chunk});
  out.put(static_cast<std::uint32_t>(contexts.size()));
  out.put(std::uint32_t{0});
  contexts.put(out);
  const ChunkRow none;
  const ChunkRow* before = &none;
  std::uint32_t number = first_chunk;
  for (const TextEntry& entry : entries) {
    const ChunkRow& chunk = entry.chunk;
    put_range(out, chunk.begin, chunk.end, before->end);
    put_range(out, chunk.line_first, chunk.line_last, before->line_last);
    put_range(out, chunk.row_first, chunk.row_last, before->row_last);
    put_varint(out, contexts.number_of(chunk.context));
    put_zigzag(out, std::int64_t{entry.row} - std::int64_t{number++});
    out.put_bytes(chunk.chunk_hash.bytes);
    out.put_bytes(chunk.input_hash.bytes);
    before = &chunk;
  }
  out.align(kPageAlignment);
  return std::move(out).take();
}

Result<std::vector<TextEntry>> parse_text_page(ByteView bytes, std::uint32_t first_chunk,
                                               const SegmentDirectory& directory) try {
  ByteReader in(bytes);
  const auto [bits, count, first] = KEDGE_TRY(get_page_header(in, kMagic, kWhat));
  if (bits != 0) return corrupt(kWhat, "reserved bytes are not zero", 6);
  if (first != first_chunk) return corrupt(kWhat, "another page than was asked for", 12);
  if (first % kTextPageChunks != 0 || first >= directory.rows)
    return corrupt(kWhat, "bad number of the first chunk", 12);
  if (count != std::min(kTextPageChunks, directory.rows - first))
    return corrupt(kWhat, "bad number of chunks", 8);
  const auto context_count = in.get<std::uint32_t>();
  const auto zero = in.get<std::uint32_t>();
  if (!in.ok() || in.remaining() < count * kMinEntryBytes)
    return corrupt(kWhat, "cut short", in.offset());
  if (zero != 0) return corrupt(kWhat, "reserved bytes are not zero", 20);
  if (context_count > count) return corrupt(kWhat, "more contexts than chunks", 16);
  const StringTable contexts = KEDGE_TRY(StringTable::get(in, context_count, kMaxField, kWhat));
  std::vector<bool> used(contexts.size());
  std::vector<TextEntry> entries(count);
  ChunkRow before;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = in.offset();
    ChunkRow& chunk = entries[i].chunk;
    get_range(in, chunk.begin, chunk.end, before.end);
    get_range(in, chunk.line_first, chunk.line_last, before.line_last);
    get_range(in, chunk.row_first, chunk.row_last, before.row_last);
    const std::uint64_t context = get_varint(in);
    const std::int64_t row_less_chunk = get_zigzag(in);
    get_id(in, chunk.chunk_hash);
    get_id(in, chunk.input_hash);
    if (!in.ok()) return corrupt(kWhat, "entry is cut short or a range is out of range", at);
    if (context >= contexts.size())
      return corrupt(kWhat, "entry names a context that is not there", at);
    constexpr std::int64_t kFar = kMaxSegmentRows;
    const bool near = row_less_chunk >= -kFar && row_less_chunk <= kFar;
    const std::int64_t row = near ? row_less_chunk + first + i : -1;
    if (row_less_chunk != 0 && directory.rows_are_chunks())
      return corrupt(kWhat, "row differs from the chunk number", at);
    if (row < 0 || row >= directory.rows) return corrupt(kWhat, "row is out of range", at);
    entries[i].row = static_cast<std::uint32_t>(row);
    before.end = chunk.end;
    before.line_last = chunk.line_last;
    before.row_last = chunk.row_last;
    chunk.context = contexts[context];
    used[context] = true;
  }
  if (std::find(used.begin(), used.end(), false) != used.end())
    return corrupt(kWhat, "a context that no entry names", 16);
  KEDGE_TRY(check_padding(in, kWhat));
  return entries;
} catch (...) {
  return memory_error(kWhat);
}

}  // namespace kedge
