#include "tests/sim/play.h"

#include <algorithm>
#include <filesystem>

namespace kedge::sim {
namespace {

WorldOptions world_options(std::uint64_t seed) {
  WorldOptions options;
  options.seed = seed;
  options.sources = kBucketSource;
  options.index.max_small_segments = 3;
  options.index.read_opening = true;
  options.index.small_rows = 40;
  options.index.few_rows = 0;
  options.index.tree_rows = 60;
  options.index.least_tree_rows = 30;
  options.index.list_rows = 8;
  options.index.head.grace = kMinGrace;
  options.index.head.retention = std::chrono::hours(3);
  return options;
}

MemoryStoreOptions store_options(std::uint64_t seed) {
  MemoryStoreOptions options;
  // S3 shows whole seconds, and lists in pages.
  if (seed % 2 == 0) options.clock_step = std::chrono::seconds(1);
  options.page = seed % 3 == 0 ? 5 : kMaxListPage;
  return options;
}

constexpr FaultRates kRates = {.before = 0.015,
                               .after = 0.015,
                               .late = 0.02,
                               .twice = 0.01,
                               .echo = 0.015,
                               .torn = 0.05,
                               .max_late_calls = 200};
constexpr FaultRates kSourceRates = {.before = 0.02, .after = 0.01, .stale = 0.1, .cut = 0.05};
// What an actor may take from the end of faults to its own end: a sync of the bucket takes some
// hundred calls, a merge of everything likewise.
constexpr std::uint64_t kMostCallsLeft = 3000;

FaultRates rates_of(const Play& play, FaultRates rates) {
  const std::pair<Part, double FaultRates::*> parts[] = {
      {Part::kBefore, &FaultRates::before},      {Part::kAfter, &FaultRates::after},
      {Part::kLate, &FaultRates::late},          {Part::kTwice, &FaultRates::twice},
      {Part::kEcho, &FaultRates::echo},          {Part::kTorn, &FaultRates::torn},
      {Part::kStaleListing, &FaultRates::stale}, {Part::kCutListing, &FaultRates::cut}};
  for (const auto& [part, rate] : parts) {
    if (!play.has(part)) rates.*rate = 0;
  }
  return rates;
}

// S3 lists in order; some stores do not, and some tag each write anew.
MemoryStoreOptions bucket_options(std::uint64_t seed) {
  MemoryStoreOptions options = store_options(seed);
  options.ordered = seed % 5 != 0;
  options.tags = seed % 4 < 2 ? MemoryTags::kContent : MemoryTags::kUnique;
  options.page = seed % 3 == 0 ? 4 : kMaxListPage;
  return options;
}

}  // namespace

std::size_t failures_so_far() {
  const testing::TestResult& result =
      *testing::UnitTest::GetInstance()->current_test_info()->result();
  return static_cast<std::size_t>(result.total_part_count());
}

Parts all_troubles() {
  Parts out;
  for (std::size_t part = 0; part <= static_cast<std::size_t>(Part::kHours); ++part)
    out.add(static_cast<Part>(part));
  return out;
}

PlayCounts& PlayCounts::operator+=(const PlayCounts& other) {
  for (const PlayCount& count : kPlayCounts) this->*count.value += other.*count.value;
  for (std::size_t a = 0; a < kRoles; ++a) {
    for (std::size_t b = 0; b < kRoles; ++b) pairs[a][b] += other.pairs[a][b];
  }
  most_calls = std::max(most_calls, other.most_calls);
  return *this;
}

Machine::Machine(Play& play, std::uint64_t seed, bool faults)
    : play_(play),
      random_(seed * 31 + 1),
      faults_random_(seed * 37 + 2),
      clock_(play.stage(), play.world().clock,
             std::chrono::minutes(static_cast<std::int64_t>(seed % 7) * 40 - 120)),
      faults_(play.store(), play.world().clock),
      // Of two machines one sends what it has at once, so that it can fail in part; of the other
      // somebody comes between any two requests.
      hooked_(faults_, [&play](const Call& call, Moment moment) { play.on_call(call, moment); },
              {.split_batches = seed % 2 == 0}),
      retrying_(hooked_, clock_, random_),
      source_faults_(play.bucket().store(), play.world().clock),
      source_hooked_(
          source_faults_,
          [&play](const Call& call, Moment moment) { play.on_source_call(call, moment); },
          {.split_batches = true}),
      source_retrying_(source_hooked_, clock_, random_),
      options_(play.index_options()) {
  options_.cache_bytes = 0;  // every read goes to the store
  if (!faults) return;
  faults_.set_rates(rates_of(play, kRates), faults_random_);
  source_faults_.set_rates(rates_of(play, kSourceRates), faults_random_);
}

Index* Machine::index() {
  if (index_ != nullptr) return index_.get();
  const Environment environment{retrying_, clock_, random_, inline_executor(), silent_log()};
  auto opened = Index::open(environment, options_, soon());
  if (opened.ok()) {
    index_ = std::move(opened).value();
  } else {
    EXPECT_EQ(opened.code(), Code::kUnavailable) << opened.error().message;
    faults_.restart();
    source_faults_.restart();
  }
  return index_.get();
}

void Machine::crash() {
  faults_.crash();
  source_faults_.crash();
}

bool Machine::restarted() {
  if (!faults_.crashed()) return false;
  index_ = nullptr;
  faults_.restart();
  source_faults_.restart();
  return true;
}

void Machine::heal() {
  faults_.heal();
  source_faults_.heal();
}

Play::Play(PlayOptions options)
    : options_(std::move(options)),
      world_(world_options(options_.seed)),
      director_(options_.seed * 1009 + 7),
      store_clock_(stage_, world_.clock, Duration(0)),
      store_(store_clock_, store_options(options_.seed)),
      bucket_(world_.clock, bucket_options(options_.seed)),
      stage_(world_.clock) {
  for (std::uint32_t i = 0; i < kMadeUpKeys; ++i) {
    keys_.push_back({1 + i % (kBucketSource - 1), str_cat("k", i)});
    made_up_[keys_.back()] = std::nullopt;
  }
  SeededRandom ids(options_.seed);
  const std::unique_ptr<Index> made =
      must(Index::create(world_.environment_on(store_, ids), world_.options.index, world_.soon()));
  first_generation_ = must(made->commit({}, world_.registration(), {}, world_.soon())).generation;
  checker_ = std::make_unique<Checker>(world_, store_, world_.options.index);
  checker_->judge_by(kBucketSource, &bucket_);
  add_machine(false);
}

void Play::trace(const Call& call) {
  const auto fold = [&](std::uint64_t value) { trace_ = (trace_ ^ value) * 1099511628211ULL; };
  fold(static_cast<std::uint64_t>(call.operation));
  for (const std::string& key : call.keys) {
    for (const char c : key) fold(static_cast<unsigned char>(c));
  }
}

void Play::on_call(const Call& call, Moment moment) {
  SCOPED_TRACE(str_cat("seed ", options_.seed, ", by actor at ", operation_name(call.operation)));
  if (moment == Moment::kAfter) {
    checker_->look();
    if (call.operation == Operation::kRemove) checker_->check_files_of_retained();
    return;
  }
  trace(call);
  stage_.step(call);
  if (is_write(call.operation)) count_pairs(call);
  if (Stage::speaking() < calls_.size()) ++calls_[Stage::speaking()];
}

void Play::on_source_call(const Call& call, Moment moment) {
  if (moment == Moment::kAfter) return;
  trace(call);
  stage_.step(call);
  if (Stage::speaking() < calls_.size()) ++calls_[Stage::speaking()];
}

// Whoever speaks writes now: who else is in the middle of something?
void Play::count_pairs(const Call& call) {
  const std::size_t self = Stage::speaking();
  if (self >= roles_.size() || call.keys.empty() || !call.keys.front().starts_with("ix/")) return;
  for (std::size_t other = 0; other < roles_.size(); ++other) {
    if (other == self || stage_.next_call(other) == nullptr) continue;
    ++counts_
          .pairs[static_cast<std::size_t>(roles_[self])][static_cast<std::size_t>(roles_[other])];
  }
}

Play::Seen Play::look_at_source(const ObjectKey& key) {
  return {made_up_[key], world_.clock.now()};
}

Result<std::string> Play::current_tag(const ObjectKey& key) {
  const Seen seen = look_at_source(key);
  if (!seen.version) return {Code::kNotFound, "no such object"};
  return str_cat("v", *seen.version);
}

Intent Play::observe(const ObjectKey& key, std::uint64_t attempt) {
  const Seen seen = look_at_source(key);
  if (!seen.version) return AbsentIntent{.key = key, .proven_at = seen.time};
  IndexedObject object =
      world_.object(key, str_cat("v", *seen.version), seen.time, world_.random.below(4));
  object.row.title = Checker::title(attempt);
  return PutIntent{std::move(object)};
}

Result<CommitReport> Play::commit(Index& index, const std::vector<ObjectKey>& keys,
                                  Deadline deadline) {
  const std::uint64_t attempt = checker_->next_attempt();
  std::vector<Intent> intents;
  for (const ObjectKey& key : keys) intents.push_back(observe(key, attempt));
  checker_->submitted(attempt, intents);
  auto report = index.commit(std::move(intents), {}, {}, deadline);
  if (report.ok()) checker_->acknowledged(attempt, *report);
  if (!report.ok() && report.code() != Code::kUnavailable) checker_->refused(attempt);
  return report;
}

Machine& Play::add_machine(bool faults) {
  const std::uint64_t seed = options_.seed * 100 + machines_.size();
  return *machines_.emplace_back(std::make_unique<Machine>(*this, seed, faults));
}

void Play::add_actors() {
  struct Actor {
    Role role;
    Part part;
    void (*body)(Play&, Machine&);
  };
  constexpr Actor kActors[] = {{Role::kWriter, Part::kWriters, write_loop},
                               {Role::kWriter, Part::kWriters, write_loop},
                               {Role::kSync, Part::kSyncs, sync_loop},
                               {Role::kSync, Part::kSyncs, sync_loop},
                               {Role::kMerger, Part::kMerges, merge_loop},
                               {Role::kMerger, Part::kMerges, merge_loop},
                               {Role::kCollector, Part::kCollections, collect_loop},
                               {Role::kReader, Part::kReaders, read_loop},
                               {Role::kFinder, Part::kFinders, find_loop},
                               {Role::kSteerer, Part::kSteering, steer_loop}};
  for (const Actor& actor : kActors) {
    // There in any case: its number decides what its faults are.
    Machine& machine = add_machine(true);
    if (!has(actor.part)) continue;
    roles_.push_back(actor.role);
    machines_of_.push_back(&machine);
    stage_.add([this, body = actor.body, &machine] { body(*this, machine); });
  }
  calls_.resize(roles_.size());
}

void Play::change(const Turn& turn) {
  if (turn.made_up > 0 && has(Part::kMadeUp)) {
    const ObjectKey& key = keys_[turn.made_up - 1];
    turn.change == Change::kErase ? erase(key) : put(key);
  }
  if (turn.bucket == 0 || !has(Part::kBucket)) return;
  bucket_.change(turn.bucket, turn.change);
  for (std::size_t actor = 0; actor < roles_.size(); ++actor) {
    if (roles_[actor] == Role::kSync && stage_.next_call(actor) != nullptr) ++counts_.bucket_pairs;
  }
}

void Play::trouble(const Turn& turn) {
  Machine& unlucky = *machines_[1 + turn.machine % (machines_.size() - 1)];
  if (turn.lands && has(Part::kLanding)) {
    counts_.late_effects += unlucky.faults().land() ? 1 : 0;
    checker_->look();
  }
  if (turn.crashes && has(Part::kCrash)) {
    unlucky.crash();
    ++counts_.crashes;
  }
  if (turn.jumps != Duration(0) && has(Part::kClockJump)) {
    unlucky.clock().jump(turn.jumps);
    ++counts_.jumps;
  }
  if (turn.store_skew && has(Part::kStoreClock)) {
    store_clock_.set(*turn.store_skew);
    ++counts_.store_jumps;
  }
}

// One actor goes on to its next store call; around it the bucket changes, late effects land,
// machines crash, and time passes.
void Play::turn(const Turn& turn) {
  if (!turn.hours || has(Part::kHours)) world_.clock.advance(turn.passes);
  change(turn);
  trouble(turn);
  std::vector<std::size_t> ready;
  for (std::size_t actor = 0; actor < stage_.actors(); ++actor) {
    if (stage_.ready(actor) && frozen_until_[actor] <= world_.clock.monotonic())
      ready.push_back(actor);
  }
  if (ready.empty()) {
    const Duration waking = stage_.next_waking();
    const Duration most = world_.clock.monotonic() + std::chrono::minutes(10);
    world_.clock.advance(std::min(waking, most) - world_.clock.monotonic());
    return;
  }
  const std::size_t chosen = ready[turn.actor % ready.size()];
  const bool amid = stage_.next_call(chosen) != nullptr;
  if (turn.freezes > Duration(0) && amid && has(Part::kFreeze)) {
    frozen_until_[chosen] = world_.clock.monotonic() + turn.freezes;
    ++counts_.freezes;
    return;
  }
  stage_.release(chosen);
}

void Play::run() {
  add_actors();
  std::vector<bool> happens(options_.steps, options_.turns.empty());
  for (const std::uint64_t turn : options_.turns) {
    if (turn < happens.size()) happens[turn] = true;
  }
  for (std::uint64_t step = 0; step < options_.steps; ++step) {
    const Turn drawn = draw_turn(director_);
    if (!happens[step]) continue;
    SCOPED_TRACE(str_cat("step ", step));
    turn(drawn);
    if (options_.planted) options_.planted(*this);
    if (failed()) break;
  }
  over_ = true;
  drain();
  if (!failed()) calm();
  counts_.generations = checker_->newest();
  count_faults();
}

// I12: once nothing fails any more, whatever was begun ends within so many calls.
void Play::drain() {
  for (const auto& machine : machines_) machine->heal();
  std::fill(calls_.begin(), calls_.end(), 0);
  for (std::size_t actor = 0; actor < stage_.actors(); ++actor) {
    const bool crashed = machines_of_[actor]->faults().crashed();
    stage_.finish(actor);
    if (crashed) continue;  // a process that is no more: nothing that it waits for will come
    EXPECT_LE(calls_[actor], kMostCallsLeft)
        << "I12: a " << kRoleNames[static_cast<std::size_t>(roles_[actor])] << " goes on and on";
    counts_.most_calls = std::max(counts_.most_calls, calls_[actor]);
  }
}

void Play::count_faults() {
  const std::pair<Fault, std::uint64_t PlayCounts::*> counted[] = {
      {Fault::kBefore, &PlayCounts::before}, {Fault::kAfter, &PlayCounts::after},
      {Fault::kLate, &PlayCounts::late},     {Fault::kTwice, &PlayCounts::twice},
      {Fault::kEcho, &PlayCounts::echoed},   {Fault::kTorn, &PlayCounts::torn},
      {Fault::kStale, &PlayCounts::stale},   {Fault::kCut, &PlayCounts::cut}};
  for (const auto& machine : machines_) {
    for (const auto& [fault, value] : counted) counts_.*value += machine->suffered(fault);
  }
  constexpr std::uint64_t PlayCounts::*kOfModel[kModelFailures] = {
      &PlayCounts::model_busy, &PlayCounts::model_errors, &PlayCounts::model_short,
      &PlayCounts::model_wide, &PlayCounts::model_nan};
  for (std::size_t i = 0; i < kModelFailures; ++i) counts_.*kOfModel[i] += models_.failures[i];
}

// Nothing fails any more: one sync brings the truth, one collection leaves nothing unnamed.
void Play::calm() {
  for (const auto& machine : machines_) {
    while (machine->faults().land()) {
      ++counts_.late_effects;
      checker_->look();
    }
  }
  world_.clock.advance(std::chrono::minutes(1));
  Index& index = direct();
  must(index.latest(world_.soon()));
  calm_made_up(index);
  calm_bucket(index);
  while (must(index.maintain(4, world_.soon())) > 0) {
  }
  const std::vector<std::string> damaged = must(index.check_files(world_.soon()));
  EXPECT_TRUE(damaged.empty()) << damaged.front();
  world_.clock.advance(std::chrono::hours(60));
  must(index.collect({}, world_.soon()));
  world_.clock.advance(std::chrono::hours(60));
  must(index.collect({}, world_.soon()));
  CollectOptions look;
  look.dry_run = true;
  const CollectReport left = must(index.collect(look, world_.soon()));
  EXPECT_EQ(left.removed, 0U) << "what nobody names is left";
  EXPECT_EQ(left.young + left.foreign, 0U);
}

void Play::calm_made_up(Index& index) {
  must(commit(index, keys_, world_.soon()));
  const State& state = *checker_->state(checker_->newest());
  for (const auto& [key, version] : made_up_) {
    const auto live = state.find(key);
    ASSERT_EQ(live != state.end(), version.has_value()) << "after quiet and one sync: " << key.key;
    if (version) {
      EXPECT_EQ(live->second.row.tag, str_cat("v", *version));
    }
  }
}

// I6, I8: one sync brings index and bucket together (and an approval lets go what is many), and
// the same bytes again are not paid for.
void Play::calm_bucket(Index& index) {
  std::optional<std::uint64_t> approved;
  SyncReport report = must(sync_bucket(*this, director(), index, nullptr, {}), "quiet sync");
  EXPECT_EQ(report.indexed, report.listed) << "I12: after quiet all that is there is indexed";
  EXPECT_EQ(report.unproven, 0U);
  if (report.withheld > 0) {
    ++counts_.withheld;
    report = must(sync_bucket(*this, director(), index, nullptr, report.withheld), "approved");
    EXPECT_EQ(report.withheld, 0U);
  }
  std::map<std::string, std::string> live;
  for (const auto& [key, seen] : *checker_->state(checker_->newest())) {
    if (key.source == kBucketSource) live[key.key] = seen.row.tag;
  }
  EXPECT_EQ(live, bucket_.tags()) << "I6: after quiet and one sync";
  expect_vectors_of_models(index);
  DriftOptions drift;
  drift.source_uri = source_uri(kBucketSource);
  drift.scratch_folder = std::filesystem::temp_directory_path().string();
  drift.full = true;
  const DriftReport found = must(find_drift(index, bucket_.store(), drift, world_.soon()), "drift");
  EXPECT_TRUE(found.clean()) << "I6: " << found.items.front().key << found.items.front().detail;
  // The first time for what was lost with the memory of a run that ended early: these have no disk
  // to keep it on (CacheKill.* and the tests of kills have one).
  rewrite_bucket(index);
  const std::uint64_t paid = models_.texts;
  rewrite_bucket(index);
  EXPECT_EQ(models_.texts, paid) << "I8: the same bytes were paid for again";
}

void Play::rewrite_bucket(Index& index) {
  const std::map<std::string, std::string> live = bucket_.tags();
  for (std::uint32_t key = 1; key <= kBucketKeys; ++key) {
    if (live.contains(Bucket::key(key))) bucket_.change(key, Change::kSame);
  }
  world_.clock.advance(std::chrono::minutes(1));
  must(sync_bucket(*this, director(), index, nullptr, {}), "same bytes");
}

void Play::expect_vectors_of_models(Index& index) {
  const SnapshotPtr snapshot = must(index.latest(world_.soon()));
  const std::unique_ptr<ObjectCursor> cursor = index.scan(snapshot, kBucketSource, "");
  while (const auto object = must(cursor->next(world_.soon()), "scan")) {
    const auto chunks = must(index.chunks(snapshot, *object, world_.soon()), "chunks");
    const auto vectors = must(index.vectors(snapshot, *object, world_.soon()), "vectors");
    const std::size_t dimension = world_.options.dimension;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const auto given = models_.given.find(chunks[i].input_hash);
      ASSERT_NE(given, models_.given.end()) << "a vector that no model gave: " << object->row.key;
      std::vector<std::uint16_t> halves(dimension);
      kernels().f32_to_f16(vectors.data() + i * dimension, halves.data(), dimension);
      EXPECT_EQ(halves, given->second) << "the vector of another text: " << object->row.key;
    }
  }
}

}  // namespace kedge::sim
