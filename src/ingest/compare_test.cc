#include "ingest/compare.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "ingest/absence.h"

namespace kedge {
namespace {

// DESIGN 5: more than 10 and more than 10 %, or all of a source, is withheld; an approval holds for
// its number only.
TEST(DeleteGuard, WithholdsLargeLossesUnlessTheirNumberIsApproved) {
  const struct {
    std::uint64_t proven;
    std::uint64_t live;
    std::optional<std::uint64_t> approved;
    bool allowed;
  } cases[] = {
      {0, 0, {}, true},    {1, 100, {}, true},   {10, 20, {}, true},    {11, 20, {}, false},
      {11, 110, {}, true}, {12, 110, {}, false}, {100, 1000, {}, true}, {101, 1000, {}, false},
      {3, 3, {}, false},   {1, 1, {}, false},    {11, 20, 11, true},    {12, 20, 11, false},
      {3, 3, 3, true},     {3, 3, 4, false},     {0, 5, 7, true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(deletes_allowed(c.proven, c.live, c.approved), c.allowed)
        << c.proven << " of " << c.live;
  }
}

// What a repair has just let go of is counted as it was before: a small rest of a source is no
// measure of it, neither for what may go nor for what may not.
TEST(DeleteGuard, MeasuresASourceAsItWasBeforeARepair) {
  const struct {
    std::uint64_t proven, live, let_go, gone;
    bool allowed;
  } cases[] = {
      {15, 20, 0, 0, false},   {15, 20, 180, 0, true},    {15, 20, 180, 5, true},
      {15, 20, 180, 6, false}, {15, 20, 180, 180, false}, {3, 3, 97, 0, true},
      {3, 3, 97, 97, false},   {5, 60, 140, 140, false},  {0, 60, 140, 140, true},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(deletes_allowed(c.proven, c.live, {}, c.let_go, c.gone), c.allowed)
        << c.proven << " of " << c.live << ", and " << c.gone << " of " << c.let_go;
  }
}

LiveObject row_of(const ObjectInfo& listed, const Recipe& recipe) {
  LiveObject live;
  live.row.key = listed.key;
  live.row.tag = listed.tag.value;
  live.row.size = listed.size;
  live.row.last_modified = listed.last_modified;
  live.row.recipe = recipe.id();
  return live;
}

TEST(Need, SeesEveryKindOfChange) {
  ObjectInfo listed;
  listed.key = "a";
  listed.tag.value = "t";
  listed.size = 5;
  listed.last_modified = {100};
  Recipe recipe;
  recipe.chunker_version = 1;
  const Timestamp now{1000};
  EXPECT_EQ(need_of(listed, nullptr, recipe, false, now), Need::kNew);
  LiveObject live = row_of(listed, recipe);
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kNothing);
  live.row.tag = "other";
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kChanged);
  live = row_of(listed, recipe);
  live.row.size = 6;
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kChanged);
  live = row_of(listed, recipe);
  live.row.last_modified = {101};
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kChanged);
  live = row_of(listed, recipe);
  live.row.racy = true;
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kRacy);
  Recipe other = recipe;
  other.chunker_version = 2;
  live = row_of(listed, recipe);
  EXPECT_EQ(need_of(listed, &live, other, false, now), Need::kRecipe);
  live.row.status = ObjectStatus::kFailed;
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kNothing) << "no retry was set";
  live.row.retry_after = {1001};
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kNothing) << "too early";
  live.row.retry_after = {1000};
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kRetry);
}

// Rows that were read with tags, where there are to be none, and without, where there are to be
// some; but nothing takes the place of what cannot be read.
TEST(Need, SeesWhetherTagsWereLookedAt) {
  ObjectInfo listed;
  listed.key = "a";
  const Recipe recipe;
  const Timestamp now{1000};
  LiveObject live = row_of(listed, recipe);
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kNothing);
  EXPECT_EQ(need_of(listed, &live, recipe, true, now), Need::kChanged);
  live.row.metadata = {{std::string(kTagsName), "some"}};
  EXPECT_EQ(need_of(listed, &live, recipe, true, now), Need::kNothing);
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kChanged);
  listed.archived = true;
  EXPECT_EQ(need_of(listed, &live, recipe, false, now), Need::kNothing);
  listed.sidecar = "another";
  EXPECT_EQ(need_of(listed, &live, recipe, true, now), Need::kNothing);
  listed.archived = false;
  EXPECT_EQ(need_of(listed, &live, recipe, true, now), Need::kChanged);
}

// The short way out is a proof only if nothing was seen racily, no retry is due and the recipe is
// the same.
TEST(ProvenEqual, NeedsMoreThanEqualSums) {
  SourceListing listing;
  listing.count = 2;
  listing.set_hash = SetHash::of("a", "t", 1, {2});
  listing.set_hash.add(SetHash::of("b", "t", 1, {2}));
  SourceEntry entry;
  // The order of the sum does not matter.
  entry.set_hash = SetHash::of("b", "t", 1, {2});
  entry.set_hash.add(SetHash::of("a", "t", 1, {2}));
  entry.live_objects = 2;
  const Timestamp now{1000};
  EXPECT_TRUE(proven_equal(entry, listing, {}, now));
  SourceEntry bad = entry;
  bad.racy_objects = 1;
  EXPECT_FALSE(proven_equal(bad, listing, {}, now));
  bad = entry;
  bad.earliest_retry = {999};
  EXPECT_FALSE(proven_equal(bad, listing, {}, now));
  bad.earliest_retry = {1001};
  EXPECT_TRUE(proven_equal(bad, listing, {}, now));
  bad = entry;
  bad.recipe.chunker_version = 9;
  EXPECT_FALSE(proven_equal(bad, listing, {}, now));
  bad = entry;
  bad.set_hash.add(SetHash::of("c", "t", 1, {2}));
  EXPECT_FALSE(proven_equal(bad, listing, {}, now));
}

}  // namespace
}  // namespace kedge
