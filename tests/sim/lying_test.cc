// Stores that ignore conditions. Many writers at once on one of them lose each other's commits;
// behind the probe not one of them writes, and readers go on.
#include <gmock/gmock.h>

#include "api/probed_store.h"
#include "engine/testing.h"
#include "store/hook_store.h"
#include "tests/sim/stage.h"

namespace kedge::sim {
namespace {

enum class Lie : std::uint8_t { kCreate, kSwap, kBoth };
constexpr Lie kLies[] = {Lie::kCreate, Lie::kSwap, Lie::kBoth};

// Writes whatever the condition says.
class LyingStore final : public WrappedStore {
 public:
  LyingStore(ObjectStore& inner, Lie lie) : WrappedStore(inner), lie_(lie) {}
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override {
    if (lie_ == Lie::kSwap) return inner().create(key, body, deadline);
    return put_one(inner(), key, body, deadline);
  }
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override {
    if (lie_ == Lie::kCreate) return inner().swap(key, expected, body, deadline);
    return put_one(inner(), key, body, deadline);
  }

 private:
  Lie lie_;
};

// Writers, each a process of its own, that put keys of their own into one index.
class Writers {
 public:
  static constexpr std::uint32_t kWriters = 4;
  static constexpr std::uint32_t kKeys = 5;  // of each writer

  // Four of them, one store call at a time in an order drawn by `seed`; behind the probe if
  // `probed`.
  Writers(std::uint64_t seed, Lie lie, bool probed) : order_(seed), lying_(world_.memory, lie) {
    index_ = world_.create();
    made_ = index_->current()->generation();
    {
      Stage stage(world_.clock);
      for (std::uint32_t writer = 0; writer < kWriters; ++writer)
        stage.add([this, writer, &stage, probed] { write(stage, writer, probed); });
      direct(stage);
    }
  }

  // What was acknowledged and is not live.
  std::uint64_t lost() {
    const SnapshotPtr snapshot = must(index_->latest(world_.soon()));
    std::uint64_t out = 0;
    for (const auto& object : must(index_->find(snapshot, acknowledged_, world_.soon())))
      out += object ? 0 : 1;
    return out;
  }
  std::size_t acknowledged() const { return acknowledged_.size(); }
  std::uint64_t generations() { return must(index_->latest(world_.soon()))->generation() - made_; }
  const std::vector<Error>& refused() const { return refused_; }

 private:
  void write(Stage& stage, std::uint32_t writer, bool probed) {
    SeededRandom random(writer + 1);
    // The probe has threads of its own, and is one step.
    ProbedStore guarded(lying_, "endpoint/bucket", random);
    ObjectStore& reached = probed ? static_cast<ObjectStore&>(guarded) : lying_;
    HookStore store(reached, [&](const Call& call, Moment moment) {
      if (moment == Moment::kBefore) stage.step(call);
    });
    const auto index = must(
        Index::open(world_.environment_on(store, random), world_.options.index, world_.soon()));
    for (std::uint32_t key = 0; key < kKeys; ++key) {
      const ObjectKey name{1, str_cat("writer", writer, "/", key)};
      std::vector<Intent> intents;
      intents.emplace_back(PutIntent{world_.object(name, "v1", world_.clock.now(), 1)});
      const auto report = index->commit(std::move(intents), {}, {}, world_.soon());
      if (report.ok()) acknowledged_.push_back(name);
      if (!report.ok()) refused_.push_back(report.error());
    }
  }

  void direct(Stage& stage) {
    while (true) {
      std::vector<std::size_t> ready;
      bool all_done = true;
      for (std::size_t actor = 0; actor < stage.actors(); ++actor) {
        all_done = all_done && stage.done(actor);
        if (stage.ready(actor)) ready.push_back(actor);
      }
      if (all_done) return;
      world_.clock.advance(std::chrono::milliseconds(10));
      if (!ready.empty()) stage.release(ready[order_.below(ready.size())]);
    }
  }

  World world_;
  SeededRandom order_;
  LyingStore lying_;
  std::unique_ptr<Index> index_;
  std::uint64_t made_ = 0;
  std::vector<ObjectKey> acknowledged_;
  std::vector<Error> refused_;
};

// Why the probe is there: without it such a store loses what it acknowledged.
TEST(LyingStores, LoseCommitsOfManyWriters) {
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) lost += Writers(seed, Lie::kSwap, false).lost();
  EXPECT_GT(lost, 0U);
}

TEST(LyingStores, AreWrittenByNobodyBehindTheProbe) {
  for (const Lie lie : kLies) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE(str_cat("lie ", static_cast<int>(lie), ", seed ", seed));
      Writers writers(seed, lie, true);
      EXPECT_EQ(writers.acknowledged(), 0U);
      EXPECT_EQ(writers.generations(), 0U);
      ASSERT_EQ(writers.refused().size(), Writers::kWriters * Writers::kKeys);
      for (const Error& error : writers.refused()) {
        EXPECT_EQ(error.code, Code::kUnsupported) << error.message;
        const std::string check = lie == Lie::kSwap ? "If-Match" : "create";
        EXPECT_THAT(error.message, testing::HasSubstr(check));
      }
    }
  }
}

}  // namespace
}  // namespace kedge::sim
