// What opening a generation reads behind the head: the directories that do not lie in it, del files
// and trees; and the opening file (format/opening.h), which holds copies of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commit/head_log.h"
#include "format/index_state.h"
#include "format/opening.h"
#include "format/segment.h"
#include "store/disk_cache.h"

namespace kedge {

// The directory of a segment, as a page of its file.
PageRef directory_page(const SegmentEntry& entry);
// The names under which these blocks lie in the disk cache and in the opening file. nullopt for a
// size that no block has.
BlockName directory_block(const SegmentEntry& entry);
std::optional<BlockName> deletes_block(const SegmentEntry& entry);
std::optional<BlockName> tree_block(const TreeEntry& entry);

// A larger opening file would take longer to read than the round that it saves: it is left empty.
inline constexpr std::uint64_t kMaxOpeningBytes = 32ULL << 20;

// An opening file as it was read, or nothing.
class Opening {
 public:
  Opening() = default;
  Opening(Opening&&) = default;  // blocks borrow from the file, which stays where it is
  Opening& operator=(Opening&&) = default;
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;
  // What cannot be read is nothing.
  explicit Opening(Bytes file);
  // Borrowed; to be checked as any block of the store.
  [[nodiscard]] std::optional<ByteView> find(const BlockName& name) const;

 private:
  Bytes file_;
  std::vector<OpeningBlock> blocks_;
};

// Whether a generation that follows `before` (nullptr: none) has trees or directories behind its
// head that `before` has not: then its opening file is to be written. Dead objects alone are not
// worth one.
bool opening_changed(const IndexState* before, const IndexState& now);
// Reads what opening `state` reads, and puts it together.
Status write_opening(HeadLog& log, const IndexState& state, Deadline deadline);

// Stands in the disk cache for "this machine has opened that index": what opening reads is there,
// most likely, and the opening file need not be read.
// Its bytes are those of its `file`.
BlockName opened_before(const HeadLog& log);

}  // namespace kedge
