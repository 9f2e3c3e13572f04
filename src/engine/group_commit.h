// Group commit: threads that commit to one index at once share commits. Whoever finds none under
// way leads the next one and takes along what else waits by then, so that a lone caller waits for
// nobody, and a group costs the requests of one.
//
// No two of a group write the same key: rule 6 decides between versions of a key on the base, in
// the next commit. An edit is committed alone. What one caller may not write fails for it alone: a
// group that is refused is halved until those are found who are to blame.
//
// Threads: any method, from any thread; there is none of its own. Until commit() returns, `settle`
// may be called on the thread of another caller. No callback, and no body of the executor's, may
// commit to the same handle: it could wait for a commit that waits for it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

#include "engine/index.h"

namespace kedge {

class IndexImpl;

class GroupCommit {
 public:
  // The index outlives it.
  explicit GroupCommit(IndexImpl& index) : index_(index) {}

  // As Index::commit(). Who is under way with others is so until the latest of their deadlines; who
  // still waits at its own leaves: kUnavailable, and nothing was sent.
  Result<CommitReport> commit(std::vector<Intent> intents, const StateEdit& edit,
                              const Settle& settle, Deadline deadline, Merging merging);

  // Callers whose commit is not under way.
  [[nodiscard]] std::size_t waiting() const;

  // Of the intents of one group, about: they are copied. Who brings more is committed alone.
  static constexpr std::size_t kMaxBytes = 64 << 20;

 private:
  struct Caller;
  class Place;
  using Group = std::vector<Caller*>;

  // One commit of the first that waits and of those who may go with it.
  void lead(std::unique_lock<std::mutex>& lock);
  // Until something may have changed for the caller.
  void wait(std::unique_lock<std::mutex>& lock, const Caller& caller);
  // Precondition: the mutex is held, and somebody waits.
  [[nodiscard]] Group form() const;
  // As far as their keys and sizes do not matter.
  [[nodiscard]] bool may_join(const Caller& caller, const Caller& first) const;
  // A result for each, but where it throws.
  void commit_group(std::span<Caller* const> group);
  void commit_alone(Caller& caller);
  // False: nothing was committed, and each half is to be tried.
  bool commit_together(std::span<Caller* const> group);

  IndexImpl& index_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool under_way_ = false;        // under the mutex, as all below
  std::vector<Caller*> waiting_;  // in the order they came
};

}  // namespace kedge
