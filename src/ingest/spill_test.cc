#include "ingest/spill.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"

namespace kedge {
namespace {

class SpillTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("kedge-spill-" + Id128::random(system_random()).hex());
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

ObjectInfo info(std::string key, std::int64_t modified) {
  ObjectInfo out;
  out.key = std::move(key);
  out.tag.value = str_cat("tag of ", out.key, modified);
  out.size = static_cast<std::uint64_t>(modified) * 3;
  out.last_modified = {modified};
  out.racy = modified % 2 == 1;
  return out;
}

// In any order, with duplicates, in far less memory than the whole: every key once, sorted, the
// latest of each.
TEST_F(SpillTest, SortsMoreThanMemoryAndKeepsTheLatestOfDuplicates) {
  for (const std::uint64_t seed : {1ULL, 2ULL, 3ULL}) {
    SCOPED_TRACE(str_cat("seed ", seed));
    SeededRandom random(seed);
    Spill spill(folder_.string(), 20'000);
    std::map<std::string, std::int64_t> expected;
    for (int i = 0; i < 20'000; ++i) {
      std::string key = str_cat("k", random.below(15'000), "/\xff\n");
      const auto modified = static_cast<std::int64_t>(random.below(1'000'000)) + 1;
      auto& latest = expected[key];
      latest = std::max(latest, modified);
      ASSERT_TRUE(spill.add(info(std::move(key), modified)).ok());
    }
    ASSERT_TRUE(spill.seal().ok());
    EXPECT_GT(spill.spilled_bytes(), 0U);
    // Two readers at once, as sync does.
    for (int pass = 0; pass < 2; ++pass) {
      const auto reader = spill.read();
      auto want = expected.begin();
      while (true) {
        auto next = reader->next();
        ASSERT_TRUE(next.ok()) << next.error().message;
        if (!*next) break;
        ASSERT_NE(want, expected.end());
        EXPECT_EQ((*next)->key, want->first);
        const ObjectInfo same = info(want->first, want->second);
        EXPECT_EQ((*next)->tag, same.tag);
        EXPECT_EQ((*next)->size, same.size);
        EXPECT_EQ((*next)->last_modified, same.last_modified);
        EXPECT_EQ((*next)->racy, same.racy);
        ++want;
      }
      EXPECT_EQ(want, expected.end());
    }
  }
}

TEST_F(SpillTest, NothingIsWrittenWhileAllFitsAndNothingIsLeftBehind) {
  {
    Spill small(folder_.string(), 1 << 20);
    ASSERT_TRUE(small.add(info("b", 1)).ok());
    ASSERT_TRUE(small.add(info("a", 1)).ok());
    ASSERT_TRUE(small.seal().ok());
    EXPECT_EQ(small.spilled_bytes(), 0U);
    Spill large(folder_.string(), 100);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(large.add(info(str_cat(i), 1)).ok());
    EXPECT_GT(large.spilled_bytes(), 0U);
    // Unlinked while open: a kill leaves nothing.
    EXPECT_TRUE(std::filesystem::is_empty(folder_));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(SpillTest, AFolderThatIsNotThereIsNamed) {
  Spill spill(folder_.string() + "/none", 10);
  const Status status = spill.add(info("a", 1));
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("none"), std::string::npos);
}

}  // namespace
}  // namespace kedge
