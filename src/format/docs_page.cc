// A docs page: up to 128 objects. docs/format.md, "Docs page".
//   offset       size             field
//   0            16               page header, magic "KGDP"
//   16           4                recipes, R
//   20           4                strings, S: media types and charsets
//   24           8 * (count + 1)  of each entry: offset in the page u32, chunks before it in the
//                                 page u32; the last pair is the end of the entries and the sum
//                16 * R           recipes, increasing
//                                 string table
//                                 entries, without gaps
//                                 zeros up to a multiple of 64
// An entry: source, key, flags u8 (bits 0-2 status, 3 racy, 4 content hash), version id, tag, size,
// last modified, read time, media type, charset, title, content hash (if flagged), recipe, reason,
// attempts, retry after, metadata. Numbers are varints, times zigzag varints.
#include <algorithm>
#include <array>

#include "base/allocation.h"
#include "base/strings.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGDP";
constexpr std::string_view kWhat = "docs page";
constexpr std::size_t kTableOffset = 24;
constexpr unsigned kStatusMask = 0x07;
constexpr unsigned kRacy = 0x08;
constexpr unsigned kHasContentHash = 0x10;

// Numbers into the page's tables that an entry used.
struct Used {
  std::size_t media_type = 0;
  std::size_t charset = 0;
  std::size_t recipe = 0;
};

struct Recipes {
  std::vector<Id128> ids;
  [[nodiscard]] std::size_t number_of(const Id128& id) const {
    return static_cast<std::size_t>(std::lower_bound(ids.begin(), ids.end(), id) - ids.begin());
  }
};

void put_entry(ByteWriter& out, const ObjectRow& row, const StringTable& strings,
               const Recipes& recipes) {
  const bool has_hash = row.content_hash != Sha256{};
  put_varint(out, row.source);
  put_short_string(out, row.key);
  out.put(static_cast<std::uint8_t>(static_cast<unsigned>(row.status) | (row.racy ? kRacy : 0U) |
                                    (has_hash ? kHasContentHash : 0U)));
  put_short_string(out, row.version_id);
  put_short_string(out, row.tag);
  put_varint(out, row.size);
  put_zigzag(out, row.last_modified.micros);
  put_zigzag(out, row.read_time.micros);
  put_varint(out, strings.number_of(row.media_type));
  put_varint(out, strings.number_of(row.charset));
  put_short_string(out, row.title);
  if (has_hash) out.put_bytes(row.content_hash);
  put_varint(out, recipes.number_of(row.recipe));
  put_short_string(out, row.reason);
  put_varint(out, row.attempts);
  put_zigzag(out, row.retry_after.micros);
  put_metadata(out, row.metadata);
}

// Header, table and dictionaries of a page; entries are decoded one at a time.
class DocsPage {
 public:
  static Result<DocsPage> open(ByteView bytes, const SegmentDirectory& directory);
  [[nodiscard]] std::uint32_t count() const { return header_.count; }
  [[nodiscard]] std::uint32_t first() const { return header_.first; }
  // Precondition: index < count().
  Result<DocsEntry> entry(std::uint32_t index, Used& used) const;
  // What only a reader of the whole page can see. `used`: of every entry.
  Status check_whole(std::span<const DocsEntry> entries, std::span<const Used> used) const;

 private:
  struct Place {
    std::uint32_t offset = 0;
    std::uint32_t chunks = 0;
  };
  [[nodiscard]] Place place(std::uint32_t index) const;
  Status decode(ByteReader& in, ObjectRow& row, Used& used) const;

  ByteView bytes_;
  PageHeader header_;
  std::size_t entries_begin_ = 0;
  std::uint32_t first_chunk_ = 0;
  std::uint32_t chunks_ = 0;  // of the page, by the directory
  std::string_view first_key_;
  Recipes recipes_;
  StringTable strings_;
};

DocsPage::Place DocsPage::place(std::uint32_t index) const {
  ByteReader in(bytes_.subspan(kTableOffset + std::size_t{8} * index, 8));
  Place place;
  place.offset = in.get<std::uint32_t>();
  place.chunks = in.get<std::uint32_t>();
  return place;
}

Result<DocsPage> DocsPage::open(ByteView bytes, const SegmentDirectory& directory) {
  ByteReader in(bytes);
  DocsPage page;
  page.bytes_ = bytes;
  page.header_ = KEDGE_TRY(get_page_header(in, kMagic, kWhat));
  const auto& [bits, count, first] = page.header_;
  if (bits != 0) return corrupt(kWhat, "reserved bytes are not zero", 6);
  if (first % kDocsPageObjects != 0 || first >= directory.objects)
    return corrupt(kWhat, "bad number of the first object", 12);
  if (count != std::min(kDocsPageObjects, directory.objects - first))
    return corrupt(kWhat, "bad number of objects", 8);
  const std::size_t number = first / kDocsPageObjects;
  page.first_chunk_ = directory.first_chunk_of_page[number];
  page.chunks_ = (number + 1 < directory.docs.size() ? directory.first_chunk_of_page[number + 1]
                                                     : directory.rows) -
                 page.first_chunk_;
  page.first_key_ = directory.first_key_of_page[number];
  const auto recipe_count = in.get<std::uint32_t>();
  const auto string_count = in.get<std::uint32_t>();
  in.get_bytes(std::size_t{8} * (count + 1));
  if (!in.ok()) return corrupt(kWhat, "cut short", in.offset());
  if (recipe_count > count || string_count > 2 * count)
    return corrupt(kWhat, "more table entries than objects could use", 16);
  for (std::uint32_t i = 0; i < recipe_count; ++i) {
    Id128 id;
    const ByteView stored = in.get_bytes(id.bytes.size());
    if (!in.ok()) return corrupt(kWhat, "recipes are cut short", in.offset());
    std::copy(stored.begin(), stored.end(), id.bytes.begin());
    if (!page.recipes_.ids.empty() && page.recipes_.ids.back() >= id)
      return corrupt(kWhat, "recipes are not increasing", in.offset() - id.bytes.size());
    page.recipes_.ids.push_back(id);
  }
  page.strings_ = KEDGE_TRY(StringTable::get(in, string_count, kMaxField, kWhat));
  page.entries_begin_ = in.offset();
  return page;
}

Result<DocsEntry> DocsPage::entry(std::uint32_t index, Used& used) const {
  const Place here = place(index);
  const Place next = place(index + 1);
  const std::size_t table_offset = kTableOffset + std::size_t{8} * index;
  if (here.offset < entries_begin_ || next.offset < here.offset || next.offset > bytes_.size())
    return corrupt(kWhat, "bad offset of an entry", table_offset);
  if (next.chunks < here.chunks || next.chunks > chunks_ ||
      next.chunks - here.chunks > kMaxChunksPerObject) {
    return corrupt(kWhat, "bad chunk range of an entry", table_offset + 4);
  }
  DocsEntry entry;
  entry.first_chunk = first_chunk_ + here.chunks;
  entry.chunk_count = next.chunks - here.chunks;
  // The reader begins at the page, so that offsets in messages are offsets in the page.
  ByteReader in(bytes_.first(next.offset));
  in.get_bytes(here.offset);
  KEDGE_TRY(decode(in, entry.row, used));
  if (in.remaining() != 0) return corrupt(kWhat, "bytes behind an entry", in.offset());
  return entry;
}

Status DocsPage::decode(ByteReader& in, ObjectRow& row, Used& used) const {
  const std::size_t at = in.offset();
  row.source = static_cast<std::uint32_t>(get_varint(in, UINT32_MAX));
  row.key = get_short_string(in, kMaxObjectKey);
  const unsigned flags = in.get<std::uint8_t>();
  row.version_id = get_short_string(in, kMaxField);
  row.tag = get_short_string(in, kMaxField);
  row.size = get_varint(in);
  row.last_modified.micros = get_zigzag(in);
  row.read_time.micros = get_zigzag(in);
  used.media_type = get_varint(in);
  used.charset = get_varint(in);
  row.title = get_short_string(in, kMaxField);
  if (!in.ok()) return corrupt(kWhat, "entry is cut short or a field is over its limit", at);
  if (row.key.empty()) return corrupt(kWhat, "empty key", at);
  if ((flags & ~(kStatusMask | kRacy | kHasContentHash)) != 0)
    return corrupt(kWhat, "unknown flags in the entry", at);
  const unsigned status = flags & kStatusMask;
  if (status < static_cast<unsigned>(ObjectStatus::kIndexed) ||
      status > static_cast<unsigned>(ObjectStatus::kAbsent)) {
    return corrupt(kWhat, "unknown status in the entry", at);
  }
  row.status = static_cast<ObjectStatus>(status);
  row.racy = (flags & kRacy) != 0;
  if ((flags & kHasContentHash) != 0) {
    const ByteView hash = in.get_bytes(row.content_hash.size());
    std::copy(hash.begin(), hash.end(), row.content_hash.begin());
    if (row.content_hash == Sha256{}) return corrupt(kWhat, "flagged content hash is zero", at);
  }
  used.recipe = get_varint(in);
  if (used.recipe >= recipes_.ids.size() || used.media_type >= strings_.size() ||
      used.charset >= strings_.size()) {
    return corrupt(kWhat, "entry names a string or recipe that is not there", at);
  }
  row.recipe = recipes_.ids[used.recipe];
  row.media_type = strings_[used.media_type];
  row.charset = strings_[used.charset];
  row.reason = get_short_string(in, kMaxField);
  row.attempts = static_cast<std::uint32_t>(get_varint(in, UINT32_MAX));
  row.retry_after.micros = get_zigzag(in);
  row.metadata = KEDGE_TRY(get_metadata(in, kWhat));
  return {};
}

Status DocsPage::check_whole(std::span<const DocsEntry> entries, std::span<const Used> used) const {
  if (place(0).offset != entries_begin_ || place(0).chunks != 0)
    return corrupt(kWhat, "the first entry is not at its place", kTableOffset);
  const Place end = place(count());
  if (end.chunks != chunks_)
    return corrupt(kWhat, "number of chunks differs from the directory's",
                   kTableOffset + std::size_t{8} * count() + 4);
  std::vector<bool> strings(strings_.size());
  std::vector<bool> recipes(recipes_.ids.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    strings[used[i].media_type] = strings[used[i].charset] = recipes[used[i].recipe] = true;
    const ObjectRow& row = entries[i].row;
    if (i > 0 && std::tie(entries[i - 1].row.source, entries[i - 1].row.key) >=
                     std::tie(row.source, row.key)) {
      return corrupt(kWhat, "keys are not increasing", place(static_cast<std::uint32_t>(i)).offset);
    }
  }
  if (key_bound(entries[0].row.source, entries[0].row.key) != first_key_)
    return corrupt(kWhat, "first key differs from the directory's", entries_begin_);
  for (const std::vector<bool>* seen : {&strings, &recipes}) {
    if (std::find(seen->begin(), seen->end(), false) != seen->end())
      return corrupt(kWhat, "a string or recipe that no entry names", 16);
  }
  ByteReader in(bytes_);
  in.get_bytes(end.offset);
  return check_padding(in, kWhat);
}

}  // namespace

Bytes encode_docs_page(std::uint32_t first_object, std::span<const DocsEntry> entries) {
  StringTable strings;
  Recipes recipes;
  for (const DocsEntry& entry : entries) {
    strings.add(entry.row.media_type);
    strings.add(entry.row.charset);
    recipes.ids.push_back(entry.row.recipe);
  }
  strings.seal();
  std::sort(recipes.ids.begin(), recipes.ids.end());
  recipes.ids.erase(std::unique(recipes.ids.begin(), recipes.ids.end()), recipes.ids.end());

  ByteWriter out;
  put_page_header(out, kMagic,
                  {.count = static_cast<std::uint32_t>(entries.size()), .first = first_object});
  out.put(static_cast<std::uint32_t>(recipes.ids.size()));
  out.put(static_cast<std::uint32_t>(strings.size()));
  out.put_zeros(8 * (entries.size() + 1));
  for (const Id128& id : recipes.ids) out.put_bytes(id.bytes);
  strings.put(out);
  std::uint32_t chunks = 0;
  std::size_t place = kTableOffset;
  const auto put_place = [&] {
    out.put_at(place, static_cast<std::uint32_t>(out.size()));
    out.put_at(place + 4, chunks);
    place += 8;
  };
  for (const DocsEntry& entry : entries) {
    put_place();
    put_entry(out, entry.row, strings, recipes);
    chunks += entry.chunk_count;
  }
  put_place();
  out.align(kPageAlignment);
  return std::move(out).take();
}

Result<std::vector<DocsEntry>> parse_docs_page(ByteView bytes, std::uint32_t first_object,
                                               const SegmentDirectory& directory) try {
  const DocsPage page = KEDGE_TRY(DocsPage::open(bytes, directory));
  if (page.first() != first_object) return corrupt(kWhat, "another page than was asked for", 12);
  std::vector<DocsEntry> entries;
  std::vector<Used> used(page.count());
  entries.reserve(page.count());
  for (std::uint32_t i = 0; i < page.count(); ++i)
    entries.push_back(KEDGE_TRY(page.entry(i, used[i])));
  KEDGE_TRY(page.check_whole(entries, used));
  return entries;
} catch (...) {
  return memory_error(kWhat);
}

Result<DocsEntry> parse_docs_entry(ByteView bytes, std::uint32_t index_in_page,
                                   const SegmentDirectory& directory) try {
  const DocsPage page = KEDGE_TRY(DocsPage::open(bytes, directory));
  if (index_in_page >= page.count())
    return Error{Code::kCorrupt,
                 str_cat(kWhat, ": no object ", index_in_page, " in a page of ", page.count())};
  Used used;
  return page.entry(index_in_page, used);
} catch (...) {
  return memory_error(kWhat);
}

}  // namespace kedge
