// The N-th call loops of the engine: fail, and crash, at every store call of a commit, a merge, a
// collection and a repair, before and after its effect, late and doubled. Whoever comes next finds
// a whole index that answers as looking at everything does.
#include <functional>

#include "engine/testing.h"

namespace kedge {
namespace {

using std::chrono::hours;

struct Failure {
  const char* name;
  Fault fault;
  bool crash;
};
constexpr Failure kFailures[] = {
    {"fails before its effect", Fault::kBefore, false},
    {"fails after its effect", Fault::kAfter, false},
    {"fails, and lands late", Fault::kLate, false},
    {"is doubled", Fault::kTwice, false},
    {"is echoed later", Fault::kEcho, false},
    {"fails in part", Fault::kTorn, false},
    {"is the last, without effect", Fault::kBefore, true},
    {"is the last, with its effect", Fault::kAfter, true},
    {"is the last, and lands late", Fault::kLate, true},
};
// No operation here takes more calls than this.
constexpr std::uint64_t kMaxCalls = 300;

// An index with small segments, dead rows, an absence, and files that nobody names any more.
struct Scene {
  explicit Scene(WorldOptions chosen = options()) : world(std::move(chosen)) {
    index = world.create();
    for (std::uint32_t i = 0; i < 24; ++i) keys.push_back({1 + i % 2, str_cat("k", i)});
    for (std::size_t i = 0; i < 4; ++i) put(6 * i, 6 * i + 6);
    put(2, 5);
    must(index->maintain(1, world.soon()));
    absent(7);
    put(20, 22);
    world.clock.advance(hours(30));
    must(index->latest(world.soon()));
  }
  static WorldOptions options() {
    WorldOptions out;
    out.index.max_small_segments = 64;
    out.index.cache_bytes = 0;
    return out;
  }

  std::vector<Intent> puts(std::size_t first, std::size_t last) {
    std::vector<Intent> out;
    for (std::size_t i = first; i < last; ++i)
      out.emplace_back(PutIntent{world.object(keys[i], str_cat("t", ++tags), now(), 2)});
    return out;
  }
  void put(std::size_t first, std::size_t last) {
    std::vector<Intent> intents = puts(first, last);
    for (const Intent& intent : intents) model.put(std::get<PutIntent>(intent).object);
    must(index->commit(std::move(intents), {}, {}, world.soon()));
  }
  void absent(std::size_t i) {
    const Timestamp proven = now();
    model.absent(keys[i], proven);
    must(index->commit({AbsentIntent{keys[i], proven}}, {}, {}, world.soon()));
  }
  Timestamp now() {
    world.clock.advance(std::chrono::seconds(10));
    return world.clock.now();
  }

  // By a process that starts now, on a store that does not fail.
  void expect_whole(const Model& truth) {
    index = world.open();
    expect_same(world, *index, index->current(), truth, keys);
    const std::vector<std::string> damaged = must(index->check_files(world.soon()));
    EXPECT_TRUE(damaged.empty()) << damaged.front();
  }

  World world;
  std::vector<ObjectKey> keys;
  Model model;
  std::unique_ptr<Index> index;
  std::uint64_t tags = 0;
};

// Runs `act` on a fresh scene with each failure at its n-th call, until there is no n-th call.
void at_every_call(const std::function<void(Scene&)>& act,
                   const std::function<void(Scene&)>& afterwards,
                   const WorldOptions& options = Scene::options()) {
  for (const Failure& failure : kFailures) {
    bool reached = true;
    for (std::uint64_t n = 1; reached; ++n) {
      ASSERT_LT(n, kMaxCalls);
      SCOPED_TRACE(str_cat("call ", n, " ", failure.name));
      Scene scene(options);
      FaultStore& faults = scene.world.faults;
      const std::uint64_t call = faults.calls() + n;
      if (failure.crash) {
        faults.crash_at(call, failure.fault);
      } else {
        FaultRule rule;
        rule.fault = failure.fault;
        rule.skip = n - 1;
        faults.add(rule);
      }
      act(scene);
      reached = faults.calls() >= call;
      faults.restart();
      faults.heal();
      afterwards(scene);
      faults.land_all();
      afterwards(scene);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(EveryCall, OfAMerge) {
  at_every_call(
      [](Scene& scene) {
        const auto merged = scene.index->maintain(8, scene.world.soon());
        if (!merged.ok()) {
          EXPECT_EQ(merged.code(), Code::kUnavailable) << merged.error().message;
        }
      },
      [](Scene& scene) {
        scene.expect_whole(scene.model);
        must(scene.index->maintain(8, scene.world.soon()), "the next merge");
        scene.expect_whole(scene.model);
      });
}

// All rows on one new tree, instead of the one that is there.
TEST(EveryCall, OfARetraining) {
  WorldOptions options = Scene::options();
  options.index.tree_rows = 16;
  options.index.least_tree_rows = 8;
  options.index.list_rows = 4;
  at_every_call(
      [](Scene& scene) {
        const auto done = scene.index->compact(true, scene.world.soon());
        if (!done.ok()) {
          EXPECT_EQ(done.code(), Code::kUnavailable) << done.error().message;
        }
      },
      [](Scene& scene) {
        scene.expect_whole(scene.model);
        must(scene.index->compact(true, scene.world.soon()), "the next one");
        EXPECT_EQ(must(scene.index->latest(scene.world.soon()))->state().trees.size(), 1U);
        scene.expect_whole(scene.model);
      },
      options);
}

TEST(EveryCall, OfACommitOfIntents) {
  std::optional<Result<CommitReport>> result;
  Model after;
  at_every_call(
      [&](Scene& scene) {
        std::vector<Intent> intents = scene.puts(3, 6);
        after = scene.model;
        for (const Intent& intent : intents) after.put(std::get<PutIntent>(intent).object);
        const Timestamp proven = scene.now();
        after.absent(scene.keys[9], proven);
        intents.emplace_back(AbsentIntent{scene.keys[9], proven});
        result = scene.index->commit(std::move(intents), {}, {}, scene.world.soon());
        if (!result->ok()) {
          EXPECT_EQ(result->code(), Code::kUnavailable) << result->error().message;
        }
      },
      [&](Scene& scene) {
        // In doubt it is one of the two, whole.
        const auto index = scene.world.open();
        const auto found = must(index->find(index->current(), std::vector<ObjectKey>{scene.keys[9]},
                                            scene.world.soon()));
        const bool happened = !found.front().has_value();
        if (result->ok()) {
          EXPECT_TRUE(happened);
        }
        scene.expect_whole(happened ? after : scene.model);
      });
}

TEST(EveryCall, OfACollection) {
  at_every_call(
      [](Scene& scene) {
        CollectOptions options;
        options.batch = 2;
        const auto report = scene.index->collect(options, scene.world.soon());
        if (!report.ok()) {
          EXPECT_EQ(report.code(), Code::kUnavailable) << report.error().message;
        }
      },
      [](Scene& scene) {
        scene.expect_whole(scene.model);
        must(scene.index->collect({}, scene.world.soon()), "the next collection");
        scene.expect_whole(scene.model);
      });
}

// Two damaged segments: what is let go is put again, as the next sync does.
TEST(EveryCall, OfMendingFiles) {
  std::vector<Damage> damage;
  at_every_call(
      [&](Scene& scene) {
        const IndexState& state = scene.index->current()->state();
        for (const std::size_t i : {std::size_t{0}, state.segments.size() - 1}) {
          const std::string key = "ix/" + state.segments[i].file_key();
          must(
              scene.world.memory.remove(std::vector<std::string>{key}, scene.world.soon()).front());
        }
        // Looking is not what is tried here.
        const auto looker =
            must(Index::open(scene.world.environment_on(scene.world.memory, scene.world.ids),
                             scene.world.options.index, scene.world.soon()));
        damage = must(looker->find_damage(scene.world.soon()));
        ASSERT_EQ(damage.size(), 2U);
        const auto mended = scene.index->mend(damage, {}, scene.world.soon());
        if (!mended.ok()) {
          EXPECT_EQ(mended.code(), Code::kUnavailable) << mended.error().message;
        }
      },
      [&](Scene& scene) {
        scene.index = scene.world.open();
        must(scene.index->mend(damage, {}, scene.world.soon()), "the next try");
        EXPECT_TRUE(must(scene.index->check_files(scene.world.soon())).empty());
        const auto found =
            must(scene.index->find(scene.index->current(), scene.keys, scene.world.soon()));
        std::vector<Intent> missing;
        for (std::size_t i = 0; i < scene.keys.size(); ++i) {
          const IndexedObject* object = scene.model.find(scene.keys[i]);
          if (!found[i] && object != nullptr) missing.emplace_back(PutIntent{*object});
        }
        if (!missing.empty())
          must(scene.index->commit(std::move(missing), {}, {}, scene.world.soon()));
        scene.expect_whole(scene.model);
      });
}

TEST(EveryCall, OfARepair) {
  at_every_call(
      [](Scene& scene) {
        const PutRequest damage{.key = "ix/head", .body = as_bytes("not a head")};
        ASSERT_TRUE(scene.world.memory.put({&damage, 1}, scene.world.soon()).front().ok());
        const auto report = scene.index->repair(scene.world.soon());
        if (!report.ok()) {
          EXPECT_EQ(report.code(), Code::kUnavailable) << report.error().message;
        }
      },
      [](Scene& scene) {
        const auto again = scene.world.open()->repair(scene.world.soon());
        // Whole already, if the first try had its effect.
        if (!again.ok()) {
          EXPECT_EQ(again.code(), Code::kInvalid) << again.error().message;
        }
        scene.expect_whole(scene.model);
      });
}

}  // namespace
}  // namespace kedge
