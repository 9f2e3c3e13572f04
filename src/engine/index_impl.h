// The index as one class over files by task: opening (snapshot.cc), reading (lookup.cc, scan.cc,
// search.cc, cursor.cc, warm.cc), writing (group_commit.cc, writer.cc, state_draft.cc), merging
// (merge.cc), checking (check.cc, repair.cc, mend.cc).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/block_cache.h"
#include "engine/group_commit.h"
#include "engine/index.h"
#include "engine/merge_plan.h"
#include "engine/opening.h"
#include "engine/page_reader.h"
#include "engine/probe.h"
#include "engine/segment.h"

namespace kedge {

// A Random that may be shared by threads, whatever it stands on.
class LockedRandom final : public Random {
 public:
  explicit LockedRandom(Random& random) : random_(random) {}
  std::uint64_t next() override {
    const std::lock_guard lock(mutex_);
    return random_.next();
  }

 private:
  Random& random_;
  std::mutex mutex_;
};

class Writer;  // engine/writer.h

class IndexImpl final : public Index {
 public:
  IndexImpl(const Environment& environment, IndexOptions options);

  Result<SnapshotPtr> latest(Deadline deadline) override;
  Result<SnapshotPtr> at(std::uint64_t generation, Deadline deadline) override;
  [[nodiscard]] SnapshotPtr current() const override;
  Result<SearchResult> search(const SnapshotPtr& snapshot, const SearchRequest& request,
                              Deadline deadline) override;
  std::vector<Result<SearchResult>> search_many(const SnapshotPtr& snapshot,
                                                std::span<const SearchRequest> requests,
                                                Deadline deadline) override;
  Result<std::uint64_t> load(const SnapshotPtr& snapshot, std::uint64_t max_bytes,
                             Deadline deadline) override;
  Result<std::vector<std::optional<LiveObject>>> find(const SnapshotPtr& snapshot,
                                                      std::span<const ObjectKey> keys,
                                                      Deadline deadline) override;
  Result<std::vector<ChunkRow>> chunks(const SnapshotPtr& snapshot, const LiveObject& object,
                                       Deadline deadline) override;
  Result<std::vector<float>> vectors(const SnapshotPtr& snapshot, const LiveObject& object,
                                     Deadline deadline) override;
  std::unique_ptr<ObjectCursor> scan(const SnapshotPtr& snapshot, std::uint32_t source,
                                     std::string after) override;
  Result<WarmReport> warm(const SnapshotPtr& snapshot, const WarmOptions& options,
                          Deadline deadline) override;
  Result<CommitReport> commit(std::vector<Intent> intents, const StateEdit& edit,
                              const Settle& settle, Deadline deadline, Merging merging) override;
  Result<std::unique_ptr<PreparedCommit>> prepare(std::vector<Intent> intents,
                                                  Deadline deadline) override;
  Result<CommitReport> commit(std::unique_ptr<PreparedCommit> prepared, Deadline deadline,
                              Merging merging) override;
  Result<std::uint64_t> maintain(std::size_t max_merges, Deadline deadline) override;
  Result<std::uint64_t> compact(bool again, Deadline deadline,
                                const RowsProgress& progress) override;
  Status drop(Deadline deadline) override;
  Result<CommitReport> rollback(std::uint64_t generation, Deadline deadline) override;
  Result<CollectReport> collect(const CollectOptions& options, Deadline deadline) override;
  Result<std::vector<Damage>> find_damage(Deadline deadline) override;
  Result<std::vector<std::string>> check_files(Deadline deadline) override;
  Result<MendReport> mend(std::span<const Damage> damage, const MendOptions& options,
                          Deadline deadline) override;
  Result<RepairReport> repair(Deadline deadline) override;
  HeadLog& log() override { return log_; }

  // The state of a head, opened: directories and deletes of segments not open yet are read in one
  // round, where `opening` has no copy of them. What is damaged or lost is a damaged segment; other
  // errors are its own.
  Result<SnapshotPtr> open_snapshot(const HeadPtr& head, Deadline deadline,
                                    const Opening& opening = {});
  // As open_snapshot; becomes current() unless that is newer.
  Result<SnapshotPtr> open_newest(const HeadPtr& head, Deadline deadline,
                                  const Opening& opening = {});
  Status create_first(Deadline deadline);

  [[nodiscard]] const Environment& environment() const { return environment_; }
  [[nodiscard]] const IndexOptions& options() const { return options_; }
  [[nodiscard]] PageReader& reader() { return reader_; }
  [[nodiscard]] ProbeScratchPool& scratch() { return scratch_; }
  [[nodiscard]] Id128 random_id() { return Id128::random(random_); }
  // One commit of what the writer has taken.
  Result<CommitReport> run(Writer& writer, Deadline deadline, Merging merging);
  [[nodiscard]] GroupCommit& group() { return group_; }
  // After a commit of our own: opens its head and makes it current.
  Result<CommitReport> take(CommitOutcome outcome, CommitReport report, Deadline deadline);

 private:
  // The head, for a handle that has opened nothing yet; with IndexOptions::read_opening the opening
  // file too.
  Result<HeadPtr> first_head(Opening& opening, Deadline deadline);
  // From now on the disk cache says that this machine has opened the index before.
  void mark_opened();
  // After a commit upon `before` (nullptr: none): the opening file, where it changed. What goes
  // wrong costs the next process a round.
  void keep_opening(const SnapshotPtr& before, const Snapshot& now, Deadline deadline);
  // Merges small segments if one more would be too many; whether it did.
  Result<bool> make_room(const SnapshotPtr& base, Deadline deadline);
  Result<bool> merge(const SnapshotPtr& snapshot, MergePlan plan, Deadline deadline,
                     const RowsProgress& progress = {});
  // Compacts the spaces of these trees, so that nothing stands on them any more; how many went.
  Result<std::uint64_t> replace_trees(const std::vector<Id128>& trees, Deadline deadline);

  void search_together(const SnapshotPtr& snapshot, std::span<const SearchRequest> requests,
                       std::span<Result<SearchResult>> out, Executor& executor, Deadline deadline);
  // See IndexOptions::plane_bytes. After searches by codes that looked at so many rows together.
  void load_if_used(const SnapshotPtr& snapshot, std::uint64_t searches, std::uint64_t rows,
                    Deadline deadline);

  Environment environment_;
  IndexOptions options_;
  LockedRandom random_;
  HeadLog log_;
  BlockCache cache_;
  PageReader reader_;
  ProbeScratchPool scratch_;
  GroupCommit group_{*this};
  std::atomic<std::uint64_t> looked_at_{0};  // bytes of codes, since planes were loaded last
  std::atomic<bool> loading_{false};
  mutable std::mutex mutex_;
  SnapshotPtr current_;
};

// A segment's directory, checked and parsed: from the head, or its plane.
Result<SegmentFilePtr> open_segment_file(const SegmentEntry& entry, ByteView directory);

// An outcome as a Result: the head, or why not.
Result<HeadPtr> committed_head(CommitOutcome outcome);

}  // namespace kedge
