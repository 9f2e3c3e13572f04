#include "engine/writer.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/strings.h"
#include "engine/row_coder.h"

namespace kedge {
namespace {

SourceEntry* entry_of(IndexState& state, std::uint32_t number) {
  const auto found = std::find_if(state.sources.begin(), state.sources.end(),
                                  [&](const SourceEntry& entry) { return entry.number == number; });
  return found == state.sources.end() ? nullptr : &*found;
}

const SourceEntry* entry_of(const IndexState& state, std::uint32_t number) {
  return entry_of(const_cast<IndexState&>(state), number);
}

// The space of a source's rows: that of its recipe, or the only one.
const Space* space_of_source(const IndexState& state, const SourceEntry& source) {
  if (source.recipe.space.is_zero())
    return state.spaces.size() == 1 ? &state.spaces.front() : nullptr;
  for (const Space& space : state.spaces) {
    if (space.id() == source.recipe.space) return &space;
  }
  return nullptr;
}

bool is_unfinished(ObjectStatus status) {
  return status == ObjectStatus::kFailed || status == ObjectStatus::kPending;
}

// What is remembered of an absence. It names no bytes.
IndexedObject absence(const ObjectKey& key, Timestamp proven_at) {
  IndexedObject object;
  object.row.source = key.source;
  object.row.key = key.key;
  object.row.read_time = proven_at;
  object.row.status = ObjectStatus::kAbsent;
  return object;
}

}  // namespace

// ---- before the first base

Status Writer::take(std::vector<Intent> intents) {
  if (intents.size() > kMaxIntents) {
    return {Code::kInvalid,
            str_cat(intents.size(), " intents in one commit, more than ", kMaxIntents)};
  }
  keys_.reserve(intents.size());
  fresh_.reserve(intents.size());
  objects_.reserve(intents.size());
  for (Intent& intent : intents) {
    if (auto* absent = std::get_if<AbsentIntent>(&intent)) {
      fresh_.push_back(
          {.version = {.time = absent->proven_at, .tag = "", .status = ObjectStatus::kAbsent},
           .always = absent->proven_at == AbsentIntent::kAlways,
           .number = {},
           .count = {},
           .fate = {}});
      keys_.push_back(std::move(absent->key));
      continue;
    }
    IndexedObject& object = std::get<PutIntent>(intent).object;
    if (object.row.status == ObjectStatus::kAbsent) {
      return {Code::kInvalid,
              str_cat("key '", printable(object.row.key), "' is put as absent: give its proof")};
    }
    fresh_.push_back({.version = Version::of(object.row),
                      .always = false,
                      .number = {},
                      .count = RowCount::of(object.row),
                      .fate = {}});
    put_of_.push_back(keys_.size());
    keys_.push_back({object.row.source, object.row.key});
    objects_.push_back(std::move(object));
  }
  std::vector<const ObjectKey*> order;
  for (const ObjectKey& key : keys_) order.push_back(&key);
  std::sort(order.begin(), order.end(),
            [](const ObjectKey* a, const ObjectKey* b) { return *a < *b; });
  const auto twice = std::adjacent_find(
      order.begin(), order.end(), [](const ObjectKey* a, const ObjectKey* b) { return *a == *b; });
  if (twice != order.end())
    return {Code::kInvalid, str_cat("key '", printable((*twice)->key), "' is in one commit twice")};
  return {};
}

// ---- the segment

// Every put is of a source that the index names.
Status Writer::check_sources(const IndexState& state) const {
  for (const std::size_t i : put_of_) {
    if (entry_of(state, keys_[i].source) == nullptr)
      return {Code::kConflict, str_cat("the index has no source ", keys_[i].source)};
  }
  return {};
}

// Of all sources that the intents name; none where they name none that the index has.
Result<std::optional<Space>> Writer::space_of(const IndexState& state) const {
  std::map<std::uint32_t, const Space*> seen;
  const Space* only = nullptr;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const std::uint32_t number = keys_[i].source;
    const SourceEntry* source = entry_of(state, number);
    const auto [known, first] = seen.emplace(number, nullptr);
    if (first && source != nullptr) known->second = space_of_source(state, *source);
    const Space* space = known->second;
    if (space == nullptr && fresh_[i].version.status != ObjectStatus::kAbsent) {
      return Error{Code::kInvalid,
                   str_cat("source ", number, " has no space: its recipe must name one")};
    }
    if (space != nullptr && only != nullptr && space != only && space->id() != only->id())
      return Error{Code::kInvalid, "the sources of one commit are of two spaces"};
    if (space != nullptr) only = space;
  }
  return only == nullptr ? std::optional<Space>() : std::optional<Space>(*only);
}

Status Writer::check_vector(const IndexedObject& object) const {
  if (space_->metric != Metric::kCosine || space_->dimension == 0) return {};
  for (std::size_t row = 0; row + space_->dimension <= object.vectors.size();
       row += space_->dimension) {
    const auto begin = object.vectors.begin() + static_cast<std::ptrdiff_t>(row);
    const bool zero = std::all_of(begin, begin + static_cast<std::ptrdiff_t>(space_->dimension),
                                  [](std::uint16_t half) { return (half & 0x7FFF) == 0; });
    if (zero) {
      return {Code::kInvalid, str_cat("key '", printable(object.row.key), "': the vector of chunk ",
                                      row / space_->dimension, " is zero, which has no direction")};
    }
  }
  return {};
}

// The rows of all puts, and of all absences that are to be remembered.
Status Writer::build(const IndexState& state) {
  KEDGE_TRY(check_sources(state));
  prepared_ = true;
  space_ = KEDGE_TRY(space_of(state));
  if (!space_) return {};
  SegmentBuilder builder(space_->dimension, space_->id());
  builder.reserve(objects_.size());
  std::vector<std::size_t> added;
  for (std::size_t p = 0; p < objects_.size(); ++p) {
    KEDGE_TRY(check_vector(objects_[p]));
    KEDGE_TRY(builder.add(std::move(objects_[p])));
    added.push_back(put_of_[p]);
  }
  objects_.clear();
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const SourceEntry* source = entry_of(state, keys_[i].source);
    const bool put = fresh_[i].version.status != ObjectStatus::kAbsent;
    if (put || fresh_[i].always || source == nullptr) continue;
    if (space_of_source(state, *source) == nullptr) continue;  // nothing of it can be in the index
    KEDGE_TRY(builder.add(absence(keys_[i], fresh_[i].version.time)));
    added.push_back(i);
  }
  if (added.empty()) return {};
  SpaceCoder coder(*space_, rotation_of(*space_), index_.environment().executor);
  built_ = std::move(builder).finish(index_.random_id(), 0, coder);
  for (std::size_t p = 0; p < added.size(); ++p) fresh_[added[p]].number = built_->number_of[p];
  const Extent& extent = built_->entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
  file_ = KEDGE_TRY(
      open_segment_file(built_->entry, ByteView(built_->file).subspan(extent.offset, extent.size)));
  return {};
}

// ---- on every base

Result<Draft> Writer::rebase(const HeadPtr& base, Deadline deadline) {
  lost_.clear();
  unfinished_.clear();
  const SnapshotPtr snapshot = KEDGE_TRY(index_.open_newest(base, deadline));
  StateDraft draft(index_, *snapshot);
  if (edit_) KEDGE_TRY(edit_(draft.state()));
  KEDGE_TRY(prepared_ ? check_sources(draft.state()) : build(draft.state()));
  ++bases_;
  const std::optional<Space> space = KEDGE_TRY(space_of(draft.state()));
  if (space && space_ && space->id() != space_->id())
    return {Code::kConflict, "the space of the source was changed by another commit"};

  const std::vector<std::vector<LiveRef>> found =
      KEDGE_TRY(find_live(index_.reader(), *base, snapshot->segments(), keys_, deadline));
  for (std::size_t i = 0; i < keys_.size(); ++i) KEDGE_TRY(resolve(i, found[i], *snapshot, draft));
  close_counts(draft.state());
  const bool named = built_ && draft.add(built_->entry, file_, lost_);
  Draft out = KEDGE_TRY(draft.finish());
  // The bytes are handed over once: later drafts of this commit name them.
  if (named && !built_->file.empty()) {
    out.puts.emplace_back(FileRef{.key = built_->entry.file_key(), .size = built_->entry.bytes},
                          std::move(built_->file));
    built_->file.clear();
  }
  return out;
}

// Rule 6 for one key: the newest of its live rows and the intent stays, and all others die.
Status Writer::resolve(std::size_t i, const std::vector<LiveRef>& found, const Snapshot& base,
                       StateDraft& draft) {
  Fresh& fresh = fresh_[i];
  fresh.fate = Fate::kNothing;
  const bool absent = fresh.version.status == ObjectStatus::kAbsent;
  std::vector<const LiveRef*> olds;
  for (const LiveRef& row : found) {
    // Another space has versions of its own; an absence is one in all of them.
    const Id128& space = base.segments()[row.segment]->entry().space;
    if (absent || !space_ || space == space_->id()) olds.push_back(&row);
  }
  const LiveRef* old = newest(olds);
  const bool wins = fresh.always || old == nullptr || fresh_wins(i, Version::of(old->object.row));
  bool was_live = false;
  for (const LiveRef* row : olds) {
    if (row == old && !wins) continue;
    draft.kill(row->object.segment, row->object.number);
    forget(draft.state(), row->object.row);
    was_live = was_live || row->object.row.status != ObjectStatus::kAbsent;
  }
  if (!wins) {
    if (fresh.number) lost_.push_back(*fresh.number);
    // To prove an absence again changes nothing and loses to nothing.
    if (!absent || old->object.row.status != ObjectStatus::kAbsent) fresh.fate = Fate::kSuperseded;
  } else if (absent) {
    if (was_live) fresh.fate = Fate::kDeleted;
  } else {
    remember(draft.state(), keys_[i].source, fresh.count);
    fresh.fate = Fate::kPut;
  }
  return {};
}

CommitReport Writer::report_of(std::size_t first, std::size_t count) const {
  CommitReport report;
  if (bases_ > 0) report.rebases = bases_ - 1;
  for (const Fresh& fresh : std::span(fresh_).subspan(first, count)) {
    report.puts += fresh.fate == Fate::kPut ? 1 : 0;
    report.deletes += fresh.fate == Fate::kDeleted ? 1 : 0;
    report.superseded += fresh.fate == Fate::kSuperseded ? 1 : 0;
  }
  return report;
}

bool Writer::fresh_wins(std::size_t i, const Version& old) {
  const Version& fresh = fresh_[i].version;
  Newer newer = newer_of(old, fresh);
  if (newer == Newer::kAsk && settle_) {
    const Result<std::string> tag = settle_(keys_[i]);
    const bool gone = !tag.ok() && tag.code() == Code::kNotFound;
    if (fresh.status == ObjectStatus::kAbsent && (gone || tag.ok())) return gone;
    if (old.status == ObjectStatus::kAbsent && gone) return false;
    if (tag.ok() && *tag == fresh.tag) return true;
    if (tag.ok() && *tag == old.tag) return false;
    if (!tag.ok() && tag.code() != Code::kNotFound) {
      index_.environment().log.warning(str_cat("which version of '", printable(keys_[i].key),
                                               "' is current cannot be asked (",
                                               tag.error().message, "): the later read stays"));
    }
  }
  if (newer == Newer::kAsk) newer = later_of(old, fresh);
  return newer == Newer::kFresh;
}

const LiveRef* Writer::newest(const std::vector<const LiveRef*>& rows) {
  const LiveRef* best = nullptr;
  for (const LiveRef* row : rows) {
    if (best == nullptr ||
        later_of(Version::of(best->object.row), Version::of(row->object.row)) == Newer::kFresh) {
      best = row;
    }
  }
  return best;
}

// ---- what the source's entry counts

void Writer::forget(IndexState& state, const ObjectRow& row) {
  SourceEntry* entry = entry_of(state, row.source);
  // A source that this commit removes is counted no more.
  if (entry == nullptr) return;
  if (!subtract_count(*entry, RowCount::of(row))) {
    index_.environment().log.error(
        str_cat("source ", row.source, " counted fewer rows than it has: run verify"));
  }
}

void Writer::remember(IndexState& state, std::uint32_t source, const RowCount& count) {
  add_count(*entry_of(state, source), count);  // check_sources() has seen it
  if (is_unfinished(count.status)) {
    Unfinished& unfinished = unfinished_[source];
    ++unfinished.rows;
    keep_earliest(unfinished.earliest_retry, count.retry_after);
  }
}

// The earliest retry is a lower bound, exact again whenever this commit put every row it is of.
void Writer::close_counts(IndexState& state) const {
  for (SourceEntry& entry : state.sources) {
    const auto put = unfinished_.find(entry.number);
    const Unfinished ours = put == unfinished_.end() ? Unfinished() : put->second;
    if (entry.failed_objects + entry.pending_objects == ours.rows)
      entry.earliest_retry = ours.earliest_retry;
  }
}

Result<CommitReport> IndexImpl::commit(std::vector<Intent> intents, const StateEdit& edit,
                                       const Settle& settle, Deadline deadline, Merging merging) {
  return group_.commit(std::move(intents), edit, settle, deadline, merging);
}

Result<std::unique_ptr<PreparedCommit>> IndexImpl::prepare(std::vector<Intent> intents,
                                                           Deadline deadline) {
  auto writer = std::make_unique<Writer>(*this, StateEdit(), Settle());
  KEDGE_TRY(writer->take(std::move(intents)));
  SnapshotPtr newest = current();
  if (newest == nullptr) newest = KEDGE_TRY(latest(deadline));
  KEDGE_TRY(writer->build(newest->state()));
  return std::unique_ptr<PreparedCommit>(std::move(writer));
}

Result<CommitReport> IndexImpl::commit(std::unique_ptr<PreparedCommit> prepared, Deadline deadline,
                                       Merging merging) {
  return run(static_cast<Writer&>(*prepared), deadline, merging);
}

Result<CommitReport> IndexImpl::run(Writer& writer, Deadline deadline, Merging merging) {
  SnapshotPtr base = KEDGE_TRY(latest(deadline));
  const bool many = base->segments().size() >= kManySegments;
  // Of many writers one merges at a time, on average: of several merges of the same all but one are
  // for nothing.
  const std::size_t writers = log_.writers();
  const bool merges = merging == Merging::kNow && (writers == 1 || random_.below(writers) == 0);
  if (writer.writes_segment() && (merges || many)) {
    const Result<bool> merged = make_room(base, deadline);
    // What could not be merged now is due at the next commit; it is this one that counts.
    if (!merged.ok()) {
      environment_.log.warning(str_cat("merging before a commit: ", merged.error().message));
    } else if (const SnapshotPtr now = current(); *merged && now != nullptr) {
      base = now;
    }
  }
  CommitOutcome outcome = log_.commit(
      base->head(), [&](const HeadPtr& head) { return writer.rebase(head, deadline); }, deadline);
  return take(std::move(outcome), writer.report(), deadline);
}

}  // namespace kedge
