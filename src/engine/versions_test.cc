#include "engine/versions.h"

#include <gtest/gtest.h>

namespace kedge {
namespace {

Version version(ObjectStatus status, std::int64_t seconds, const char* tag) {
  Version out;
  out.status = status;
  out.time = {seconds * 1'000'000};
  out.tag = tag;
  return out;
}

// Rule 6 of docs/commit.md: what was true at the source later wins, in whatever order the two are
// committed.
TEST(Versions, OrderIsByTheSourceAndNotByTheCommit) {
  constexpr ObjectStatus kHere = ObjectStatus::kIndexed;
  constexpr ObjectStatus kGone = ObjectStatus::kAbsent;
  const struct {
    const char* why;
    Version early, late;
  } cases[] = {
      {"the same version read again", version(kHere, 10, "a"), version(kHere, 11, "a")},
      {"another version, far apart", version(kHere, 10, "a"), version(kHere, 20, "b")},
      {"proven absent after the read", version(kHere, 10, "a"), version(kGone, 13, "")},
      {"read after it was proven absent", version(kGone, 10, ""), version(kHere, 13, "a")},
      {"an absence proven again", version(kGone, 10, ""), version(kGone, 11, "")},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(newer_of(c.early, c.late), Newer::kFresh) << c.why;
    EXPECT_EQ(newer_of(c.late, c.early), Newer::kOld) << c.why << ", committed in the other order";
  }
}

TEST(Versions, TooCloseToTellIsAskedAndThenDecidedAlikeOnEverySide) {
  const Version a = version(ObjectStatus::kIndexed, 10, "a");
  const Version b = version(ObjectStatus::kIndexed, 12, "b");
  EXPECT_EQ(newer_of(a, b), Newer::kAsk);
  EXPECT_EQ(newer_of(b, a), Newer::kAsk);
  EXPECT_EQ(later_of(a, b), Newer::kFresh);
  EXPECT_EQ(later_of(b, a), Newer::kOld);
  const Version tie = version(ObjectStatus::kIndexed, 10, "b");
  EXPECT_EQ(later_of(a, tie), Newer::kFresh);
  EXPECT_EQ(later_of(tie, a), Newer::kOld);
}

// A bucket's clock shows whole seconds: a sync right after another must still see a delete.
TEST(Versions, AnAbsenceTooCloseToAReadIsAsked) {
  for (const std::int64_t seconds : {8, 10, 12}) {
    const Version read = version(ObjectStatus::kIndexed, 10, "a");
    const Version gone = version(ObjectStatus::kAbsent, seconds, "");
    EXPECT_EQ(newer_of(read, gone), Newer::kAsk) << seconds;
    EXPECT_EQ(newer_of(gone, read), Newer::kAsk) << seconds;
    // Without an answer bytes that were read at that moment were there, on every side.
    EXPECT_EQ(later_of(read, gone), seconds > 10 ? Newer::kFresh : Newer::kOld) << seconds;
    EXPECT_EQ(later_of(gone, read), seconds > 10 ? Newer::kOld : Newer::kFresh) << seconds;
  }
}

}  // namespace
}  // namespace kedge
