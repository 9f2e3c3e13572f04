// The live rows of one source in key order: a merge of the docs planes of all segments.
#include <algorithm>
#include <deque>
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/lookup.h"

namespace kedge {
namespace {

constexpr std::size_t kPagesAhead =
    128;  // of all segments together, so that memory does not grow with their number

// Where one segment stands.
struct Track {
  SegmentPtr segment;
  std::size_t next_page = 0;
  std::uint32_t next_number = 0;  // of entries.front()
  std::deque<DocsEntry> entries;
};

class MergeCursor final : public ObjectCursor {
 public:
  MergeCursor(IndexImpl& index, SnapshotPtr snapshot, std::uint32_t source, std::string after)
      : index_(index), snapshot_(std::move(snapshot)), source_(source), after_(std::move(after)) {}

  Result<std::optional<LiveObject>> next(Deadline deadline) override {
    if (!started_) KEDGE_TRY(start(deadline));
    Track* least = nullptr;
    for (Track& track : tracks_) {
      KEDGE_TRY(fill(track, deadline));
      if (track.entries.empty()) continue;
      if (least == nullptr || track.entries.front().row.key < least->entries.front().row.key)
        least = &track;
    }
    if (least == nullptr) return std::optional<LiveObject>();
    const std::uint32_t number = least->next_number++;
    DocsEntry entry = std::move(least->entries.front());
    least->entries.pop_front();
    return std::optional<LiveObject>(make_live(*least->segment, number, std::move(entry)));
  }

 private:
  Status start(Deadline deadline) {
    started_ = true;
    // The first key above `after_` is not below it with a zero byte behind.
    const std::string bound = sort_key(source_, after_.empty() ? after_ : after_ + '\0');
    for (const SegmentPtr& segment : snapshot_->segments()) {
      const std::uint32_t first = KEDGE_TRY(lower_bound_object(index_.reader(), *snapshot_->head(),
                                                               *segment, bound, nullptr, deadline));
      if (first >= segment->directory().objects) continue;
      Track track{.segment = segment,
                  .next_page = first / kDocsPageObjects,
                  .next_number = 0,
                  .entries = {}};
      KEDGE_TRY(read_pages(track, first, deadline));
      tracks_.push_back(std::move(track));
    }
    return {};
  }

  // Makes the front of the track a live row of the source, or empties it for good.
  Status fill(Track& track, Deadline deadline) {
    while (true) {
      while (!track.entries.empty()) {
        if (track.entries.front().row.source != source_) {
          track.entries.clear();
          track.next_page = track.segment->directory().docs.size();
          return {};
        }
        if (!track.segment->is_dead(track.next_number)) return {};
        track.entries.pop_front();
        ++track.next_number;
      }
      if (track.next_page == track.segment->directory().docs.size()) return {};
      KEDGE_TRY(read_pages(track, static_cast<std::uint32_t>(track.next_page * kDocsPageObjects),
                           deadline));
    }
  }

  Status read_pages(Track& track, std::uint32_t first, Deadline deadline) {
    const SegmentDirectory& directory = track.segment->directory();
    const std::size_t ahead =
        std::clamp<std::size_t>(kPagesAhead / snapshot_->segments().size(), 1, 16);
    const std::size_t end = std::min(directory.docs.size(), track.next_page + ahead);
    std::vector<PageWant> wants;
    for (std::size_t page = track.next_page; page < end; ++page) {
      wants.push_back({track.segment->file().get(), directory.docs[page], "docs page"});
    }
    const std::vector<BlockPtr> blocks =
        KEDGE_TRY(index_.reader().read_all(*snapshot_->head(), wants, nullptr, deadline));
    auto number = static_cast<std::uint32_t>(track.next_page * kDocsPageObjects);
    for (const BlockPtr& block : blocks) {
      for (DocsEntry& entry : KEDGE_TRY(parse_docs_page(block->bytes, number, directory))) {
        if (number++ >= first) track.entries.push_back(std::move(entry));
      }
    }
    track.next_number = first;
    track.next_page = end;
    return {};
  }

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  std::uint32_t source_;
  std::string after_;
  std::vector<Track> tracks_;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<ObjectCursor> IndexImpl::scan(const SnapshotPtr& snapshot, std::uint32_t source,
                                              std::string after) {
  return std::make_unique<MergeCursor>(*this, snapshot, source, std::move(after));
}

}  // namespace kedge
