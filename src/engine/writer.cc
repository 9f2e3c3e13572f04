#include "engine/writer.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace kedge {

void keep_earliest(Timestamp& earliest, Timestamp time) {
  if (time.micros != 0 && (earliest.micros == 0 || time < earliest)) earliest = time;
}

// ---- deletes

void DeleteSet::fold(SegmentEntry& entry, const std::vector<std::uint32_t>& dead, Random& random,
                     std::vector<std::pair<FileRef, Bytes>>& puts) {
  Bytes body = encode_del_file(entry.id, dead);
  entry.del_file = Id128::random(random);
  entry.del_bytes = body.size();
  entry.del_count = static_cast<std::uint32_t>(dead.size());
  entry.dead.clear();
  const FileRef file{.key = entry.del_key(), .size = entry.del_bytes};
  puts.emplace_back(file, std::move(body));
}

std::vector<bool> DeleteSet::apply(IndexState& state, std::span<const SegmentPtr> segments,
                                   Random& random, std::vector<std::pair<FileRef, Bytes>>& puts) {
  std::vector<bool> empty(state.segments.size(), false);
  std::vector<std::vector<std::uint32_t>> all(state.segments.size());
  std::size_t inline_total = 0;
  for (std::size_t i = 0; i < state.segments.size(); ++i) {
    SegmentEntry& entry = state.segments[i];
    all[i] = segments[i]->dead();
    const auto added = added_.find(i);
    if (added != added_.end()) {
      std::vector<std::uint32_t>& fresh = added->second;
      std::sort(fresh.begin(), fresh.end());
      fresh.erase(std::unique(fresh.begin(), fresh.end()), fresh.end());
      std::vector<std::uint32_t> merged;
      std::set_union(all[i].begin(), all[i].end(), fresh.begin(), fresh.end(),
                     std::back_inserter(merged));
      std::vector<std::uint32_t> inlined;
      std::set_union(entry.dead.begin(), entry.dead.end(), fresh.begin(), fresh.end(),
                     std::back_inserter(inlined));
      all[i] = std::move(merged);
      entry.dead = std::move(inlined);
    }
    empty[i] = all[i].size() == entry.objects;
    if (empty[i]) continue;
    if (entry.dead.size() > kMaxInlineDead) fold(entry, all[i], random, puts);
    inline_total += entry.dead.size();
  }
  while (inline_total > kMaxInlineDeadTotal) {
    // The longest list first: fewest files for most room.
    std::size_t longest = 0;
    for (std::size_t i = 0; i < state.segments.size(); ++i) {
      if (!empty[i] && state.segments[i].dead.size() > state.segments[longest].dead.size())
        longest = i;
    }
    inline_total -= state.segments[longest].dead.size();
    fold(state.segments[longest], all[longest], random, puts);
  }
  return empty;
}

// ---- intents

Status Writer::check_keys() const {
  std::vector<const ObjectKey*> order;
  for (const ObjectKey& key : keys_) order.push_back(&key);
  std::sort(order.begin(), order.end(),
            [](const ObjectKey* a, const ObjectKey* b) { return *a < *b; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (*order[i - 1] == *order[i]) {
      return {Code::kInvalid,
              str_cat("key '", printable(order[i]->key), "' is in one commit twice")};
    }
  }
  return {};
}

Status Writer::take(std::vector<Intent> intents, const IndexState& state) {
  if (intents.size() > kMaxIntents) {
    return {Code::kInvalid,
            str_cat(intents.size(), " intents in one commit, more than ", kMaxIntents)};
  }
  const bool any_put = std::any_of(intents.begin(), intents.end(), [](const Intent& intent) {
    return std::holds_alternative<PutIntent>(intent);
  });
  if (any_put && state.spaces.empty())
    return {Code::kInvalid, "the index has no space yet: an edit must add one first"};
  std::optional<SegmentBuilder> builder;
  if (any_put) builder.emplace(state.spaces.front().dimension, state.spaces.front().id());
  for (Intent& intent : intents) {
    if (auto* absent = std::get_if<AbsentIntent>(&intent)) {
      absents_.push_back(std::move(*absent));
      continue;
    }
    IndexedObject& object = std::get<PutIntent>(intent).object;
    const ObjectRow& row = object.row;
    puts_.push_back({.key = {row.source, row.key},
                     .read_time = row.read_time,
                     .tag = row.tag,
                     .hash = SetHash::of(row.key, row.tag, row.size, row.last_modified),
                     .racy = row.racy,
                     .status = row.status,
                     .retry_after = row.retry_after,
                     .number = 0});
    KEDGE_TRY(builder->add(std::move(object)));
  }
  for (const Put& put : puts_) keys_.push_back(put.key);
  for (const AbsentIntent& absent : absents_) keys_.push_back(absent.key);
  KEDGE_TRY(check_keys());
  if (puts_.empty()) return {};
  built_ = std::move(*builder).finish(Id128::random(index_.environment().random), 0);
  for (std::size_t i = 0; i < puts_.size(); ++i) puts_[i].number = built_->number_of[i];
  return {};
}

const Writer::Settled& Writer::settle(const ObjectKey& key) {
  const auto known = settled_.find(key);
  if (known != settled_.end()) return known->second;
  Settled answer;
  if (settle_) {
    Result<std::string> tag = settle_(key);
    if (tag.ok()) {
      answer.tag = std::move(tag).value();
    } else {
      answer.gone = tag.code() == Code::kNotFound;
    }
  }
  return settled_.emplace(key, std::move(answer)).first->second;
}

// The version whose bytes were read later wins; two that differ and were read too close together
// are settled by asking the source which it has.
Result<bool> Writer::put_wins(const Put& put, const ObjectRow& old) {
  const Duration apart = put.read_time - old.read_time;
  if (put.tag != old.tag && apart <= kReadOrderMargin && apart >= -kReadOrderMargin) {
    const Settled& now = settle(put.key);
    if (now.tag == put.tag) return true;
    if (now.tag == old.tag) return false;
  }
  if (put.read_time != old.read_time) return put.read_time > old.read_time;
  return put.tag >= old.tag;
}

Result<bool> Writer::absence_wins(const AbsentIntent& absent, const ObjectRow& old) {
  const Duration apart = absent.proven_at - old.read_time;
  if (apart <= kReadOrderMargin && apart >= -kReadOrderMargin) {
    const Settled& now = settle(absent.key);
    if (now.gone) return true;
    if (now.tag) return false;
  }
  return absent.proven_at >= old.read_time;
}

namespace {

SourceEntry* entry_of(IndexState& state, std::uint32_t number) {
  const auto found = std::find_if(state.sources.begin(), state.sources.end(),
                                  [&](const SourceEntry& entry) { return entry.number == number; });
  return found == state.sources.end() ? nullptr : &*found;
}

std::uint64_t* count_of(SourceEntry& entry, ObjectStatus status) {
  switch (status) {
    case ObjectStatus::kIndexed:
      return nullptr;
    case ObjectStatus::kPending:
      return &entry.pending_objects;
    case ObjectStatus::kFailed:
      return &entry.failed_objects;
    case ObjectStatus::kSkipped:
      return &entry.skipped_objects;
  }
  return nullptr;
}

}  // namespace

Status Writer::forget(IndexState& state, const ObjectRow& row) {
  SourceEntry* entry = entry_of(state, row.source);
  if (entry == nullptr) return {};  // the edit of this commit removes the source
  entry->set_hash.subtract(SetHash::of(row.key, row.tag, row.size, row.last_modified));
  std::uint64_t* count = count_of(*entry, row.status);
  if (entry->live_objects == 0 || (count != nullptr && *count == 0) ||
      (row.racy && entry->racy_objects == 0)) {
    return {Code::kCorrupt, str_cat("source ", row.source, ": its counts are below its live rows")};
  }
  --entry->live_objects;
  if (count != nullptr) --*count;
  if (row.racy) --entry->racy_objects;
  if (entry->failed_objects + entry->pending_objects == 0) entry->earliest_retry = {};
  return {};
}

Status Writer::remember(IndexState& state, const Put& put) {
  SourceEntry* entry = entry_of(state, put.key.source);
  if (entry == nullptr) {
    return {Code::kConflict, str_cat("source ", put.key.source, " was removed from the index")};
  }
  entry->set_hash.add(put.hash);
  ++entry->live_objects;
  if (std::uint64_t* count = count_of(*entry, put.status)) ++*count;
  if (put.racy) ++entry->racy_objects;
  keep_earliest(entry->earliest_retry, put.retry_after);
  return {};
}

Status Writer::resolve_puts(const std::vector<std::vector<LiveRef>>& found, IndexState& state,
                            DeleteSet& deletes) {
  for (std::size_t i = 0; i < puts_.size(); ++i) {
    const Put& put = puts_[i];
    bool wins = true;
    for (const LiveRef& old : found[i]) wins = wins && KEDGE_TRY(put_wins(put, old.object.row));
    if (!wins) {
      lost_.push_back(put.number);
      ++report_.superseded;
      continue;
    }
    for (const LiveRef& old : found[i]) {
      deletes.add(old.segment, old.object.number);
      KEDGE_TRY(forget(state, old.object.row));
    }
    KEDGE_TRY(remember(state, put));
    ++report_.puts;
  }
  return {};
}

Status Writer::resolve_absents(const std::vector<std::vector<LiveRef>>& found, IndexState& state,
                               DeleteSet& deletes) {
  for (std::size_t i = 0; i < absents_.size(); ++i) {
    for (const LiveRef& old : found[puts_.size() + i]) {
      if (!KEDGE_TRY(absence_wins(absents_[i], old.object.row))) {
        ++report_.superseded;
        continue;
      }
      deletes.add(old.segment, old.object.number);
      KEDGE_TRY(forget(state, old.object.row));
      ++report_.deletes;
    }
  }
  return {};
}

Result<Draft> Writer::rebase(const HeadPtr& base) {
  const std::uint64_t rebases = first_ ? 0 : report_.rebases + 1;
  first_ = false;
  report_ = {};
  report_.rebases = rebases;
  lost_.clear();
  const SnapshotPtr snapshot = KEDGE_TRY(index_.open_snapshot(base, deadline_));
  IndexState state = snapshot->state();
  DeleteSet deletes;
  const std::vector<std::vector<LiveRef>> found =
      KEDGE_TRY(find_live(index_.reader(), *base, snapshot->segments(), keys_, deadline_));
  KEDGE_TRY(resolve_puts(found, state, deletes));
  KEDGE_TRY(resolve_absents(found, state, deletes));
  Draft draft;
  const std::vector<bool> empty =
      deletes.apply(state, snapshot->segments(), index_.environment().random, draft.puts);
  std::vector<SegmentEntry> kept;
  std::vector<std::pair<Id128, Bytes>> directories;
  if (built_ && lost_.size() < puts_.size()) {
    SegmentEntry entry = built_->entry;
    std::sort(lost_.begin(), lost_.end());
    if (lost_.size() > kMaxInlineDead) {
      return {Code::kConflict,
              "another writer indexed the same objects in the meantime: sync again"};
    }
    entry.dead = lost_;
    const Extent& extent = entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
    const ByteView directory = ByteView(built_->file).subspan(extent.offset, extent.size);
    directories.emplace_back(entry.id, Bytes(directory.begin(), directory.end()));
    draft.puts.emplace_back(FileRef{.key = entry.file_key(), .size = entry.bytes}, built_->file);
    kept.push_back(std::move(entry));
  }
  for (std::size_t i = 0; i < state.segments.size(); ++i) {
    if (!empty[i]) kept.push_back(std::move(state.segments[i]));
  }
  state.segments = std::move(kept);
  // A removed del file or segment is simply not named any more.
  if (edit_) KEDGE_TRY(edit_(state));
  inline_directories(state, directories);
  if (state.segments.size() > kMaxSegments) {
    return {Code::kExhausted, str_cat("the index has ", state.segments.size(),
                                      " segments: merge first (kedge compact)")};
  }
  KEDGE_TRY(state.check());
  draft.payload = state.encode();
  draft.files = state.files();
  std::erase_if(draft.puts, [&](const auto& put) {
    return !std::binary_search(draft.files.begin(), draft.files.end(), put.first);
  });
  return draft;
}

Result<CommitReport> IndexImpl::commit(std::vector<Intent> intents, const StateEdit& edit,
                                       const Settle& settle, Deadline deadline) {
  const SnapshotPtr base = KEDGE_TRY(latest(deadline));
  Writer writer(*this, edit, settle, deadline);
  KEDGE_TRY(writer.take(std::move(intents), base->state()));
  CommitOutcome outcome = log_.commit(
      base->head(), [&](const HeadPtr& head) { return writer.rebase(head); }, deadline);
  return take(std::move(outcome), writer.report(), deadline);
}

}  // namespace kedge
