#include "engine/group_commit.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "engine/writer.h"

namespace kedge {
namespace {

// The clock of the deadlines may be a test's, which no condition variable knows: it is looked at so
// often.
constexpr std::chrono::milliseconds kLook(50);

ObjectKey key_of(const Intent& intent) {
  if (const auto* absent = std::get_if<AbsentIntent>(&intent)) return absent->key;
  const ObjectRow& row = std::get<PutIntent>(intent).object.row;
  return {row.source, row.key};
}

// About what copies of them hold.
std::size_t bytes_of(const std::vector<Intent>& intents) {
  std::size_t bytes = 0;
  for (const Intent& intent : intents) {
    bytes += sizeof(Intent) + key_of(intent).key.size();
    const auto* put = std::get_if<PutIntent>(&intent);
    if (put == nullptr) continue;
    bytes += put->object.vectors.size() * sizeof(put->object.vectors.front());
    for (const ChunkRow& chunk : put->object.chunks) bytes += sizeof(chunk) + chunk.context.size();
  }
  return bytes;
}

// Whether nothing was committed for a reason that may be one caller's: what it brings, or what lies
// in the index under its keys.
bool may_be_of_one(Code code) {
  return code == Code::kInvalid || code == Code::kConflict || code == Code::kCorrupt ||
         code == Code::kExhausted;
}

}  // namespace

struct GroupCommit::Caller {
  std::vector<Intent> intents;
  const StateEdit& edit;
  const Settle& settle;
  const Deadline deadline;
  const Merging merging;
  std::optional<Result<CommitReport>> result;  // whose commit is under way may not look at it
  bool taken = false;                          // under the mutex: it waits no more
  bool done = false;                           // under the mutex
};

// Of a caller among those that wait, however it leaves. The mutex is held at both ends.
class GroupCommit::Place {
 public:
  Place(GroupCommit& group, Caller& caller) : group_(group), caller_(caller) {
    group_.waiting_.push_back(&caller_);
  }
  ~Place() {
    // Another may be the first now.
    if (std::erase(group_.waiting_, &caller_) > 0) group_.changed_.notify_all();
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  GroupCommit& group_;
  Caller& caller_;
};

Result<CommitReport> GroupCommit::commit(std::vector<Intent> intents, const StateEdit& edit,
                                         const Settle& settle, Deadline deadline, Merging merging) {
  Caller caller{.intents = std::move(intents),
                .edit = edit,
                .settle = settle,
                .deadline = deadline,
                .merging = merging,
                .result = {}};
  std::unique_lock lock(mutex_);
  const Place place(*this, caller);
  while (!caller.done) {
    if (!caller.taken && !under_way_ && waiting_.front() == &caller) {
      lead(lock);
      continue;
    }
    wait(lock, caller);
    if (!caller.taken && deadline.passed(index_.environment().clock))
      return Error{Code::kUnavailable,
                   "the deadline passed while other commits were under way: nothing was sent"};
  }
  if (!caller.result)
    return Error{Code::kUnavailable,
                 "a commit together with others ended without memory, and whether it happened is "
                 "not known; the same may be committed again"};
  return *std::move(caller.result);
}

std::size_t GroupCommit::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void GroupCommit::wait(std::unique_lock<std::mutex>& lock, const Caller& caller) {
  if (caller.taken || caller.deadline.at == Duration::max()) {
    changed_.wait(lock);
  } else {
    changed_.wait_for(lock, kLook);
  }
}

void GroupCommit::lead(std::unique_lock<std::mutex>& lock) {
  const Group group = form();
  for (Caller* caller : group) caller->taken = true;
  std::erase_if(waiting_, [](const Caller* caller) { return caller->taken; });
  under_way_ = true;
  lock.unlock();
  const auto end = [&] {
    lock.lock();
    under_way_ = false;
    for (Caller* caller : group) caller->done = true;
    changed_.notify_all();
  };
  try {
    commit_group(group);
  } catch (...) {  // no memory, for instance: nobody may wait for it for good
    end();
    throw;
  }
  end();
}

GroupCommit::Group GroupCommit::form() const {
  Group group = {waiting_.front()};
  if (waiting_.size() == 1) return group;
  std::set<ObjectKey> keys;
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (Caller* caller : waiting_) {
    const std::size_t size = bytes_of(caller->intents);
    bool joins = may_join(*caller, *group.front()) && bytes + size <= kMaxBytes &&
                 count + caller->intents.size() <= kMaxIntents;
    // Who stays behind keeps its keys: later versions of them stay behind it.
    for (const Intent& intent : caller->intents) joins &= keys.insert(key_of(intent)).second;
    if (!joins && caller != group.front()) continue;
    if (caller != group.front()) group.push_back(caller);
    bytes += size;
    count += caller->intents.size();
  }
  return group;
}

bool GroupCommit::may_join(const Caller& caller, const Caller& first) const {
  return !caller.edit && !first.edit && caller.merging == first.merging &&
         static_cast<bool>(caller.settle) == static_cast<bool>(first.settle) &&
         !caller.deadline.passed(index_.environment().clock);
}

void GroupCommit::commit_group(std::span<Caller* const> group) {
  if (group.size() == 1) {
    commit_alone(*group.front());
  } else if (!commit_together(group)) {
    commit_group(group.first(group.size() / 2));
    commit_group(group.subspan(group.size() / 2));
  }
}

void GroupCommit::commit_alone(Caller& caller) {
  Writer writer(index_, caller.edit, caller.settle);
  const Status taken = writer.take(std::move(caller.intents));
  caller.result = taken.ok() ? index_.run(writer, caller.deadline, caller.merging)
                             : Result<CommitReport>(taken.error());
}

bool GroupCommit::commit_together(std::span<Caller* const> group) {
  std::vector<Intent> intents;
  std::map<ObjectKey, const Settle*> owners;
  Deadline latest = group.front()->deadline;
  for (const Caller* caller : group) {
    // Copies: who is to be tried in a half needs its own again.
    intents.insert(intents.end(), caller->intents.begin(), caller->intents.end());
    for (const Intent& intent : caller->intents) owners.emplace(key_of(intent), &caller->settle);
    latest.at = std::max(latest.at, caller->deadline.at);
  }
  Settle settle;
  if (group.front()->settle) settle = [&](const ObjectKey& key) { return (*owners.at(key))(key); };
  Writer writer(index_, StateEdit(), std::move(settle));
  const Status taken = writer.take(std::move(intents));
  const Result<CommitReport> done = taken.ok() ? index_.run(writer, latest, group.front()->merging)
                                               : Result<CommitReport>(taken.error());
  if (!done.ok() && may_be_of_one(done.code())) return false;
  std::size_t first = 0;
  for (Caller* caller : group) {
    caller->result = done;
    if (done.ok()) {
      CommitReport& report = **caller->result;
      report = writer.report_of(first, caller->intents.size());
      report.generation = done->generation;
      report.commit_id = done->commit_id;
    }
    first += caller->intents.size();
  }
  return true;
}

}  // namespace kedge
