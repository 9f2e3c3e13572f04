// What it costs that many machines write one index at once, in requests and in simulated time: each
// store call takes as long as one of a bucket, and nobody waits for anybody but by the head.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/testing.h"
#include "store/hook_store.h"
#include "tests/sim/sizes.h"
#include "tests/sim/stage.h"

namespace kedge::sim {
namespace {

struct Size {
  std::size_t writers = 64;
  std::size_t commits = 100;  // of each writer
};

struct Cost {
  std::uint64_t puts = 0;   // requests that a bucket bills as such, also refused ones
  std::uint64_t reads = 0;  // GET and HEAD
  Duration time{0};
  std::uint64_t races = 0;       // lost, by all commits
  std::uint64_t most_races = 0;  // by one
  Duration slowest_commit{0};
  std::vector<Duration> ends;  // one a writer
};

std::int64_t whole(Duration time) { return time / std::chrono::seconds(1); }

// A connection and a processor: calls take time, and those of one parallel loop the time of the
// longest.
class Site final : public Executor {
 public:
  Site(Stage& stage, World& world, ObjectStore& store, std::uint64_t seed)
      : random_(seed * 101 + 3),
        latency_(seed * 103 + 5),
        clock_(stage, world.clock, Duration(0)),
        store_(store, [this](const Call& call, Moment) { wait(half(call)); }),
        world_(world) {}

  Environment environment() { return {store_, clock_, random_, *this, silent_log()}; }
  Random& random() { return random_; }
  ActorClock& clock() { return clock_; }
  std::unique_ptr<Index> open() {
    return must(Index::open(environment(), world_.options.index, Deadline::never()));
  }

  void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) override {
    if (in_loop_) return inline_executor().parallel_for(count, body);
    in_loop_ = true;
    Duration longest{0};
    for (std::size_t i = 0; i < count; ++i) {
      taken_ = Duration(0);
      body(i);
      longest = std::max(longest, taken_);
    }
    in_loop_ = false;
    wait(longest);
  }
  void run_both(const std::function<void()>& first, const std::function<void()>& second) override {
    parallel_for(2, [&](std::size_t i) { i == 0 ? first() : second(); });
  }
  [[nodiscard]] std::size_t width() const override { return 1; }

 private:
  // Before the effect as long as after it.
  Duration half(const Call& call) {
    if (call.operation == Operation::kNow) return Duration(0);
    const std::uint64_t least = is_write(call.operation) ? 15'000 : 7'500;
    Duration longest{0};
    for (std::size_t k = 0; k < std::max<std::size_t>(call.keys.size(), 1); ++k) {
      const auto drawn = static_cast<std::int64_t>(least + latency_.below(least));
      longest = std::max(longest, Duration(drawn));
    }
    return longest;
  }
  void wait(Duration duration) {
    taken_ += duration;
    if (!in_loop_ && duration.count() > 0) clock_.sleep(duration);
  }

  SeededRandom random_;
  SeededRandom latency_;
  ActorClock clock_;
  HookStore store_;
  World& world_;
  bool in_loop_ = false;
  Duration taken_{0};
};

class ManyWriters {
 public:
  ManyWriters(std::uint64_t seed, Size size) : size_(size), world_({.seed = seed, .index = {}}) {
    SeededRandom ids(seed);
    created_ = must(Index::create(world_.environment_on(world_.memory, ids), world_.options.index,
                                  Deadline::never()));
    must(created_->commit({}, world_.registration(), {}, Deadline::never()));
  }

  // Everything is committed by `machines`, each as much as the other.
  Cost run(std::size_t machines) {
    const StoreCounts before = counting_.counts();
    const Duration began = world_.clock.monotonic();
    Cost cost;
    cost.ends.resize(machines);
    {
      Stage stage(world_.clock);
      std::vector<std::unique_ptr<Site>> sites;
      for (std::size_t m = 0; m < machines; ++m) {
        sites.push_back(
            std::make_unique<Site>(stage, world_, counting_, world_.options.seed * 1000 + m));
        stage.add([this, m, machines, &cost, &site = *sites.back()] {
          write(site, m, machines, cost);
          cost.ends[m] = site.clock().monotonic();
        });
      }
      play(stage);
    }
    const StoreCounts spent = counting_.counts() - before;
    for (const Operation operation : {Operation::kPut, Operation::kCreate, Operation::kSwap})
      cost.puts += spent.of(operation).requests;
    for (const Operation operation : {Operation::kRead, Operation::kStat})
      cost.reads += spent.of(operation).requests;
    cost.time = world_.clock.monotonic() - began;
    for (Duration& end : cost.ends) end -= began;
    check();
    return cost;
  }

 private:
  // What happens next, until nothing does any more. Nobody is at a stop but to let time pass.
  void play(Stage& stage) {
    while (true) {
      for (std::size_t actor = 0; actor < stage.actors(); ++actor) {
        if (stage.ready(actor)) stage.release(actor);
      }
      const Duration next = stage.next_waking();
      if (next == Duration::max()) return;
      world_.clock.advance(next - world_.clock.monotonic());
    }
  }

  void write(Site& site, std::size_t machine, std::size_t machines, Cost& cost) {
    const std::unique_ptr<Index> index = site.open();
    for (std::size_t c = 0; c < size_.commits; ++c) {
      for (std::size_t w = machine; w < size_.writers; w += machines) {
        std::vector<Intent> intents;
        intents.push_back(intent({1, str_cat("w", w, "/", c % 10)}));
        if (c % 8 == w % 8) intents.push_back(intent({2, str_cat("shared", c % 3)}));
        const Duration began = site.clock().monotonic();
        const auto report = index->commit(std::move(intents), {}, {}, Deadline::never());
        ASSERT_TRUE(report.ok()) << "writer " << w << ", commit " << c << ": "
                                 << report.error().message;
        cost.most_races = std::max(cost.most_races, report->rebases);
        cost.races += report->rebases;
        cost.slowest_commit = std::max(cost.slowest_commit, site.clock().monotonic() - began);
      }
    }
  }

  Intent intent(const ObjectKey& key) {
    const Timestamp now = world_.clock.now();
    IndexedObject object = world_.object(key, str_cat("v", ++versions_), now, 1);
    model_.put(object);
    return PutIntent{std::move(object)};
  }

  // Of every key the version that was read last.
  void check() {
    const SnapshotPtr snapshot = must(created_->latest(Deadline::never()));
    std::vector<ObjectKey> keys;
    for (std::uint32_t source = 1; source <= 2; ++source) {
      for (const IndexedObject* object : model_.live(source))
        keys.push_back({object->row.source, object->row.key});
    }
    const auto found = must(created_->find(snapshot, keys, Deadline::never()));
    for (std::size_t k = 0; k < keys.size(); ++k) {
      ASSERT_TRUE(found[k]) << keys[k].key;
      EXPECT_EQ(found[k]->row.tag, model_.find(keys[k])->row.tag) << keys[k].key;
    }
    EXPECT_TRUE(must(created_->check_files(Deadline::never())).empty());
  }

  const Size size_;
  World world_;
  CountingStore counting_{world_.memory};
  std::unique_ptr<Index> created_;
  Model model_;
  std::uint64_t versions_ = 0;
};

std::string told(const char* name, const Cost& cost) {
  return str_cat(name, " ", cost.puts, " PUTs, ", cost.reads, " reads, ", whole(cost.time), " s");
}

// What is lost to races is bounded, and so is how long anybody is kept by others. The whole of it
// is 64 writers with 100 commits each: ./dev sim --steps 10000 --gtest_filter='ManyWriters.*'.
TEST(ManyWriters, CostAFewTimesTheRequestsOfOne) {
  Size size;
  size.commits = std::clamp<std::size_t>(sizes().steps / 100, 10, 100);
  const std::uint64_t seed = sizes().first_seed;
  SCOPED_TRACE(str_cat("seed ", seed));
  const Cost serial = ManyWriters(seed, size).run(1);
  const Cost together = ManyWriters(seed, size).run(size.writers);
  const std::size_t commits = size.writers * size.commits;
  const auto [first, last] = std::minmax_element(together.ends.begin(), together.ends.end());
  std::puts(str_cat("note: ", size.writers, " writers, ", size.commits, " commits each: ",
                    told("by one", serial), "; ", told("together", together), ", ",
                    together.puts * 100 / serial.puts, " % of the PUTs; the first ends after ",
                    whole(*first), " s; ", together.races * 100 / commits,
                    " races lost in 100 commits, by one at most ", together.most_races,
                    ", which took at most ", whole(together.slowest_commit), " s")
                .c_str());
  EXPECT_LE(together.puts, 3 * serial.puts);
  EXPECT_LE(together.time, serial.time * 3 / 2);
  EXPECT_LE(*last, *first * 3);
  // A writer's turn comes after as many commits as there are writers, on average.
  const Duration turn = together.time / static_cast<std::int64_t>(size.commits);
  EXPECT_LE(together.slowest_commit, 8 * turn);
}

}  // namespace
}  // namespace kedge::sim
