#include "tests/sim/checker.h"

#include "commit/history.h"
#include "tests/sim/turn.h"

namespace kedge::sim {
namespace {

// Between what the checker sees at the true time and what the store's clock, as it was then and is
// now, says of it.
constexpr Duration kStoreClockError = 2 * kStoreSkew + std::chrono::seconds(1);

Timestamp time_of(const Intent& intent) {
  if (const auto* put = std::get_if<PutIntent>(&intent)) return put->object.row.read_time;
  return std::get<AbsentIntent>(intent).proven_at;
}

ObjectKey key_of(const Intent& intent) {
  if (const auto* put = std::get_if<PutIntent>(&intent))
    return {put->object.row.source, put->object.row.key};
  return std::get<AbsentIntent>(intent).key;
}

}  // namespace

Checker::Checker(World& world, ObjectStore& store, IndexOptions options)
    : world_(world), store_(store) {
  index_ = must(Index::open(world.environment_on(store, ids_), std::move(options), world.soon()));
  look();
}

void Checker::submitted(std::uint64_t attempt, const std::vector<Intent>& intents) {
  for (const Intent& intent : intents) {
    const ObjectKey key = key_of(intent);
    times_[attempt].emplace_back(key, time_of(intent));
    if (const auto* put = std::get_if<PutIntent>(&intent)) {
      put_[{key, put->object.row.title}] = {put->object.row,
                                            static_cast<std::uint32_t>(put->object.chunks.size())};
    } else {
      absences_[key][attempt] = time_of(intent);
    }
  }
}

void Checker::acknowledged(std::uint64_t attempt, const CommitReport& report) {
  look();
  const auto first = generations_.find(report.generation);
  ASSERT_NE(first, generations_.end())
      << "I1: acknowledged, but no head had generation " << report.generation;
  EXPECT_EQ(first->second.commit_id, report.commit_id) << "I1: generation " << report.generation;
  for (auto at = first; at != generations_.end(); ++at) {
    if (at != first && at->second.rolled_back) break;
    for (const auto& [key, time] : times_[attempt]) check_floor(at->first, key, time);
  }
}

// I1 and I3: what is live at that generation is not older, and an absence has its reason.
void Checker::check_floor(std::uint64_t number, const ObjectKey& key, Timestamp floor) {
  Generation& generation = generations_.at(number);
  const auto live = generation.state.find(key);
  if (live == generation.state.end()) {
    EXPECT_TRUE(absence_explains(key, floor))
        << "I1: generation " << number << " lost " << key.key << " of " << floor.micros;
  } else {
    EXPECT_GE(live->second.row.read_time + kReadOrderMargin, floor)
        << "I1: generation " << number << " holds an older version of " << key.key;
  }
  Timestamp& known = generation.floors[key];
  known = std::max(known, floor);
}

void Checker::refused(std::uint64_t attempt) {
  refused_.insert(attempt);
  for (const auto& [number, generation] : generations_) {
    for (const auto& [key, seen] : generation.state) {
      EXPECT_NE(seen.row.title, title(attempt))
          << "I2: generation " << number << " holds what was refused, " << key.key;
    }
  }
}

void Checker::look() {
  const Result<Stat> stat = stat_one(store_, "ix/head", Deadline::never());
  ASSERT_TRUE(stat.ok()) << "there is no head any more: " << stat.error().message;
  if (stat->info.tag == head_tag_) return;
  head_tag_ = stat->info.tag;
  const Result<SnapshotPtr> opened = index_->latest(world_.soon());
  ASSERT_TRUE(opened.ok()) << "the newest generation cannot be opened: " << opened.error().message;
  const Snapshot& snapshot = **opened;
  const Head& head = *snapshot.head();
  ASSERT_FALSE(head.recovered) << "the head does not parse";
  check_lineage(head);
  Generation next;
  next.commit_id = head.envelope.commit_id;
  next.envelope = head.envelope;
  next.raw = head.raw;
  next.seen_at = world_.clock.now();
  next.state = read_state(*opened);
  check_rows(next.state, snapshot);
  if (newest_ != 0) {
    const Generation& before = generations_.at(newest_);
    next.floors = before.floors;
    for (const std::uint64_t to : rollbacks_) {
      const Generation& target = generations_.at(to);
      if (head.envelope.payload == before.envelope.payload) break;
      if (head.envelope.payload != target.envelope.payload) continue;
      next.rolled_back = true;
      next.floors = target.floors;
    }
    std::string why;
    EXPECT_TRUE(next.rolled_back || follows(before, next.state, why))
        << "generation " << head.envelope.generation << ": " << why;
  }
  raise_floors(next);
  newest_ = head.envelope.generation;
  generations_[newest_] = std::move(next);
  check_files_of_retained();
}

void Checker::check_lineage(const Head& head) {
  const Envelope& envelope = head.envelope;
  if (newest_ == 0) return;
  const Generation& before = generations_.at(newest_);
  EXPECT_EQ(envelope.generation, newest_ + 1) << "I13";
  EXPECT_EQ(envelope.parent_id, before.commit_id) << "I13: generation " << envelope.generation;
  ReadRequest request;
  request.key = "ix/" + history_key(newest_, before.commit_id);
  const Result<Blob> body = read_one(store_, request, Deadline::never());
  ASSERT_TRUE(body.ok()) << "I13: " << body.error().message;
  EXPECT_EQ(body->body, before.raw) << "I13: history of generation " << newest_;
}

State Checker::read_state(const SnapshotPtr& snapshot) {
  State out;
  for (std::uint32_t source = 1; source <= world_.options.sources; ++source) {
    const std::unique_ptr<ObjectCursor> cursor = index_->scan(snapshot, source, "");
    std::string last;
    while (true) {
      const std::optional<LiveObject> object = must(cursor->next(world_.soon()), "scan");
      if (!object) break;
      EXPECT_LT(last, object->row.key) << "I3: a key is live twice, or out of order";
      last = object->row.key;
      out[{source, last}] = {object->row, object->chunk_count};
    }
  }
  return out;
}

// I2, and the counts that a status shows.
void Checker::check_rows(const State& state, const Snapshot& snapshot) {
  std::map<std::uint32_t, std::uint64_t> counts;
  for (const auto& [key, seen] : state) {
    ++counts[key.source];
    if (key.source == judged_source_) {
      std::string why;
      EXPECT_TRUE(bucket_->explains(seen.row, why)) << "I2: " << key.key << ": " << why;
      continue;
    }
    const auto put = put_.find({key, seen.row.title});
    ASSERT_NE(put, put_.end()) << "I2: nobody put " << key.key << ", " << seen.row.title;
    EXPECT_EQ(seen, put->second) << "I2: " << key.key;
    const std::uint64_t attempt = std::stoull(seen.row.title.substr(title(0).size() - 1));
    EXPECT_FALSE(refused_.contains(attempt)) << "I2: " << key.key << " was refused";
  }
  for (const SourceEntry& source : snapshot.state().sources)
    EXPECT_EQ(source.live_objects, counts[source.number]) << "source " << source.number;
}

bool Checker::absence_explains(const ObjectKey& key, Timestamp version) const {
  if (key.source == judged_source_) return bucket_->was_absent(key.key, version - kReadOrderMargin);
  const auto known = absences_.find(key);
  if (known == absences_.end()) return false;
  for (const auto& [attempt, time] : known->second) {
    if (!refused_.contains(attempt) && time + kReadOrderMargin >= version) return true;
  }
  return false;
}

bool Checker::follows(const Generation& before, const State& after, std::string& why) const {
  const Timestamp now = world_.clock.now() + kStoreClockError;
  for (const auto& [key, floor] : before.floors) {
    const auto live = after.find(key);
    if (live == after.end()) {
      if (!absence_explains(key, floor)) {
        why = str_cat("I3: ", key.key, " is gone without proof");
        return false;
      }
      continue;
    }
    // An absence is remembered for a day: who held an older version for longer may bring it back.
    const bool forgotten = !before.state.contains(key) && floor + kAbsenceKept < now;
    if (live->second.row.read_time + kReadOrderMargin < floor && !forgotten) {
      why = str_cat("I3: ", key.key, " went back from ", floor.micros, " to ",
                    live->second.row.read_time.micros);
      return false;
    }
  }
  return true;
}

void Checker::raise_floors(Generation& generation) const {
  for (const auto& [key, seen] : generation.state) {
    Timestamp& floor = generation.floors[key];
    const Timestamp time = seen.row.read_time;
    // Lower only after a forgotten absence: follows() has looked.
    floor = time + kReadOrderMargin < floor ? time : std::max(floor, time);
  }
}

void Checker::check_files_of_retained() {
  const Envelope& head = generations_.at(newest_).envelope;
  const Timestamp now = world_.clock.now();
  for (const auto& [number, generation] : generations_) {
    const auto successor = generations_.find(number + 1);
    const bool young = successor == generations_.end() ||
                       now - successor->second.seen_at < head.retention - kStoreClockError;
    const bool promised = number == newest_ || head.retains(number);
    if (young) {
      EXPECT_TRUE(promised) << "R8: generation " << number << " is not retained any more";
    }
    if (!promised) continue;
    for (const FileRef& file : generation.envelope.files) {
      const Result<Stat> stat = stat_one(store_, "ix/" + file.key, Deadline::never());
      ASSERT_TRUE(stat.ok()) << "I4: generation " << number << " names " << file.key;
      EXPECT_EQ(stat->info.size, file.size) << "I4: " << file.key;
    }
  }
}

const State* Checker::state(std::uint64_t generation) const {
  const auto known = generations_.find(generation);
  return known == generations_.end() ? nullptr : &known->second.state;
}

bool Checker::retained(std::uint64_t generation) const {
  return generation == newest_ || generations_.at(newest_).envelope.retains(generation);
}

}  // namespace kedge::sim
