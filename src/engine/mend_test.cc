// Damage under a sound head: every kind of file and every plane of one is found by name, let go,
// and what comes back from the sources makes the index what it was.
#include <functional>

#include "engine/segment.h"
#include "engine/testing.h"
#include "engine/tree_testing.h"
#include "format/segment.h"
#include "store/wrapped_store.h"

namespace kedge {
namespace {

constexpr auto at = [](Plane plane) { return static_cast<std::size_t>(plane); };

// Runs something once, just before a head is swapped.
class Interloper final : public WrappedStore {
 public:
  explicit Interloper(ObjectStore& inner) : WrappedStore(inner) {}
  std::function<void()> before_swap;
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override {
    if (const auto act = std::exchange(before_swap, {})) act();
    return inner().swap(key, expected, body, deadline);
  }
};

// Three segments: the oldest has mostly dead objects, named by a del file, and so many live ones
// that its docs plane has pages; the newest is of the second source alone.
struct Scene {
  explicit Scene(std::uint64_t seed = 1) : world(options(seed)) {
    index = world.create();
    for (std::uint32_t i = 0; i < 560; ++i) keys.push_back({1 + i % 2, str_cat("k", 1000 + i)});
    put(0, 560);
    put(0, 520);
    put(558, 560, 2);
    absent(540);
    index = world.open();
    for (const SegmentEntry& entry : index->current()->state().segments) {
      if (!entry.del_file.is_zero()) old = entry;
    }
    KEDGE_CHECK(!old.del_file.is_zero());
  }
  static WorldOptions options(std::uint64_t seed) {
    WorldOptions out;
    out.seed = seed;
    out.index.max_small_segments = 64;
    out.index.cache_bytes = 0;
    return out;
  }

  // Keys [first, last), of one source where it is given.
  void put(std::size_t first, std::size_t last, std::uint32_t source = 0) {
    std::vector<Intent> intents;
    for (std::size_t i = first; i < last; ++i) {
      if (source != 0 && keys[i].source != source) continue;
      IndexedObject made = world.object(keys[i], str_cat("t", ++tags), now(), 1 + i % 2);
      model.put(made);
      intents.emplace_back(PutIntent{std::move(made)});
    }
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

  Bytes body(const std::string& key) {
    return must(read_one(world.memory,
                         {.key = "ix/" + key,
                          .offset = 0,
                          .length = {},
                          .if_match = {},
                          .version_id = {}},
                         world.soon()))
        .body;
  }
  void write(const std::string& key, const Bytes& bytes) {
    const std::string path = "ix/" + key;
    const PutRequest request{.key = path, .body = bytes};
    must(world.memory.put({&request, 1}, world.soon()).front());
  }
  void flip(const std::string& key, std::uint64_t offset) {
    Bytes bytes = body(key);
    bytes.at(offset) ^= std::byte{0x10};
    write(key, bytes);
  }
  void cut(const std::string& key) {
    Bytes bytes = body(key);
    bytes.pop_back();
    write(key, bytes);
  }
  void lose(const std::string& key) {
    must(world.memory.remove(std::vector<std::string>{"ix/" + key}, world.soon()).front());
  }

  // What a sync does: puts whatever the sources have and the index has not.
  void sync() {
    const auto found = must(index->find(index->current(), keys, world.soon()));
    std::vector<Intent> missing;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const IndexedObject* object = model.find(keys[i]);
      if (!found[i] && object != nullptr) missing.emplace_back(PutIntent{*object});
    }
    must(index->commit(std::move(missing), {}, {}, world.soon()));
  }
  void expect_whole() {
    index = world.open();
    expect_same(world, *index, index->current(), model, keys);
    const std::vector<std::string> damaged = must(index->check_files(world.soon()));
    EXPECT_TRUE(damaged.empty()) << damaged.front();
  }
  // Live keys that only the old segment has.
  std::set<ObjectKey> only_old() {
    std::set<ObjectKey> out;
    for (std::size_t i = 520; i < 560; ++i) {
      const bool newer = i >= 558 && keys[i].source == 2;
      if (!newer && i != 540) out.insert(keys[i]);
    }
    return out;
  }

  World world;
  std::vector<ObjectKey> keys;
  Model model;
  std::unique_ptr<Index> index;
  SegmentEntry old;
  std::uint64_t tags = 0;
};

struct Harm {
  const char* name;
  std::function<void(Scene&)> act;
  bool del_file;    // else the segment's own file
  bool keys_known;  // whether what was lost can be named
};

Harm in_plane(const char* name, Plane plane) {
  return {name,
          [plane](Scene& scene) {
            const Extent& extent = scene.old.planes[at(plane)];
            ASSERT_GT(extent.size, 0U);
            scene.flip(scene.old.file_key(), extent.offset + 1);
          },
          false, plane != Plane::kDocs};
}

std::vector<Harm> harms() {
  return {
      in_plane("docs", Plane::kDocs),
      in_plane("text", Plane::kText),
      in_plane("keys", Plane::kKeys),
      in_plane("vectors", Plane::kVectors),
      in_plane("codes", Plane::kCodes),
      in_plane("refine", Plane::kRefine),
      in_plane("attributes", Plane::kAttributes),
      in_plane("directory", Plane::kDirectory),
      {"header", [](Scene& s) { s.flip(s.old.file_key(), 9); }, false, true},
      {"tail", [](Scene& s) { s.flip(s.old.file_key(), s.old.bytes - 300); }, false, true},
      {"cut", [](Scene& s) { s.cut(s.old.file_key()); }, false, true},
      {"lost", [](Scene& s) { s.lose(s.old.file_key()); }, false, false},
      {"del file", [](Scene& s) { s.flip(s.old.del_key(), s.old.del_bytes / 2); }, true, true},
      {"cut del file", [](Scene& s) { s.cut(s.old.del_key()); }, true, true},
      {"lost del file", [](Scene& s) { s.lose(s.old.del_key()); }, true, true},
  };
}

// Dead rows stay dead, counts are those of the rows, and nothing else is touched.
TEST(Mend, WhateverIsDamagedIsFoundLetGoAndComesBack) {
  for (const Harm& harm : harms()) {
    SCOPED_TRACE(harm.name);
    Scene scene;
    const std::set<ObjectKey> lost = scene.only_old();
    harm.act(scene);
    scene.index = scene.world.open();
    const auto looked = scene.index->find_damage(scene.world.soon());
    ASSERT_TRUE(looked.ok()) << looked.error().message;
    const std::vector<Damage>& damage = *looked;
    ASSERT_EQ(damage.size(), 1U);
    const std::string file = harm.del_file ? scene.old.del_key() : scene.old.file_key();
    EXPECT_NE(damage[0].what.find(file), std::string::npos) << damage[0].what;
    EXPECT_EQ(damage[0].segment, scene.old.id);

    const MendReport report = must(scene.index->mend(damage, {}, scene.world.soon()));
    EXPECT_EQ(report.generation, scene.index->current()->generation());
    ASSERT_EQ(report.segments.size(), 1U);
    EXPECT_EQ(report.segments[0].kept, "");
    EXPECT_EQ(report.segments[0].objects, lost.size());
    std::set<ObjectKey> named(report.segments[0].keys.begin(), report.segments[0].keys.end());
    if (harm.keys_known && !harm.del_file) {
      EXPECT_EQ(named, lost);
    }
    if (harm.del_file) {
      EXPECT_TRUE(std::ranges::includes(named, lost));
    }
    std::uint64_t went = 0;
    for (const auto& [source, objects] : report.let_go) went += objects;
    EXPECT_EQ(went, lost.size());
    EXPECT_EQ(scene.index->current()->segment(scene.old.id), nullptr);
    EXPECT_TRUE(must(scene.index->check_files(scene.world.soon())).empty());
    const auto found =
        must(scene.index->find(scene.index->current(), scene.keys, scene.world.soon()));
    for (std::size_t i = 0; i < scene.keys.size(); ++i) {
      const IndexedObject* object = scene.model.find(scene.keys[i]);
      const bool there = object != nullptr && !lost.contains(scene.keys[i]);
      ASSERT_EQ(found[i].has_value(), there) << scene.keys[i].key;
      if (there) {
        ASSERT_EQ(found[i]->row, object->row);
      }
    }
    scene.sync();
    scene.expect_whole();
  }
}

TEST(Mend, ASoundIndexIsLeftAsItIs) {
  Scene scene;
  const auto damage = must(scene.index->find_damage(scene.world.soon()));
  EXPECT_TRUE(damage.empty());
  const MendReport report = must(scene.index->mend(damage, {}, scene.world.soon()));
  EXPECT_EQ(report.generation, 0U);
  EXPECT_TRUE(report.segments.empty());
}

// A source that is counted while rows of it cannot be read would be counted wrongly, so what shares
// one with a segment that stays, stays too.
TEST(Mend, WhatMayHoldRowsOfAHeldSourceStays) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(str_cat("seed ", seed));
    Scene scene(seed);
    scene.put(0, 40, 1);
    const SegmentEntry first = scene.index->current()->state().segments.front();
    scene.put(0, 40, 2);
    const SegmentEntry second = scene.index->current()->state().segments.front();
    scene.cut(first.file_key());
    scene.cut(second.file_key());
    const auto damage = must(scene.index->find_damage(scene.world.soon()));
    ASSERT_EQ(damage.size(), 2U);
    MendOptions options;
    options.held = {{2, "it is away"}};
    const auto mended = must(scene.index->mend(damage, options, scene.world.soon()));
    for (const DamagedSegment& segment : mended.segments)
      EXPECT_EQ(segment.kept, segment.file == second.file_key() ? "it is away" : "");
    EXPECT_FALSE(mended.let_go.contains(2));
    EXPECT_EQ(mended.let_go.at(1), 20U);
    EXPECT_EQ(scene.index->current()->segment(first.id), nullptr);
    EXPECT_NE(scene.index->current()->segment(second.id), nullptr);
    // The rest of source 1 lies in a segment with rows of source 2: both stay.
    scene.sync();
    const SegmentEntry third = scene.index->current()->state().segments.front();
    scene.cut(third.file_key());
    scene.cut(scene.old.file_key());
    const auto more = must(scene.index->find_damage(scene.world.soon()));
    ASSERT_EQ(more.size(), 3U);
    const std::uint64_t before = scene.index->current()->generation();
    const auto kept = must(scene.index->mend(more, options, scene.world.soon()));
    EXPECT_EQ(kept.generation, 0U);
    EXPECT_EQ(scene.index->current()->generation(), before);
    for (const DamagedSegment& segment : kept.segments) EXPECT_EQ(segment.kept, "it is away");
  }
}

TEST(Mend, ACommitInBetweenIsBuiltUpon) {
  Scene scene;
  scene.cut(scene.old.file_key());
  Interloper store(scene.world.memory);
  const auto mender = must(Index::open(scene.world.environment_on(store, scene.world.ids),
                                       scene.world.options.index, scene.world.soon()));
  const auto damage = must(mender->find_damage(scene.world.soon()));
  store.before_swap = [&] { scene.put(0, 30); };
  must(mender->mend(damage, {}, scene.world.soon()));
  EXPECT_FALSE(store.before_swap);
  scene.index = scene.world.open();
  EXPECT_TRUE(must(scene.index->check_files(scene.world.soon())).empty());
  scene.sync();
  scene.expect_whole();
}

TEST(Mend, WhatTheHeadCountsWronglyIsCountedAnew) {
  Scene scene;
  const StateEdit wrong = [](IndexState& state) -> Status {
    state.sources[0].live_objects += 3;
    return {};
  };
  must(scene.index->commit({}, wrong, {}, scene.world.soon()));
  const auto damage = must(scene.index->find_damage(scene.world.soon()));
  ASSERT_EQ(damage.size(), 1U);
  EXPECT_TRUE(damage[0].what.starts_with("head: ")) << damage[0].what;
  must(scene.index->mend(damage, {}, scene.world.soon()));
  scene.expect_whole();
}

// ---- trees

class MendTrees : public Trees {
 protected:
  // A segment of so many rows on a tree, whose file is lost.
  Damage lose_tree(std::size_t rows) {
    put(0, rows);
    must(index_->compact(false, world_.soon()));
    const TreeEntry tree = index_->current()->state().trees.at(0);
    const std::string key = "ix/" + tree.file_key();
    must(world_.counting.remove(std::vector<std::string>{key}, world_.soon()).front());
    index_ = world_.open();
    const std::vector<Damage> damage = must(index_->find_damage(world_.soon()));
    EXPECT_EQ(damage.size(), 1U);
    EXPECT_NE(damage.at(0).what.find(tree.file_key()), std::string::npos) << damage[0].what;
    EXPECT_EQ(known_damage(*index_->current()).size(), 1U);
    return damage.at(0);
  }
  void expect_sound() {
    EXPECT_TRUE(must(index_->check_files(world_.soon())).empty());
    index_ = world_.open();
    EXPECT_TRUE(known_damage(*index_->current()).empty());
  }
};

TEST_F(MendTrees, ALostTreeIsMadeAnewFromItsRows) {
  const Damage damage = lose_tree(1000);
  const MendReport report = must(index_->mend({&damage, 1}, {}, world_.soon()));
  EXPECT_EQ(report.generation, 0U) << "no row went";
  EXPECT_EQ(report.trees, 1U);
  expect_sound();
  EXPECT_EQ(index_->current()->state().trees.size(), 1U);
  EXPECT_GE(recall(*index_, request({}, 0)), 0.92);
}

// Then its newest tree would be named on, with nothing on it.
TEST_F(MendTrees, ATreeThatFewRowsAreLeftOfIsNamedNoMore) {
  const Damage damage = lose_tree(400);
  world_.options.index.least_tree_rows = 2000;
  index_ = world_.open();
  must(index_->mend({&damage, 1}, {}, world_.soon()));
  expect_sound();
  EXPECT_TRUE(index_->current()->state().trees.empty());
}

TEST_F(MendTrees, ATreeGoesWithTheSegmentThatStoodOnIt) {
  lose_tree(400);
  const std::string file = "ix/" + index_->current()->state().segments.at(0).file_key();
  must(world_.counting.remove(std::vector<std::string>{file}, world_.soon()).front());
  const std::vector<Damage> damage = must(index_->find_damage(world_.soon()));
  ASSERT_EQ(damage.size(), 2U);
  const MendReport report = must(index_->mend(damage, {}, world_.soon()));
  EXPECT_EQ(report.trees, 1U);
  EXPECT_EQ(report.let_go.at(1), 400U);
  expect_sound();
  EXPECT_TRUE(index_->current()->state().trees.empty());
}

}  // namespace
}  // namespace kedge
