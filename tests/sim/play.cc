#include "tests/sim/play.h"

namespace kedge::sim {
namespace {

WorldOptions world_options(std::uint64_t seed) {
  WorldOptions options;
  options.seed = seed;
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
                               .torn = 0.01,
                               .max_late_calls = 200};

}  // namespace

Machine::Machine(Play& play, std::uint64_t seed, bool faults)
    : play_(play),
      random_(seed * 31 + 1),
      faults_random_(seed * 37 + 2),
      clock_(play.stage(), play.world().clock,
             std::chrono::minutes(static_cast<std::int64_t>(seed % 7) * 40 - 120)),
      faults_(play.store(), play.world().clock),
      hooked_(faults_, [&play](const Call& call, Moment moment) { play.on_call(call, moment); },
              {.split_batches = true}),
      retrying_(hooked_, clock_, random_),
      options_(play.index_options()) {
  options_.cache_bytes = 0;  // every read goes to the store
  if (faults) faults_.set_rates(kRates, faults_random_);
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
  }
  return index_.get();
}

bool Machine::restarted() {
  if (!faults_.crashed()) return false;
  index_ = nullptr;
  faults_.restart();
  return true;
}

Play::Play(PlayOptions options)
    : options_(options),
      world_(world_options(options.seed)),
      director_(options.seed * 1009 + 7),
      store_(world_.clock, store_options(options.seed)),
      stage_(world_.clock) {
  for (std::uint32_t i = 0; i < 20; ++i) {
    keys_.push_back({1 + i % world_.options.sources, str_cat("k", i)});
    bucket_[keys_.back()] = std::nullopt;
  }
  SeededRandom ids(options.seed);
  const std::unique_ptr<Index> made =
      must(Index::create(world_.environment_on(store_, ids), world_.options.index, world_.soon()));
  must(made->commit({}, world_.registration(), {}, world_.soon()));
  checker_ = std::make_unique<Checker>(world_, store_, world_.options.index);
  add_machine(false);
}

void Play::on_call(const Call& call, Moment moment) {
  SCOPED_TRACE(str_cat("seed ", options_.seed, ", by actor at ", operation_name(call.operation)));
  if (moment == Moment::kAfter) {
    checker_->look();
    if (call.operation == Operation::kRemove) checker_->check_files_of_retained();
    return;
  }
  const auto fold = [&](std::uint64_t value) { trace_ = (trace_ ^ value) * 1099511628211ULL; };
  fold(static_cast<std::uint64_t>(call.operation));
  for (const std::string& key : call.keys) {
    for (const char c : key) fold(static_cast<unsigned char>(c));
  }
  stage_.step(call);
}

Play::Seen Play::look_at_source(const ObjectKey& key) { return {bucket_[key], world_.clock.now()}; }

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
  using Body = void (*)(Play&, Machine&);
  std::vector<Body> bodies = {write_loop, write_loop,   write_loop, merge_loop,
                              merge_loop, collect_loop, read_loop,  find_loop};
  if (options_.rollbacks) bodies.push_back(steer_loop);
  for (const Body body : bodies) {
    Machine& machine = add_machine(options_.faults);
    stage_.add([this, body, &machine] { body(*this, machine); });
  }
}

void Play::pass_time() {
  const std::uint64_t drawn = director_.below(1000);
  if (drawn < 3) {
    world_.clock.advance(std::chrono::hours(director_.below(5)));
  } else if (drawn < 60) {
    world_.clock.advance(std::chrono::seconds(director_.below(600)));
  } else {
    world_.clock.advance(std::chrono::microseconds(director_.below(200'000)));
  }
}

bool Play::is_frozen(std::size_t actor) {
  const Duration now = world_.clock.monotonic();
  if (stage_.next_call(actor) != nullptr && director_.below(250) == 0)
    frozen_until_[actor] = now + std::chrono::minutes(director_.below(600));
  return frozen_until_[actor] > now;
}

// One actor goes on to its next store call; around it the bucket changes, late effects land,
// machines crash, and time passes.
void Play::turn() {
  pass_time();
  if (director_.below(4) == 0) {
    const ObjectKey& key = keys_[director_.below(keys_.size())];
    director_.below(3) == 0 ? erase(key) : put(key);
  }
  Machine& unlucky = *machines_[1 + director_.below(machines_.size() - 1)];
  if (options_.faults && director_.below(20) == 0) {
    counts_.late_effects += unlucky.faults().land() ? 1 : 0;
    checker_->look();
  }
  if (options_.faults && director_.below(150) == 0) {
    unlucky.faults().crash();
    ++counts_.crashes;
  }
  std::vector<std::size_t> ready;
  for (std::size_t actor = 0; actor < stage_.actors(); ++actor) {
    if (stage_.ready(actor) && !is_frozen(actor)) ready.push_back(actor);
  }
  if (ready.empty()) {
    const Duration waking = stage_.next_waking();
    const Duration most = world_.clock.monotonic() + std::chrono::minutes(10);
    world_.clock.advance(std::min(waking, most) - world_.clock.monotonic());
    return;
  }
  stage_.release(ready[director_.below(ready.size())]);
}

void Play::run() {
  add_actors();
  for (std::uint64_t step = 0; step < options_.steps; ++step) {
    SCOPED_TRACE(str_cat("step ", step));
    turn();
    if (testing::Test::HasFailure()) break;
  }
  over_ = true;
  for (const auto& machine : machines_) machine->faults().heal();
  for (std::size_t actor = 0; actor < stage_.actors(); ++actor) stage_.finish(actor);
  if (!testing::Test::HasFailure()) calm();
  counts_.generations = checker_->newest();
  count_faults();
}

void Play::count_faults() {
  const std::pair<Fault, std::uint64_t PlayCounts::*> counted[] = {
      {Fault::kBefore, &PlayCounts::before},
      {Fault::kAfter, &PlayCounts::after},
      {Fault::kLate, &PlayCounts::late},
      {Fault::kTwice, &PlayCounts::twice},
      {Fault::kEcho, &PlayCounts::echoed}};
  for (const auto& machine : machines_) {
    for (const auto& [fault, value] : counted) counts_.*value += machine->faults().suffered(fault);
  }
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
  must(commit(index, keys_, world_.soon()));
  const State& state = *checker_->state(checker_->newest());
  for (const auto& [key, version] : bucket_) {
    const auto live = state.find(key);
    ASSERT_EQ(live != state.end(), version.has_value()) << "after quiet and one sync: " << key.key;
    if (version) {
      EXPECT_EQ(live->second.row.tag, str_cat("v", *version));
    }
  }
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

}  // namespace kedge::sim
