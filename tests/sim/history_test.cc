// The checker of histories on histories that are known to be good, and on one bad one of each kind.
#include "tests/sim/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/testing.h"

namespace kedge::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const ObjectKey kKey{1, "k"};
const ObjectKey kOther{1, "l"};

class HistoryTest : public testing::Test {
 protected:
  void put(std::int64_t second, std::uint64_t begin, std::optional<std::uint64_t> end) {
    history_.wrote(kKey, at_second(second), false, begin, end);
  }
  void remove(std::int64_t second, std::uint64_t begin, std::optional<std::uint64_t> end) {
    history_.wrote(kKey, at_second(second), true, begin, end);
  }
  void read(std::int64_t second, std::uint64_t begin, std::uint64_t end) {
    history_.read(kKey, at_second(second), begin, end);
  }
  void read_nothing(std::uint64_t begin, std::uint64_t end) {
    history_.read(kKey, std::nullopt, begin, end);
  }

  History history_;
};

TEST_F(HistoryTest, OneAfterTheOther) {
  read_nothing(1, 2);
  put(100, 3, 4);
  read(100, 5, 6);
  put(200, 7, 8);
  read(200, 9, 10);
  remove(300, 11, 12);
  read_nothing(13, 14);
  put(400, 15, 16);
  read(400, 17, 18);
  EXPECT_THAT(history_.violations(), IsEmpty());
  EXPECT_EQ(history_.reads(), 5U);
}

// Whoever commits last, the version that was read later stays.
TEST_F(HistoryTest, AnOlderVersionThatIsWrittenLaterHasNoEffect) {
  put(200, 1, 2);
  put(100, 3, 4);
  read(200, 5, 6);
  remove(150, 7, 8);
  read(200, 9, 10);
  EXPECT_THAT(history_.violations(), IsEmpty());
}

TEST_F(HistoryTest, WhatIsUnderWayMayBeSeenOrNot) {
  put(100, 1, 2);
  put(200, 3, 10);
  read(100, 4, 5);
  read(200, 6, 7);
  EXPECT_THAT(history_.violations(), IsEmpty());
}

TEST_F(HistoryTest, WhatIsInDoubtMayBeSeenAtAnyTimeOrNever) {
  put(100, 1, 2);
  put(200, 3, std::nullopt);
  remove(300, 4, std::nullopt);
  read(100, 20, 21);
  read(200, 30, 31);
  read_nothing(40, 41);
  EXPECT_THAT(history_.violations(), IsEmpty());
}

TEST_F(HistoryTest, VersionsTooCloseToTellHaveNoOrder) {
  put(100, 1, 2);
  put(101, 3, 4);
  read(100, 5, 6);
  EXPECT_THAT(history_.violations(), IsEmpty());
}

TEST_F(HistoryTest, ALostWriteIsSeen) {
  put(100, 1, 2);
  put(200, 3, 4);
  read(100, 5, 6);
  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("older than what was written")));
}

TEST_F(HistoryTest, AReadThatGoesBackIsSeen) {
  put(100, 1, 2);
  put(200, 3, 20);
  read(200, 4, 5);
  read(100, 6, 7);
  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("read from 6 to 7: older")));
}

TEST_F(HistoryTest, WhatNobodyWroteIsSeen) {
  put(100, 1, 2);
  read(150, 3, 4);
  put(300, 8, 9);
  read(300, 5, 6);
  history_.wrote(kOther, at_second(150), false, 1, 2);
  EXPECT_THAT(history_.violations(),
              ElementsAre(HasSubstr("read from 3 to 4: a version that nobody"),
                          HasSubstr("read from 5 to 6: a version that nobody")));
}

TEST_F(HistoryTest, AFalseDeleteIsSeen) {
  remove(50, 1, 2);
  put(100, 3, 4);
  read_nothing(5, 6);
  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("no absence is new enough")));
}

TEST_F(HistoryTest, WhatComesBackAfterItsDeleteIsSeen) {
  put(100, 1, 2);
  remove(200, 3, 4);
  read(100, 5, 6);
  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("older than what was written")));
}

TEST_F(HistoryTest, ADeleteThatWasReadDoesNotGoAwayAgain) {
  put(100, 1, 2);
  remove(200, 3, std::nullopt);
  read_nothing(5, 6);
  read(100, 7, 8);
  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("read from 7 to 8: older")));
}

}  // namespace
}  // namespace kedge::sim
