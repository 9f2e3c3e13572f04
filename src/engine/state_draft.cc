#include "engine/state_draft.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

std::uint64_t directory_bytes(const SegmentEntry& entry) {
  return entry.planes[static_cast<std::size_t>(Plane::kDirectory)].size;
}

void make_set(std::vector<std::uint32_t>& numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

std::vector<std::uint32_t> union_of(const std::vector<std::uint32_t>& a,
                                    const std::vector<std::uint32_t>& b) {
  std::vector<std::uint32_t> both;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

}  // namespace

StateDraft::StateDraft(IndexImpl& index, const Snapshot& base)
    : index_(index), state_(base.state()) {
  for (const SegmentPtr& segment : base.segments()) segments_.emplace(segment->id(), segment);
}

void StateDraft::remove(const Id128& segment) {
  std::erase_if(state_.segments, [&](const SegmentEntry& entry) { return entry.id == segment; });
}

bool StateDraft::add(const SegmentEntry& entry, SegmentFilePtr file,
                     const std::vector<std::uint32_t>& dead) {
  std::vector<std::uint32_t> numbers = dead;
  make_set(numbers);
  if (numbers.size() == entry.objects) return false;
  state_.segments.insert(state_.segments.begin(), entry);
  fresh_.emplace(entry.id, std::move(file));
  dead_[entry.id] = std::move(numbers);
  return true;
}

// Afterwards dead_ holds every dead object of the segments that got some.
void StateDraft::apply_deletes() {
  std::vector<SegmentEntry> kept;
  for (SegmentEntry& entry : state_.segments) {
    const auto added = dead_.find(entry.id);
    if (added != dead_.end()) {
      make_set(added->second);
      const auto base = segments_.find(entry.id);
      const std::vector<std::uint32_t> before =
          base == segments_.end() ? std::vector<std::uint32_t>() : base->second->dead();
      std::vector<std::uint32_t> fresh;
      std::set_difference(added->second.begin(), added->second.end(), before.begin(), before.end(),
                          std::back_inserter(fresh));
      entry.dead = union_of(entry.dead, fresh);
      added->second = union_of(before, fresh);
    }
    if (entry.dead_objects() < entry.objects) kept.push_back(std::move(entry));
  }
  state_.segments = std::move(kept);
}

bool StateDraft::foldable(const SegmentEntry& entry) const {
  const auto base = segments_.find(entry.id);
  return !entry.dead.empty() && (base == segments_.end() || !base->second->damage());
}

// All dead objects of the segment into one new del file.
void StateDraft::fold(SegmentEntry& entry) {
  const auto added = dead_.find(entry.id);
  const std::vector<std::uint32_t>& all =
      added != dead_.end() ? added->second : segments_.at(entry.id)->dead();
  Bytes body = encode_del_file(entry.id, all);
  entry.del_file = index_.random_id();
  entry.del_bytes = body.size();
  entry.del_count = static_cast<std::uint32_t>(all.size());
  entry.dead.clear();
  puts_.emplace_back(FileRef{.key = entry.del_key(), .size = entry.del_bytes}, std::move(body));
}

void StateDraft::fold_where_too_many() {
  std::size_t total = 0;
  for (SegmentEntry& entry : state_.segments) {
    if (entry.dead.size() > kMaxInlineDead) fold(entry);
    total += entry.dead.size();
  }
  while (total > kMaxInlineDeadTotal) {
    // The longest list first: fewest files for most room.
    SegmentEntry* longest = nullptr;
    for (SegmentEntry& entry : state_.segments) {
      if (foldable(entry) && (longest == nullptr || entry.dead.size() > longest->dead.size()))
        longest = &entry;
    }
    if (longest == nullptr) return;
    total -= longest->dead.size();
    fold(*longest);
  }
}

// The smallest first, since small segments are the many: each that is not inlined is a request when
// the index is opened.
void StateDraft::inline_directories(std::size_t limit) {
  std::vector<SegmentEntry*> order;
  for (SegmentEntry& entry : state_.segments) order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(), [](const SegmentEntry* a, const SegmentEntry* b) {
    return directory_bytes(*a) < directory_bytes(*b);
  });
  std::uint64_t total = 0;
  for (SegmentEntry* entry : order) {
    total += directory_bytes(*entry);
    if (total > limit) {
      entry->directory.clear();
    } else if (entry->directory.empty()) {
      const auto fresh = fresh_.find(entry->id);
      const Segment* old = fresh == fresh_.end() ? segments_.at(entry->id).get() : nullptr;
      if (old != nullptr && old->damage()) continue;
      entry->directory = (old != nullptr ? *old->file() : *fresh->second).directory.encode();
    }
  }
}

// Of each space the newest tree stays, and whatever a segment stands on.
void StateDraft::drop_unused_trees() {
  std::vector<TreeEntry> kept;
  for (TreeEntry& tree : state_.trees) {
    const bool newest = std::none_of(kept.begin(), kept.end(), [&](const TreeEntry& other) {
      return other.space == tree.space;
    });
    const bool used = std::any_of(state_.segments.begin(), state_.segments.end(),
                                  [&](const SegmentEntry& entry) { return entry.tree == tree.id; });
    if (newest || used) kept.push_back(std::move(tree));
  }
  state_.trees = std::move(kept);
}

Result<Draft> StateDraft::finish() {
  apply_deletes();
  drop_unused_trees();
  fold_where_too_many();
  inline_directories(kMaxInlineDirectories);
  if (state_.segments.size() > kMaxSegments) {
    return {Code::kExhausted, str_cat("the index would have ", state_.segments.size(),
                                      " segments, more than ", kMaxSegments, ": merge first")};
  }
  KEDGE_TRY(state_.check());
  Draft draft;
  draft.payload = state_.encode();
  if (draft.payload.size() > kMaxPayloadBytes) {
    inline_directories(0);
    for (SegmentEntry& entry : state_.segments) {
      if (foldable(entry)) fold(entry);
    }
    draft.payload = state_.encode();
  }
  draft.files = state_.files();
  draft.puts = std::move(puts_);
  // A segment may have been folded twice.
  std::erase_if(draft.puts, [&](const auto& put) {
    return !std::binary_search(draft.files.begin(), draft.files.end(), put.first);
  });
  return draft;
}

}  // namespace kedge
