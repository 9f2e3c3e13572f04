// Rule 10: a head that cannot be read is made anew from the newest history body and from the files
// that are newer than it.
//
// Which of those files the lost head named nobody can know: some may be of commits that lost their
// race or never ended. Every row in them was true of its source when it was read, though, so all
// are taken, and rule 6 tells for each key which row is the newest; the others die. What this
// cannot bring back (a source removed, a delete that only the lost head had) the next sync puts
// right.
#include <algorithm>
#include <map>
#include <utility>

#include "base/allocation.h"
#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/recount.h"
#include "engine/state_draft.h"
#include "format/tree_file.h"

namespace kedge {
namespace {

// A file of the index that the history body does not name.
struct NewFile {
  std::string key;  // under the prefix
  std::uint64_t size = 0;
  Timestamp last_modified;
};

// The id at the end of "seg/hh/<id>", and the two of "del/<id>-<random>".
Result<Id128> id_at(std::string_view key, std::size_t offset) {
  return Id128::parse(key.substr(offset, 32));
}

class Repair {
 public:
  Repair(IndexImpl& index, Deadline deadline) : index_(index), deadline_(deadline) {}

  Result<Draft> rebase(const HeadPtr& body) {
    report_ = {};
    report_.body_generation = body->envelope.generation;
    IndexState state = KEDGE_TRY(IndexState::parse(body->envelope.payload));
    const std::vector<NewFile> files = KEDGE_TRY(list(*body));
    KEDGE_TRY(add_segments(state, files));
    KEDGE_TRY(add_trees(state));
    KEDGE_TRY(drop_damaged(*body, state));
    Head all = *body;
    all.envelope.payload = state.encode();
    all.envelope.commit_id = {};
    const SnapshotPtr united =
        KEDGE_TRY(index_.open_snapshot(std::make_shared<const Head>(std::move(all)), deadline_));
    StateDraft draft(index_, *united);
    KEDGE_TRY(add_deletes(*united, files, draft));
    KEDGE_TRY(
        keep_newest(index_.reader(), united, united->segments(), dead_, {}, draft, deadline_));
    Draft out = KEDGE_TRY(draft.finish());
    for (const NewFile& file : files) {
      out.uploaded.push_back(
          {.file = {.key = file.key, .size = file.size}, .began = file.last_modified});
    }
    return out;
  }

  [[nodiscard]] const RepairReport& report() const { return report_; }

 private:
  void give_up(const std::string& key, const Error& why) {
    const bool named = why.message.find(key) != std::string::npos;
    report_.not_recovered.push_back(named ? why.message : str_cat(key, ": ", why.message));
  }

  // Segments and del files that the body does not name and that are not older than it.
  Result<std::vector<NewFile>> list(const Head& body) {
    std::vector<NewFile> found;
    for (const std::string_view folder : {"seg/", "del/", "tree/"}) {
      const std::string prefix = index_.log().path(folder);
      const std::unique_ptr<Listing> listing = index_.log().store().list(prefix, "");
      while (true) {
        const std::vector<ObjectInfo> page = KEDGE_TRY(listing->next(deadline_));
        if (page.empty()) break;
        for (const ObjectInfo& info : page) {
          NewFile file{.key = info.key.substr(index_.log().prefix().size()),
                       .size = info.size,
                       .last_modified = info.last_modified};
          const bool ours = matches_shape(file.key, "seg/{hh}/{32}") ||
                            matches_shape(file.key, "del/{32}-{32}") ||
                            matches_shape(file.key, "tree/{32}");
          const auto& named = body.envelope.files;
          const bool known = std::any_of(named.begin(), named.end(),
                                         [&](const FileRef& ref) { return ref.key == file.key; });
          if (!ours || known || file.last_modified < body.envelope.committed_at) continue;
          if (found.size() == kMaxFiles)
            return Error{Code::kExhausted, str_cat("more than ", kMaxFiles,
                                                   " files are newer than "
                                                   "generation ",
                                                   body.envelope.generation)};
          found.push_back(std::move(file));
        }
      }
    }
    return found;
  }

  // By their tails.
  Status add_segments(IndexState& state, const std::vector<NewFile>& files) {
    std::vector<ReadRequest> requests;
    std::vector<const NewFile*> segments;
    for (const NewFile& file : files) {
      if (!file.key.starts_with("seg/")) continue;
      if (file.size < kSegmentTailBytes) {
        give_up(file.key, {Code::kCorrupt, "too small for a segment"});
        continue;
      }
      segments.push_back(&file);
      requests.push_back({.key = index_.log().path(file.key),
                          .offset = file.size - kSegmentTailBytes,
                          .length = kSegmentTailBytes,
                          .if_match = {},
                          .version_id = {}});
    }
    const std::vector<Result<Blob>> tails = index_.log().store().read(requests, deadline_);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const NewFile& file = *segments[i];
      if (!tails[i].ok() && tails[i].code() != Code::kNotFound) return tails[i].error();
      auto entry = tails[i].ok() ? parse_segment_tail(tails[i]->body, file.size)
                                 : Result<SegmentEntry>(tails[i].error());
      if (entry.ok() && entry->file_key() != file.key)
        entry = {Code::kCorrupt, "the file is another segment's"};
      const auto known_space = [&](const Space& space) { return space.id() == entry->space; };
      if (entry.ok() && std::none_of(state.spaces.begin(), state.spaces.end(), known_space))
        entry = {Code::kNotFound, "its space was only in the lost head"};
      if (entry.ok() && state.segments.size() == kMaxSegments)
        entry = {Code::kExhausted, "the index has too many segments"};
      if (!entry.ok() && is_memory_error(entry.error())) return entry.error();
      if (!entry.ok()) {
        give_up(file.key, entry.error());
        continue;
      }
      state.segments.insert(state.segments.begin(), *std::move(entry));
      report_.recovered.push_back(file.key);
    }
    return {};
  }

  // Trees that recovered segments stand on. How many lists to look into nobody knows any more: all,
  // until a compaction makes a new one.
  Status add_trees(IndexState& state) {
    std::vector<SegmentEntry> kept;
    for (SegmentEntry& segment : state.segments) {
      Status named;
      if (!segment.tree.is_zero() && state.tree(segment.tree) == nullptr)
        named = add_tree(state, segment);
      if (named.ok()) {
        kept.push_back(std::move(segment));
        continue;
      }
      const Code code = named.code();
      const bool lost = code == Code::kCorrupt || code == Code::kNotFound;
      const bool over_a_limit = code == Code::kExhausted && !is_memory_error(named.error());
      if (!lost && !over_a_limit) return named;
      give_up(segment.file_key(), named.error());
      std::erase(report_.recovered, segment.file_key());
    }
    state.segments = std::move(kept);
    return {};
  }

  Status add_tree(IndexState& state, const SegmentEntry& segment) {
    TreeEntry entry;
    entry.id = segment.tree;
    entry.space = segment.space;
    const Blob blob = KEDGE_TRY(read_one(index_.log().store(),
                                         {.key = index_.log().path(entry.file_key()),
                                          .offset = 0,
                                          .length = {},
                                          .if_match = {},
                                          .version_id = {}},
                                         deadline_));
    const TreeBody body = KEDGE_TRY(parse_tree(blob.body, entry.id));
    if (body.space != entry.space)
      return {Code::kCorrupt, str_cat(entry.file_key(), ": is of another space")};
    const auto of_space =
        std::count_if(state.trees.begin(), state.trees.end(),
                      [&](const TreeEntry& tree) { return tree.space == entry.space; });
    if (of_space >= 2) return {Code::kExhausted, "its space has two trees already"};
    entry.bytes = blob.body.size();
    entry.leaves = body.leaves();
    entry.rows = segment.rows;
    state.trees.push_back(entry);
    report_.recovered.push_back(entry.file_key());
    return {};
  }

  // What cannot be opened is named no more: the next sync indexes its objects again.
  Status drop_damaged(const Head& body, IndexState& state) {
    Head all = body;
    all.envelope.payload = state.encode();
    all.envelope.commit_id = {};
    const SnapshotPtr opened =
        KEDGE_TRY(index_.open_snapshot(std::make_shared<const Head>(std::move(all)), deadline_));
    for (const SegmentPtr& segment : opened->segments()) {
      if (!segment->damage()) continue;
      give_up(segment->file()->key, *segment->damage());
      std::erase(report_.recovered, segment->file()->key);
      std::erase_if(state.segments,
                    [&](const SegmentEntry& entry) { return entry.id == segment->id(); });
    }
    return {};
  }

  Status add_deletes(const Snapshot& united, const std::vector<NewFile>& files, StateDraft& draft) {
    for (const NewFile& file : files) {
      if (!file.key.starts_with("del/")) continue;
      const auto id = id_at(file.key, 4);
      const SegmentPtr segment = id.ok() ? united.segment(*id) : nullptr;
      if (segment == nullptr) continue;  // of a segment that is gone: of no consequence
      auto blob = read_one(index_.log().store(),
                           {.key = index_.log().path(file.key),
                            .offset = 0,
                            .length = {},
                            .if_match = {},
                            .version_id = {}},
                           deadline_);
      if (!blob.ok() && blob.code() != Code::kNotFound) return blob.error();
      auto dead = blob.ok() ? parse_del_file(blob->body, *id, segment->directory().objects)
                            : Result<std::vector<std::uint32_t>>(blob.error());
      if (!dead.ok() && is_memory_error(dead.error())) return dead.error();
      if (!dead.ok()) {
        give_up(file.key, dead.error());
        continue;
      }
      for (const std::uint32_t number : *dead) {
        draft.kill(*id, number);
        dead_[*id].push_back(number);
      }
      report_.recovered.push_back(file.key);
    }
    for (auto& [id, numbers] : dead_) std::sort(numbers.begin(), numbers.end());
    return {};
  }

  IndexImpl& index_;
  Deadline deadline_;
  DeadNumbers dead_;  // by the new del files
  RepairReport report_;
};

}  // namespace

Result<RepairReport> IndexImpl::repair(Deadline deadline) {
  Repair repair(*this, deadline);
  CommitOutcome outcome =
      log_.repair([&](const HeadPtr& body) { return repair.rebase(body); }, deadline);
  RepairReport report = repair.report();
  report.generation = KEDGE_TRY(take(std::move(outcome), {}, deadline)).generation;
  return report;
}

}  // namespace kedge
