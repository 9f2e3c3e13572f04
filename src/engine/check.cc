// Reads every file of the newest generation, whole, and checks every page of it.
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"

namespace kedge {
namespace {

constexpr std::uint64_t kCheckRange = 8ULL << 20;

class FileCheck {
 public:
  FileCheck(HeadLog& log, Deadline deadline) : log_(log), deadline_(deadline) {}

  Status segment(const Segment& segment) {
    const SegmentDirectory& directory = segment.directory();
    const std::string key = segment.file()->key;
    const Bytes header = KEDGE_TRY(read(key, 0, kSegmentHeaderBytes));
    if (KEDGE_TRY(parse_segment_header(header)) != segment.id()) {
      return {Code::kCorrupt, str_cat(key, ": the file is another segment's")};
    }
    const Bytes tail =
        KEDGE_TRY(read(key, segment.entry().bytes - kSegmentTailBytes, kSegmentTailBytes));
    KEDGE_TRY(parse_segment_tail(tail, segment.entry().bytes));
    std::uint32_t number = 0;
    KEDGE_TRY(pages(key, directory.docs, "docs page", [&](ByteView bytes) -> Status {
      KEDGE_TRY(parse_docs_page(bytes, number, directory));
      number += kDocsPageObjects;
      return {};
    }));
    number = 0;
    KEDGE_TRY(pages(key, directory.text, "text page", [&](ByteView bytes) -> Status {
      KEDGE_TRY(parse_text_page(bytes, number, directory));
      number += kTextPageChunks;
      return {};
    }));
    KEDGE_TRY(pages(key, directory.keys, "keys page", [](ByteView) -> Status { return {}; }));
    number = 0;
    return pages(key, directory.vectors, "vector block", [&](ByteView bytes) -> Status {
      KEDGE_TRY(VectorBlock::parse(bytes, number, directory));
      number += kVectorBlockRows;
      return {};
    });
  }

 private:
  Result<Bytes> read(const std::string& key, std::uint64_t offset, std::uint64_t size) {
    Blob blob = KEDGE_TRY(read_one(
        log_.store(),
        {.key = log_.path(key), .offset = offset, .length = size, .if_match = {}, .version_id = {}},
        deadline_));
    if (blob.body.size() != size)
      return Error{Code::kCorrupt, str_cat(key, ": the file is cut short")};
    return std::move(blob.body);
  }

  // Pages of one plane, several a request.
  template <typename Parse>
  Status pages(const std::string& key, const std::vector<PageRef>& refs, std::string_view what,
               const Parse& parse) {
    std::size_t first = 0;
    while (first < refs.size()) {
      std::size_t last = first;
      const std::uint64_t begin = refs[first].offset;
      while (last + 1 < refs.size() &&
             refs[last + 1].offset + refs[last + 1].size - begin <= kCheckRange)
        ++last;
      const Bytes bytes = KEDGE_TRY(read(key, begin, refs[last].offset + refs[last].size - begin));
      for (; first <= last; ++first) {
        const ByteView page = ByteView(bytes).subspan(refs[first].offset - begin, refs[first].size);
        KEDGE_TRY(check_page(refs[first], page, what));
        KEDGE_TRY(parse(page));
      }
    }
    return {};
  }

  HeadLog& log_;
  Deadline deadline_;
};

}  // namespace

Result<std::vector<std::string>> IndexImpl::check_files(Deadline deadline) {
  std::vector<std::string> damaged;
  const HeadPtr head = KEDGE_TRY(log_.read(deadline));
  const Result<SnapshotPtr> snapshot = open_snapshot(head, deadline);
  if (!snapshot.ok()) {
    if (snapshot.code() != Code::kCorrupt) return snapshot.error();
    damaged.push_back(snapshot.error().message);
    return damaged;
  }
  for (const SegmentPtr& segment : (*snapshot)->segments()) {
    const Status sound = FileCheck(log_, deadline).segment(*segment);
    if (sound.ok()) continue;
    const bool its_own = sound.code() == Code::kCorrupt || sound.code() == Code::kNotFound ||
                         sound.code() == Code::kInvalid;
    if (!its_own) return sound.error();
    const std::string& key = segment->file()->key;
    const bool named = sound.error().message.find(key) != std::string::npos;
    damaged.push_back(named ? sound.error().message : str_cat(key, ": ", sound.error().message));
  }
  return damaged;
}

}  // namespace kedge
