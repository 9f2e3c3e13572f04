// Reads every file of the newest generation, whole, and checks every page of it, and then whether
// the rows together are what the head says of them.
#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "engine/counts.h"
#include "engine/cursor.h"
#include "engine/index_impl.h"
#include "engine/open_tree.h"
#include "format/attributes.h"

namespace kedge {
namespace {

constexpr std::uint64_t kCheckRange = 8ULL << 20;

class FileCheck {
 public:
  FileCheck(HeadLog& log, const SegmentEntry& entry, Deadline deadline)
      : log_(log), entry_(entry), key_(entry.file_key()), deadline_(deadline) {}

  // The segment's file.
  Status file() {
    key_ = entry_.file_key();
    KEDGE_TRY(ends());
    return planes();
  }

  // Its del file. Precondition: there is one.
  Status deletes() {
    key_ = entry_.del_key();
    const Bytes bytes = KEDGE_TRY(read(0, entry_.del_bytes));
    const std::vector<std::uint32_t> dead =
        KEDGE_TRY(parse_del_file(bytes, entry_.id, entry_.objects));
    if (dead.size() != entry_.del_count) return bad("another count than the head says");
    return {};
  }

 private:
  Error bad(std::string_view what) const { return {Code::kCorrupt, str_cat(key_, ": ", what)}; }

  // Header, directory and tail, as the head describes them.
  Status ends() {
    const Bytes header = KEDGE_TRY(read(0, kSegmentHeaderBytes));
    if (KEDGE_TRY(parse_segment_header(header)) != entry_.id)
      return bad("the file is another segment's");
    const Bytes tail = KEDGE_TRY(read(entry_.bytes - kSegmentTailBytes, kSegmentTailBytes));
    SegmentEntry expected = entry_;
    expected.directory.clear();
    expected.del_file = {};
    expected.del_bytes = 0;
    expected.del_count = 0;
    expected.dead.clear();
    if (KEDGE_TRY(parse_segment_tail(tail, entry_.bytes)) != expected)
      return bad("the tail is not what the head says");
    const Extent& extent = entry_.planes[static_cast<std::size_t>(Plane::kDirectory)];
    const Bytes directory = KEDGE_TRY(read(extent.offset, extent.size));
    file_ = KEDGE_TRY(open_segment_file(entry_, directory));
    return {};
  }

  Status planes() {
    const SegmentDirectory& directory = file_->directory;
    std::vector<Bytes> keys;
    KEDGE_TRY(pages(directory.keys, "keys page", [&](ByteView bytes) -> Status {
      keys.emplace_back(bytes.begin(), bytes.end());
      return {};
    }));
    std::uint32_t number = 0;
    AttributesBuilder attributes;
    KEDGE_TRY(pages(directory.docs, "docs page", [&](ByteView bytes) -> Status {
      for (const DocsEntry& entry : KEDGE_TRY(parse_docs_page(bytes, number, directory))) {
        if (!directory.attributes.empty()) attributes.add(number, entry.row);
        KEDGE_TRY(is_found(entry.row, number++, keys));
      }
      return {};
    }));
    KEDGE_TRY(attribute_pages(std::move(attributes).finish()));
    number = 0;
    KEDGE_TRY(pages(directory.text, "text page", [&](ByteView bytes) -> Status {
      number +=
          static_cast<std::uint32_t>(KEDGE_TRY(parse_text_page(bytes, number, directory)).size());
      return {};
    }));
    number = 0;
    KEDGE_TRY(pages(directory.vectors, "vector block", [&](ByteView bytes) -> Status {
      number += KEDGE_TRY(VectorBlock::parse(bytes, number, directory)).row_count();
      return {};
    }));
    number = 0;
    KEDGE_TRY(pages(directory.refine, "refine block", [&](ByteView bytes) -> Status {
      KEDGE_TRY(parse_refine_block(bytes, number, directory));
      number += kCodeBlockRows;
      return {};
    }));
    std::vector<PageRef> runs;
    std::vector<std::uint32_t> lists;
    for (std::uint32_t list = 0; list < directory.lists.size(); ++list) {
      if (directory.lists[list].rows == 0) continue;
      runs.push_back(directory.list_page(list));
      lists.push_back(list);
    }
    std::size_t next = 0;
    return pages(runs, "run of codes", [&](ByteView bytes) -> Status {
      KEDGE_TRY(CodeList::parse(bytes, lists[next++], directory));
      return {};
    });
  }

  // The plane is made of the rows, so there is one that is right.
  Status attribute_pages(const AttributesBuilder::Plane& right) {
    const std::vector<PageRef>& refs = file_->directory.attributes;
    if (refs.empty()) return {};
    std::size_t number = 0;
    KEDGE_TRY(pages(refs, "attributes page", [&](ByteView bytes) -> Status {
      const bool same =
          number < right.pages.size() && std::ranges::equal(bytes, right.pages[number]);
      if (!same) return bad(str_cat("attributes page ", number, " is not that of its objects"));
      ++number;
      return {};
    }));
    if (number != right.pages.size()) return bad("attributes pages are missing");
    return {};
  }

  Status is_found(const ObjectRow& row, std::uint32_t number, const std::vector<Bytes>& keys) {
    const Id128 hash = object_key_hash(row.source, row.key);
    const std::vector<std::uint32_t> numbers =
        KEDGE_TRY(find_in_keys_page(keys[keys_page_of(hash, keys.size())], hash, file_->directory));
    if (std::find(numbers.begin(), numbers.end(), number) == numbers.end())
      return bad(str_cat("object ", number, " is not in the keys plane"));
    return {};
  }

  Result<Bytes> read(std::uint64_t offset, std::uint64_t size) {
    Blob blob = KEDGE_TRY(read_one(log_.store(),
                                   {.key = log_.path(key_),
                                    .offset = offset,
                                    .length = size,
                                    .if_match = {},
                                    .version_id = {}},
                                   deadline_));
    const std::uint64_t named = key_ == entry_.file_key() ? entry_.bytes : entry_.del_bytes;
    if (blob.info.size != named || blob.body.size() != size)
      return bad(str_cat("the file has ", blob.info.size, " bytes, the head says ", named));
    return std::move(blob.body);
  }

  // Pages of one plane, several a request.
  template <typename Parse>
  Status pages(const std::vector<PageRef>& refs, std::string_view what, const Parse& parse) {
    std::size_t first = 0;
    while (first < refs.size()) {
      std::size_t last = first;
      const std::uint64_t begin = refs[first].offset;
      while (last + 1 < refs.size() &&
             refs[last + 1].offset + refs[last + 1].size - begin <= kCheckRange)
        ++last;
      const Bytes bytes = KEDGE_TRY(read(begin, refs[last].offset + refs[last].size - begin));
      for (; first <= last; ++first) {
        const ByteView page = ByteView(bytes).subspan(refs[first].offset - begin, refs[first].size);
        KEDGE_TRY(check_page(refs[first], page, what));
        KEDGE_TRY(parse(page));
      }
    }
    return {};
  }

  HeadLog& log_;
  const SegmentEntry& entry_;
  std::string key_;
  Deadline deadline_;
  SegmentFilePtr file_;
};

// Whether the error tells of the file, and not of the way to it.
bool is_of_file(Code code) {
  return code == Code::kCorrupt || code == Code::kNotFound || code == Code::kInvalid ||
         code == Code::kUnsupported;
}

// Of one file: looked at once more before it counts as damaged, should only the way here have
// damaged it.
template <typename Check>
Status check_file(const std::string& key, std::vector<Damage>& damaged, Damage of,
                  const Check& check) {
  Status sound = check();
  if (!sound.ok() && is_of_file(sound.code())) sound = check();
  if (sound.ok()) return {};
  if (!is_of_file(sound.code())) return sound.error();
  const std::string& message = sound.error().message;
  const bool named = message.find(key) != std::string::npos;
  of.what = named ? message : str_cat(key, ": ", message);
  of.code = sound.code();
  damaged.push_back(std::move(of));
  return {};
}

Status check_tree(HeadLog& log, const TreeEntry& entry, Deadline deadline) {
  const Result<Blob> blob = read_one(log.store(),
                                     {.key = log.path(entry.file_key()),
                                      .offset = 0,
                                      .length = {},
                                      .if_match = {},
                                      .version_id = {}},
                                     deadline);
  if (!blob.ok()) return Error{blob.code(), str_cat(entry.file_key(), ": ", blob.error().message)};
  if (blob->body.size() != entry.bytes) {
    return Error{Code::kCorrupt, str_cat(entry.file_key(), ": the file has ", blob->body.size(),
                                         " bytes, the head says ", entry.bytes)};
  }
  const Result<OpenTreePtr> tree = open_tree(entry, blob->body);
  return tree.ok() ? Status() : Status(tree.error());
}

// Every live row, in key order, against what the entry of its source counts.
Status check_counts(PageReader& reader, const SnapshotPtr& snapshot, std::vector<Damage>& damaged,
                    Deadline deadline) {
  const auto found = [&](std::string what) {
    Damage& damage = damaged.emplace_back();
    damage.what = std::move(what);
  };
  for (const SourceEntry& source : snapshot->state().sources) {
    SourceEntry counted = source;
    clear_counts(counted);
    RowCursor rows(reader, snapshot, range_of(source.number, ""));
    std::optional<std::string> before;
    while (auto row = KEDGE_TRY(rows.next(deadline))) {
      const ObjectRow& object = row->entry.row;
      if (before == object.key) {
        found(str_cat(row->segment->file()->key, ": key '", printable(object.key),
                      "' is live in another segment too"));
      }
      before = object.key;
      add_count(counted, RowCount::of(object));
    }
    counted.earliest_retry = source.earliest_retry;  // a bound only
    if (counted != source) {
      found(str_cat("head: source ", source.number, " counts ", source.live_objects,
                    " objects, its rows are ", counted.live_objects, ", or their hash is another"));
    }
  }
  return {};
}

}  // namespace

std::vector<Damage> known_damage(const Snapshot& snapshot) {
  std::vector<Damage> out;
  for (const SegmentPtr& segment : snapshot.segments()) {
    if (!segment->damage()) continue;
    out.push_back({.what = segment->damage()->message,
                   .code = segment->damage()->code,
                   .segment = segment->id(),
                   .tree = {}});
  }
  for (const TreeEntry& tree : snapshot.state().trees) {
    if (snapshot.tree(tree.id) != nullptr) continue;
    out.push_back({.what = str_cat(tree.file_key(), ": cannot be read"),
                   .code = Code::kCorrupt,
                   .segment = {},
                   .tree = tree.id});
  }
  return out;
}

Result<std::vector<Damage>> IndexImpl::find_damage(Deadline deadline) {
  std::vector<Damage> damaged;
  const HeadPtr head = KEDGE_TRY(log_.read(deadline));
  const SnapshotPtr snapshot = KEDGE_TRY(open_newest(head, deadline));
  for (const SegmentEntry& entry : snapshot->state().segments) {
    FileCheck check(log_, entry, deadline);
    Damage of;
    of.segment = entry.id;
    KEDGE_TRY(check_file(entry.file_key(), damaged, of, [&] { return check.file(); }));
    if (entry.del_file.is_zero()) continue;
    KEDGE_TRY(check_file(entry.del_key(), damaged, of, [&] { return check.deletes(); }));
  }
  for (const TreeEntry& tree : snapshot->state().trees) {
    Damage of;
    of.tree = tree.id;
    KEDGE_TRY(
        check_file(tree.file_key(), damaged, of, [&] { return check_tree(log_, tree, deadline); }));
  }
  // What the rows add up to says nothing while some cannot be read.
  if (damaged.empty()) KEDGE_TRY(check_counts(reader_, snapshot, damaged, deadline));
  return damaged;
}

Result<std::vector<std::string>> IndexImpl::check_files(Deadline deadline) {
  std::vector<std::string> out;
  for (Damage& damage : KEDGE_TRY(find_damage(deadline))) out.push_back(std::move(damage.what));
  return out;
}

}  // namespace kedge
