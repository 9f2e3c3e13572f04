// The embedding cache on a store that fails, beside other writers and after kills. Whatever
// happens: no look-up gives a wrong vector, and nothing is lost that was reported as durable, by
// add() where there is a spill, by flush() where there is none.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <thread>

#include "embed/testing.h"
#include "store/fault_store.h"
#include "store/file_store.h"
#include "store/hook_store.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

using test::batch_of;
using test::CacheProcess;

constexpr std::uint32_t kDimension = 3;
constexpr std::uint32_t kPackRows = 4;

EmbeddingCacheOptions options_with(const std::string& spill_folder) {
  EmbeddingCacheOptions options;
  options.prefix = "cache/";
  options.pack_rows = kPackRows;
  options.spill_folder = spill_folder;
  return options;
}

test::Batch batch_of_numbers(const std::set<std::uint64_t>& numbers) {
  test::Batch batch;
  for (const std::uint64_t number : numbers) {
    batch.numbers.push_back(number);
    batch.hashes.push_back(test::hash_of(number));
    batch.vectors.push_back(test::vector_of(number, kDimension));
  }
  return batch;
}

// A process whose promises are written down.
struct Promising {
  Promising(ObjectStore& store, const std::string& spill_folder, std::uint64_t seed,
            std::set<std::uint64_t>& promised)
      : durable(promised),
        spill(!spill_folder.empty()),
        process(store, options_with(spill_folder), seed, test::cache_space(kDimension)) {}

  bool open() { return process.open().ok(); }
  void add(std::uint64_t first, std::size_t count) {
    const test::Batch batch = batch_of(first, count, kDimension);
    if (!process.add(batch).ok()) return;
    held.insert(batch.numbers.begin(), batch.numbers.end());
    // What add() has packed is promised by nobody, but is on the store.
    if (spill) durable.insert(batch.numbers.begin(), batch.numbers.end());
  }
  void flush() {
    if (process.flush().ok()) durable.insert(held.begin(), held.end());
  }
  // A look-up that succeeds finds what this process put, and what others had made durable when it
  // began: `alone` says that none of them lives, so that none keeps a spill to itself.
  void find(bool alone = true) {
    std::set<std::uint64_t> expected = held;
    if (alone) expected.insert(durable_at_open.begin(), durable_at_open.end());
    const auto found = process.find(batch_of_numbers(expected));
    if (!found.ok()) return;
    EXPECT_EQ(*found, expected.size());
  }
  void collect() { (void)process.cache->collect(process.soon()); }

  std::set<std::uint64_t>& durable;
  const std::set<std::uint64_t> durable_at_open = durable;
  std::set<std::uint64_t> held;  // put by this process
  bool spill;
  CacheProcess process;
};

class CacheFaultTest : public testing::TestWithParam<bool> {
 protected:
  // A store of seven packs and a few vectors, as fault-free processes left it: the next pack makes
  // a merge due.
  struct World {
    ManualClock clock;
    MemoryStore memory{clock};
    FaultStore store{memory, clock};
    test::ScratchFolder folder;
    std::string spill_folder;
    std::set<std::uint64_t> durable;
  };
  std::unique_ptr<World> make_world() {
    auto world = std::make_unique<World>();
    if (GetParam()) world->spill_folder = world->folder.path();
    Promising process(world->memory, world->spill_folder, 1, world->durable);
    EXPECT_TRUE(process.open());
    for (std::uint64_t p = 0; p + 1 < kPackFanIn; ++p) process.add(p * 10, kPackRows);
    process.flush();
    EXPECT_EQ(process.process.cache->stats().packs, kPackFanIn - 1);
    EXPECT_EQ(world->durable.size(), (kPackFanIn - 1) * kPackRows);
    return world;
  }

  // What a process does: packs by size and by flush, a merge, look-ups, a collection a day later.
  static void work(World& world) {
    Promising process(world.store, world.spill_folder, 2, world.durable);
    if (!process.open() && !process.open()) return;
    process.find();
    process.add(100, 3);
    process.add(103, 3);
    process.find();
    process.add(200, 2);
    process.flush();
    process.find();
    world.clock.advance(std::chrono::hours(25));
    process.collect();
    process.find();
    process.add(300, 3);
    process.add(2, 4);  // two of them are in a pack already
    process.flush();
    process.find();
    process.add(400, 2);
    process.find();
  }

  static void expect_all(World& world, const std::string& when) {
    Promising process(world.memory, world.spill_folder, 9, world.durable);
    ASSERT_TRUE(process.open()) << when;
    const auto found = process.process.find(batch_of_numbers(world.durable));
    ASSERT_TRUE(found.ok()) << when << ": " << found.error().message;
    ASSERT_EQ(*found, world.durable.size()) << when;
  }

  // Everything promised is there now, and after another process has worked, merged and collected.
  static void check(World& world) {
    world.store.restart();
    world.store.heal();
    expect_all(world, "after the fault");
    world.clock.advance(std::chrono::minutes(5));
    {
      Promising next(world.memory, world.spill_folder, 3, world.durable);
      ASSERT_TRUE(next.open());
      next.add(500, 3);
      next.flush();
      ASSERT_TRUE(world.durable.contains(502)) << "a store that works again takes packs";
    }
    world.store.land_all();
    expect_all(world, "after late effects");
    for (int day = 0; day < 3; ++day) {
      world.clock.advance(std::chrono::hours(25));
      Promising collector(world.memory, "", 4, world.durable);
      ASSERT_TRUE(collector.open());
      collector.collect();
    }
    expect_all(world, "after collections");
  }
};

struct FaultCase {
  Fault fault;
  bool crash;  // and every later call fails until the process is gone
  FaultDetail detail;
};

TEST_P(CacheFaultTest, AFaultAtAnyCallLosesNothingThatWasPromised) {
  const FaultCase cases[] = {
      {Fault::kBefore, false, {}}, {Fault::kAfter, false, {}},
      {Fault::kTwice, false, {}},  {Fault::kTorn, false, {}},
      {Fault::kBefore, true, {}},  {Fault::kAfter, true, {}},
      {Fault::kTorn, true, {}},    {Fault::kLate, false, {.late_calls = 3}},
      {Fault::kLate, false, {}},   {Fault::kEcho, false, {.late_calls = 4}},
      {Fault::kEcho, false, {}},   {Fault::kBefore, false, {.code = Code::kDenied}}};
  auto sound = make_world();
  work(*sound);
  const std::uint64_t calls = sound->store.calls();
  EXPECT_GT(calls, 30U);
  for (std::size_t c = 0; c < std::size(cases); ++c) {
    for (std::uint64_t n = 1; n <= calls; ++n) {
      SCOPED_TRACE(
          str_cat("case ", c, ", fault ", static_cast<int>(cases[c].fault), " at call ", n));
      auto world = make_world();
      if (cases[c].crash) {
        world->store.crash_at(n, cases[c].fault, cases[c].detail);
      } else {
        world->store.add({.fault = cases[c].fault, .skip = n - 1, .detail = cases[c].detail});
      }
      work(*world);
      check(*world);
      if (HasFailure()) return;
    }
  }
}

// Faults of every kind at random, two processes at a time, kills and collections in between.
TEST_P(CacheFaultTest, RandomFaultsLoseNothingThatWasPromised) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(str_cat("seed ", seed));
    auto world = make_world();
    SeededRandom random(seed);
    SeededRandom fault_random(seed + 1000);
    FaultRates rates;
    rates.before = rates.after = rates.late = rates.twice = rates.echo = rates.torn = 0.03;
    world->store.set_rates(rates, fault_random);
    std::unique_ptr<Promising> processes[2];
    for (int step = 0; step < 120; ++step) {
      auto& process = processes[random.below(2)];
      if (process == nullptr) {
        process = std::make_unique<Promising>(world->store, world->spill_folder, random.next(),
                                              world->durable);
        if (!process->open()) process.reset();
        continue;
      }
      switch (random.below(12)) {
        case 0:
          process.reset();
          break;
        case 1:
          world->clock.advance(std::chrono::hours(random.below(30)));
          process->collect();
          break;
        case 2:
        case 3:
          process->flush();
          break;
        case 4:
        case 5:
        case 6:
          process->find(false);
          break;
        default:
          process->add(random.below(300), 1 + random.below(6));
      }
      if (HasFailure()) return;
    }
    for (auto& process : processes) process.reset();
    check(*world);
    if (HasFailure()) return;
  }
}

// At each call of one writer another one does all its work: packs, merges, a collection.
TEST_P(CacheFaultTest, AnotherWriterInAnyMomentLosesNothing) {
  for (const Moment moment : {Moment::kBefore, Moment::kAfter}) {
    std::uint64_t calls = 1;  // as the run before had
    for (std::uint64_t n = 1; n <= calls; ++n) {
      SCOPED_TRACE(str_cat("at call ", n, moment == Moment::kBefore ? ", before" : ", after"));
      auto world = make_world();
      std::uint64_t seen = 0;
      HookStore hooked(world->memory, [&](const Call&, Moment now) {
        if (now != moment || ++seen != n) return;
        Promising other(world->memory, world->spill_folder, 7, world->durable);
        ASSERT_TRUE(other.open());
        other.add(1000, 5);
        other.find();
        world->clock.advance(std::chrono::hours(26));
        other.collect();
        other.add(100, 6);  // as the other one, half of them
        other.flush();
        other.find();
        EXPECT_TRUE(world->durable.contains(1004));
      });
      Promising process(hooked, world->spill_folder, 2, world->durable);
      ASSERT_TRUE(process.open());
      process.find();
      process.add(103, 7);
      process.flush();
      process.find();
      process.add(200, 5);
      process.flush();
      // A pack that was put a day before its commit is refused; the next flush puts another.
      process.flush();
      process.find();
      EXPECT_TRUE(world->durable.contains(109));
      EXPECT_TRUE(world->durable.contains(204));
      calls = std::max(calls, seen);
      check(*world);
      if (HasFailure()) return;
    }
    EXPECT_GT(calls, 10U);
    EXPECT_LT(calls, 400U);
  }
}

// Both read the same eight packs to merge them; the second to commit must see that it is done.
TEST_P(CacheFaultTest, TwoMergesOfTheSamePacksAreOne) {
  auto world = make_world();
  Promising other(world->memory, world->spill_folder, 7, world->durable);
  ASSERT_TRUE(other.open());
  std::uint64_t reads = 0;
  HookStore hooked(world->memory, [&](const Call& call, Moment moment) {
    const bool reads_pack =
        call.operation == Operation::kRead && call.keys.at(0).find("/pack/") != std::string::npos;
    if (!reads_pack || moment != Moment::kAfter || ++reads != kPackFanIn) return;
    other.add(200, kPackRows);
    EXPECT_EQ(other.process.cache->stats().packs, 2U);
  });
  Promising process(hooked, world->spill_folder, 2, world->durable);
  ASSERT_TRUE(process.open());
  process.add(100, kPackRows);
  ASSERT_GE(reads, kPackFanIn);
  Promising last(world->memory, world->spill_folder, 3, world->durable);
  ASSERT_TRUE(last.open());
  EXPECT_EQ(last.process.cache->stats().packs, 2U);
  EXPECT_EQ(last.process.cache->stats().entries, (kPackFanIn + 1) * kPackRows);
  check(*world);
}

TEST_P(CacheFaultTest, TwoThreadsOfWritersLoseNothing) {
  auto world = make_world();
  std::set<std::uint64_t> durable[2];
  std::thread threads[2];
  for (std::uint64_t t = 0; t < 2; ++t) {
    threads[t] = std::thread([&, t] {
      Promising process(world->memory, world->spill_folder, 20 + t, durable[t]);
      ASSERT_TRUE(process.open());
      for (std::uint64_t i = 0; i < 60; ++i) {
        process.add(1000 + (i + t * 30) * 3, 5);
        if (i % 7 == 0) process.flush();
        if (i % 5 == 0) process.find();
      }
      process.flush();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& promised : durable) {
    EXPECT_EQ(promised.size(), 59U * 3 + 5);
    world->durable.insert(promised.begin(), promised.end());
  }
  check(*world);
}

INSTANTIATE_TEST_SUITE_P(Spill, CacheFaultTest, testing::Bool(), [](const auto& spill) {
  return spill.param ? std::string("With") : std::string("Without");
});

// ---- kills

constexpr std::size_t kBatchRows = 3;
constexpr std::uint64_t kBatches = 14;

// A kill leaves what was written, synced or not.
std::unique_ptr<ObjectStore> open_store(const std::string& folder, Clock& clock) {
  FileStoreOptions options;
  options.sync = false;
  return open_file_store(folder + "/store", clock, system_random(), inline_executor(), options)
      .value();
}

// Syncs until the kill at the store's call `kill_at`, or after the last batch where there are
// fewer calls. A byte is written to `acknowledged` for each batch that add() took.
[[noreturn]] void sync_and_die(const std::string& folder, std::uint64_t kill_at) {
  ManualClock clock;
  const auto files = open_store(folder, clock);
  std::uint64_t calls = 0;
  HookStore hooked(*files, [&](const Call&, Moment) {
    if (++calls == kill_at) (void)std::raise(SIGKILL);
  });
  const int acknowledged =
      ::open((folder + "/acknowledged").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  CacheProcess process(hooked, options_with(folder + "/spill"), kill_at,
                       test::cache_space(kDimension));
  KEDGE_CHECK(process.open().ok());
  for (std::uint64_t b = 0; b < kBatches; ++b) {
    KEDGE_CHECK(process.add(batch_of(b * kBatchRows, kBatchRows, kDimension)).ok());
    KEDGE_CHECK(::write(acknowledged, "+", 1) == 1);
  }
  (void)std::raise(SIGKILL);
  std::abort();
}

// Each call of the store twice: before and after its effect.
TEST(CacheKill, AKillAtAnyCallCostsAtMostTheBatchInFlight) {
  bool reached_the_end = false;
  for (std::uint64_t kill_at = 1; !reached_the_end; ++kill_at) {
    SCOPED_TRACE(str_cat("killed at call ", kill_at));
    ASSERT_LT(kill_at, 1000U);
    const test::ScratchFolder folder;
    EXPECT_EXIT(sync_and_die(folder.path(), kill_at), testing::KilledBySignal(SIGKILL), "");
    std::error_code none;
    const auto written = std::filesystem::file_size(folder.path() + "/acknowledged", none);
    const std::uint64_t acknowledged = none ? 0 : written;
    ManualClock clock;
    const auto files = open_store(folder.path(), clock);
    CacheProcess next(*files, options_with(folder.path() + "/spill"), 1000,
                      test::cache_space(kDimension));
    const Status opened = next.open();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    const auto promised = next.find(batch_of(0, acknowledged * kBatchRows, kDimension));
    ASSERT_TRUE(promised.ok()) << promised.error().message;
    ASSERT_EQ(*promised, acknowledged * kBatchRows);
    const auto all = next.find(batch_of(0, kBatches * kBatchRows, kDimension));
    ASSERT_TRUE(all.ok());
    ASSERT_LE(*all, (acknowledged + 1) * kBatchRows) << "no more than was put";
    ASSERT_TRUE(next.flush().ok());
    reached_the_end = acknowledged == kBatches;
  }
}

}  // namespace
}  // namespace kedge
