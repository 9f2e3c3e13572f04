#include <filesystem>

#include "embed/cache.h"
#include "tests/sim/play.h"

namespace kedge::sim {
namespace {

// What an operation on a store that fails, or of a machine that crashed, may end with. Never a
// damaged index.
bool is_weather(Code code) { return code == Code::kUnavailable; }

void expect_weather(const Error& error, const char* what) {
  EXPECT_TRUE(is_weather(error.code))
      << what << ": " << code_name(error.code) << ": " << error.message;
}

std::vector<ObjectKey> some_keys(Play& play, Random& random) {
  std::set<ObjectKey> out;
  const std::size_t count = 1 + random.below(6);
  while (out.size() < count) out.insert(play.keys()[random.below(play.keys().size())]);
  return {out.begin(), out.end()};
}

// Mostly short, at times as long as a machine sleeps in a bag.
Duration pause(Random& random) {
  if (random.below(40) == 0) return std::chrono::hours(1 + random.below(40));
  return std::chrono::milliseconds(random.below(20'000));
}

void expect_read_matches(Play& play, Machine& machine, Index& index, const SnapshotPtr& snapshot) {
  SearchRequest request;
  request.query = play.world().query();
  request.space = play.world().space().id();
  request.k = 1000;
  request.group_by_object = false;
  request.collapse_equal = false;
  // More rows are wanted than there are: by codes too every one of every list is found.
  request.exact = machine.random().below(2) == 0;
  request.recall = 1;
  const Result<SearchResult> found = index.search(snapshot, request, machine.soon());
  if (!found.ok() && found.code() == Code::kExpired) {
    EXPECT_FALSE(play.checker().retained(snapshot->generation()))
        << "R8: " << found.error().message;
    ++play.counts().snapshots_expired;
    return;
  }
  if (!found.ok()) return expect_weather(found.error(), "search");
  const State* state = play.checker().state(snapshot->generation());
  ASSERT_NE(state, nullptr) << "a snapshot of a generation that never was";
  std::map<ObjectKey, std::uint32_t> chunks;
  for (const Hit& hit : found->hits) {
    const ObjectKey key{hit.object.row.source, hit.object.row.key};
    const auto live = state->find(key);
    ASSERT_NE(live, state->end()) << "found, but not live: " << key.key;
    EXPECT_EQ(hit.object.row, live->second.row);
    ++chunks[key];
  }
  for (const auto& [key, seen] : *state)
    EXPECT_EQ(chunks[key], seen.chunks) << "chunks found of " << key.key;
  ++play.counts().reads_compared;
}

void note_writes(History& history, const std::vector<Intent>& intents, std::uint64_t begin,
                 std::optional<std::uint64_t> end) {
  for (const Intent& intent : intents) {
    if (const auto* put = std::get_if<PutIntent>(&intent)) {
      const ObjectRow& row = put->object.row;
      history.wrote({row.source, row.key}, row.read_time, false, begin, end);
    } else {
      const auto& absent = std::get<AbsentIntent>(intent);
      history.wrote(absent.key, absent.proven_at, true, begin, end);
    }
  }
}

}  // namespace

void write_loop(Play& play, Machine& machine) {
  while (!play.over()) {
    play.stage().sleep(pause(machine.random()));
    Index* index = machine.index();
    if (index == nullptr) continue;
    const std::uint64_t begin = play.history().now();
    std::optional<std::uint64_t> end;
    bool refused = false;
    const std::uint64_t attempt = play.checker().next_attempt();
    std::vector<Intent> intents;
    for (const ObjectKey& key : some_keys(play, machine.random()))
      intents.push_back(play.observe(key, attempt));
    play.checker().submitted(attempt, intents);
    if (machine.random().below(3) == 0) play.stage().sleep(pause(machine.random()));
    const Settle settle = [&](const ObjectKey& key) { return play.current_tag(key); };
    // After an unknown outcome the same intents may be committed again: one effect all the same.
    for (int tries = 0; tries < 3; ++tries) {
      const auto report = index->commit(intents, {}, settle, machine.soon());
      if (report.ok()) {
        end = play.history().now();
        play.checker().acknowledged(attempt, *report);
        ++play.counts().acknowledged;
        break;
      }
      if (machine.restarted()) break;
      if (report.code() == Code::kUnavailable) {
        ++play.counts().unknown;
        if (machine.random().below(2) == 0) break;
        continue;
      }
      EXPECT_EQ(report.code(), Code::kExpired) << report.error().message;
      // Only if no earlier try of the same intents is in doubt was none of it committed.
      refused = tries == 0;
      if (refused) play.checker().refused(attempt);
      ++play.counts().refused;
      break;
    }
    if (!refused) note_writes(play.history(), intents, begin, end);
    machine.restarted();
  }
}

Result<SyncReport> sync_bucket(Play& play, Machine& machine, Index& index, Random* failures,
                               std::optional<std::uint64_t> approve) {
  const Deadline deadline = machine.soon();
  SimulatedModel model(play.world().space(), play.models(), failures);
  const std::unique_ptr<EmbeddingCache> cache = KEDGE_TRY(EmbeddingCache::open(
      machine.store(), model.space(), machine.clock(), machine.random(), inline_executor(),
      silent_log(), {.prefix = "cache/", .spill_folder = "", .pack_rows = 8}, deadline));
  const SyncEnvironment environment{
      .index = index,
      .source = machine.source(),
      .embedder = model,
      .cache = cache.get(),
      .clock = machine.clock(),
      .random = machine.random(),
      .executor = inline_executor(),
      .log = silent_log(),
      .scratch_folder = std::filesystem::temp_directory_path().string()};
  SyncOptions options;
  options.source_uri = source_uri(kBucketSource);
  options.approve_deletes = approve;
  options.max_object_bytes = 1 << 20;
  std::stop_source stop;
  if (failures != nullptr) {
    options.full = machine.random().below(4) == 0;
    options.commit_rows = static_cast<std::uint32_t>(1 + machine.random().below(8));
    options.stop = stop.get_token();
    const bool stops = machine.random().below(10) == 0;
    options.progress = [&, stops](const SyncProgress& progress) {
      if (stops && progress.done > 2) stop.request_stop();
    };
  }
  auto report = sync_source(environment, options, deadline);
  if (report.ok() && machine.random().below(8) == 0) {
    const auto collected = cache->collect(deadline);
    if (!collected.ok()) return collected.error();
  }
  return report;
}

void sync_loop(Play& play, Machine& machine) {
  std::optional<std::uint64_t> withheld;
  while (!play.over()) {
    play.stage().sleep(pause(machine.random()));
    Index* index = machine.index();
    if (index == nullptr) continue;
    Random* failures = play.has(Part::kModel) ? &machine.random() : nullptr;
    const auto report = sync_bucket(play, machine, *index, failures, withheld);
    PlayCounts& counts = play.counts();
    if (report.ok()) {
      ++counts.syncs;
      counts.synced += report->added + report->changed;
      counts.deleted += report->deleted;
      counts.withheld += report->withheld > 0 ? 1 : 0;
      counts.pending += report->pending;
      counts.vanished += report->vanished;
      // Somebody looks at times, and approves.
      withheld.reset();
      if (report->withheld > 0 && machine.random().below(2) == 0) withheld = report->withheld;
    } else if (report.code() != Code::kExpired) {
      expect_weather(report.error(), "sync");
    }
    machine.restarted();
  }
}

void merge_loop(Play& play, Machine& machine) {
  while (!play.over()) {
    play.stage().sleep(pause(machine.random()));
    Index* index = machine.index();
    if (index == nullptr) continue;
    const bool all = machine.random().below(6) == 0;
    const auto done = all ? index->compact(machine.random().below(2) == 0, machine.soon())
                          : index->maintain(1 + machine.random().below(3), machine.soon());
    if (done.ok()) play.counts().merges += *done;
    if (!done.ok() && done.code() != Code::kExpired) expect_weather(done.error(), "maintain");
    machine.restarted();
  }
}

void collect_loop(Play& play, Machine& machine) {
  while (!play.over()) {
    play.stage().sleep(std::chrono::minutes(machine.random().below(90)));
    Index* index = machine.index();
    if (index == nullptr) continue;
    CollectOptions options;
    options.batch = 1 + machine.random().below(8);
    const auto report = index->collect(options, machine.soon());
    if (report.ok()) {
      ++play.counts().collections;
      play.counts().removed += report->removed;
    } else {
      expect_weather(report.error(), "collect");
    }
    machine.restarted();
  }
}

void read_loop(Play& play, Machine& machine) {
  SnapshotPtr held;
  while (!play.over()) {
    play.stage().sleep(pause(machine.random()));
    Index* index = machine.index();
    if (index == nullptr) continue;
    if (held != nullptr && machine.random().below(4) == 0) {
      play.stage().sleep(std::chrono::minutes(machine.random().below(600)));
    } else {
      const auto latest = index->latest(machine.soon());
      if (latest.ok()) held = *latest;
      if (!latest.ok()) expect_weather(latest.error(), "latest");
    }
    if (held != nullptr) expect_read_matches(play, machine, *index, held);
    if (machine.restarted()) held = nullptr;
  }
}

// What the newest generation has of some keys, for the history.
void find_loop(Play& play, Machine& machine) {
  while (!play.over()) {
    play.stage().sleep(pause(machine.random()));
    Index* index = machine.index();
    if (index == nullptr) continue;
    const std::vector<ObjectKey> keys = some_keys(play, machine.random());
    const std::uint64_t begin = play.history().now();
    const auto latest = index->latest(machine.soon());
    if (!latest.ok()) expect_weather(latest.error(), "latest");
    if (latest.ok()) {
      const auto found = index->find(*latest, keys, machine.soon());
      const std::uint64_t end = play.history().now();
      for (std::size_t i = 0; found.ok() && i < keys.size(); ++i) {
        std::optional<Timestamp> version;
        if ((*found)[i]) version = (*found)[i]->row.read_time;
        play.history().read(keys[i], version, begin, end);
      }
      if (!found.ok() && found.code() != Code::kExpired) expect_weather(found.error(), "find");
    }
    machine.restarted();
  }
}

void steer_loop(Play& play, Machine& machine) {
  while (!play.over()) {
    play.stage().sleep(std::chrono::minutes(machine.random().below(60)));
    Index* index = machine.index();
    if (index == nullptr) continue;
    const std::uint64_t newest = play.checker().newest();
    const std::uint64_t to = newest - machine.random().below(std::min<std::uint64_t>(
                                          newest - play.first_generation() + 1, 12));
    if (machine.random().below(3) == 0) {
      if (play.checker().state(to) == nullptr) continue;
      play.checker().rollback_submitted(to);
      const auto report = index->rollback(to, machine.soon());
      if (report.ok()) ++play.counts().rollbacks;
      if (!report.ok() && report.code() != Code::kExpired)
        expect_weather(report.error(), "rollback");
    } else if (machine.random().below(2) == 0) {
      static_cast<void>(index->log().add_pin(str_cat("pin-", to), to, machine.soon()));
    } else {
      const auto head = index->log().read(machine.soon());
      if (head.ok() && !(*head)->envelope.pins.empty()) {
        const std::string name = (*head)->envelope.pins.front().name;
        static_cast<void>(index->log().remove_pin(name, machine.soon()));
      }
    }
    machine.restarted();
  }
}

}  // namespace kedge::sim
