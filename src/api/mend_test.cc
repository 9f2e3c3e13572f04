// Damaged files of an index under a sound head, end to end: found by name, let go, and built anew
// from the source and the embedding cache.
#include <set>

#include "api/folder_testing.h"
#include "base/strings.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

class MendTest : public test::FolderTest {
 protected:
  void SetUp() override {
    for (int i = 0; i < 12; ++i)
      write(str_cat("old", i, ".txt"), str_cat("Rope of ", i, " metres"));
    ASSERT_TRUE(sync());
    old_ = segments();
    ASSERT_EQ(old_.size(), 1U);
    write("late.txt", "Fenders protect the hull.\n");
    ASSERT_TRUE(sync());
    ASSERT_EQ(segments().size(), 2U);
  }

  bool sync() {
    settle();
    SyncRequest request;
    request.sources = {docs()};
    const auto done = open()->sync(request);
    EXPECT_TRUE(done.ok()) << done.error().message;
    return done.ok();
  }
  VerifyResult verify(const VerifyRequest& request) {
    const auto result = open()->verify(request);
    EXPECT_TRUE(result.ok()) << result.error().message;
    return result.ok() ? *result : VerifyResult{};
  }
  VerifyResult repair(bool drop_lost = false) {
    VerifyRequest request;
    request.repair = true;
    request.drop_lost = drop_lost;
    return verify(request);
  }

  // A whole check names the first segment, and nothing else.
  VerifyResult expect_told() {
    VerifyRequest look;
    look.full = true;
    const VerifyResult seen = verify(look);
    EXPECT_FALSE(seen.clean());
    EXPECT_EQ(seen.damaged_files.size(), 1U);
    for (const std::string& told : seen.damaged_files)
      EXPECT_NE(told.find(old_.begin()->filename().string()), std::string::npos) << told;
    return seen;
  }

  [[nodiscard]] std::set<fs::path> segments() const {
    std::set<fs::path> out;
    for (const auto& entry : fs::recursive_directory_iterator(root_ / "docs/.kedge/seg")) {
      if (entry.is_regular_file()) out.insert(entry.path());
    }
    return out;
  }
  // Everything between its ends.
  static void garble(const fs::path& path) {
    const auto size = static_cast<std::streamoff>(fs::file_size(path));
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(64);
    file << std::string(static_cast<std::size_t>(size - 64 - 400), 'x');
  }
  static void cut(const fs::path& path) { fs::resize_file(path, fs::file_size(path) - 1); }

  [[nodiscard]] std::set<std::string> found(const std::string& text, bool partial) {
    SearchQuery query;
    query.text = text;
    query.options.allow_partial = partial;
    query.options.k = 20;
    const auto response = open()->search(query);
    EXPECT_TRUE(response.ok()) << response.error().message;
    std::set<std::string> out;
    if (!response.ok()) return out;
    for (const SearchHit& hit : response->hits) out.insert(hit.reference.key);
    return out;
  }

  std::set<fs::path> old_;
};

TEST_F(MendTest, ADamagedSegmentIsBuiltAnewWithoutTheModel) {
  garble(*old_.begin());
  EXPECT_TRUE(found("fenders", true).contains("late.txt"));
  const VerifyResult seen = expect_told();
  const std::string name = old_.begin()->filename().string();
  EXPECT_NE(seen.sources.at(0).error, "") << "rows cannot be compared, which is said";

  const VerifyResult mended = repair();
  EXPECT_TRUE(mended.clean());
  EXPECT_EQ(mended.mended_files.size(), 1U);
  ASSERT_EQ(mended.segments_let_go.size(), 1U);
  EXPECT_NE(mended.segments_let_go[0].find(name), std::string::npos);
  EXPECT_EQ(mended.objects_let_go, 12U);
  EXPECT_EQ(mended.objects_back, 12U);
  EXPECT_TRUE(mended.not_rebuilt.empty());
  ASSERT_EQ(mended.repaired.size(), 1U);
  EXPECT_EQ(mended.repaired[0].added, 12U);
  EXPECT_EQ(mended.repaired[0].chunks_embedded, 0U);
  EXPECT_EQ(mended.repaired[0].chunks_from_cache, 12U);
  EXPECT_EQ(found("rope", false).size(), 13U);

  const VerifyResult again = repair();
  EXPECT_TRUE(again.clean());
  EXPECT_TRUE(again.segments_let_go.empty());
  EXPECT_TRUE(again.repaired.empty());
}

// A rollback needs the files of the old generation, sound ones too: a repair deletes nothing.
TEST_F(MendTest, NeitherCacheNorOpeningFileIsNeeded) {
  const std::size_t before = segments().size();
  cut(*old_.begin());
  fs::remove_all(root_ / "docs/.kedge/cache");
  fs::create_directories(root_ / "docs/.kedge/opening");
  std::ofstream(root_ / "docs/.kedge/opening/blocks", std::ios::binary) << "nothing";
  const VerifyResult mended = repair();
  EXPECT_TRUE(mended.clean());
  ASSERT_EQ(mended.repaired.size(), 1U);
  EXPECT_EQ(mended.repaired[0].chunks_embedded, 12U);
  EXPECT_EQ(found("rope", false).size(), 13U);
  EXPECT_EQ(segments().size(), before + 1);
}

// Back to a generation that names the damaged segment: its damage is told again, and mended again.
TEST_F(MendTest, ARollbackBehindARepairBringsTheDamageBackByName) {
  const std::uint64_t before = open()->status(StatusRequest{})->generation;
  garble(*old_.begin());
  ASSERT_TRUE(repair().clean());
  ASSERT_TRUE(open()->rollback(before).ok());
  EXPECT_TRUE(found("fenders", true).contains("late.txt"));
  expect_told();
  const VerifyResult mended = repair();
  EXPECT_TRUE(mended.clean());
  EXPECT_EQ(mended.objects_back, 12U);
  ASSERT_EQ(mended.repaired.size(), 1U);
  EXPECT_EQ(mended.repaired[0].chunks_embedded, 0U);
  EXPECT_EQ(found("rope", false).size(), 13U);
}

// A folder that is not mounted looks like this.
TEST_F(MendTest, ASourceThatListsNothingKeepsItsRows) {
  cut(*old_.begin());
  fs::create_directories(root_ / "away");
  for (const auto& entry : fs::directory_iterator(root_ / "docs")) {
    if (entry.is_regular_file()) fs::rename(entry.path(), root_ / "away" / entry.path().filename());
  }
  const VerifyResult kept = repair();
  EXPECT_FALSE(kept.clean());
  EXPECT_TRUE(kept.segments_let_go.empty());
  EXPECT_EQ(kept.damaged_files.size(), 1U);
  ASSERT_EQ(kept.not_rebuilt.size(), 1U);
  EXPECT_FALSE(kept.not_rebuilt[0].let_go);
  EXPECT_NE(kept.not_rebuilt[0].reason.find("lists nothing"), std::string::npos)
      << kept.not_rebuilt[0].reason;
  for (const auto& entry : fs::directory_iterator(root_ / "away"))
    fs::rename(entry.path(), root_ / "docs" / entry.path().filename());
  EXPECT_TRUE(repair().clean());
}

// Nothing but the index has them: they are named, and go only where that is asked for.
TEST_F(MendTest, ImportedVectorsAreKeptUntilTheyAreGivenUp) {
  const fs::path lines = root_ / "records.jsonl";
  std::ofstream(lines) << R"({"id": "a", "vector": [1, 0, 0]})"
                       << "\n"
                       << R"({"id": "b", "vector": [0, 1, 0]})"
                       << "\n";
  const std::set<fs::path> before = segments();
  ImportRequest request;
  request.file = lines.string();
  request.compact = false;
  ASSERT_TRUE(open()->import_vectors(request).ok());
  for (const fs::path& path : segments()) {
    if (!before.contains(path)) cut(path);
  }
  cut(*old_.begin());

  const VerifyResult kept = repair();
  EXPECT_FALSE(kept.clean());
  EXPECT_EQ(kept.segments_let_go.size(), 1U) << "that of the documents";
  EXPECT_EQ(kept.objects_back, 12U);
  EXPECT_EQ(kept.damaged_files.size(), 1U);
  ASSERT_EQ(kept.not_rebuilt.size(), 1U);
  EXPECT_FALSE(kept.not_rebuilt[0].let_go);
  EXPECT_EQ(kept.not_rebuilt[0].objects, 2U);
  EXPECT_EQ(kept.not_rebuilt[0].keys, (std::vector<std::string>{"a", "b"}));

  const VerifyResult gone = repair(true);
  EXPECT_FALSE(gone.clean()) << "something was lost";
  EXPECT_TRUE(gone.damaged_files.empty());
  ASSERT_EQ(gone.not_rebuilt.size(), 1U);
  EXPECT_TRUE(gone.not_rebuilt[0].let_go);
  EXPECT_EQ(gone.not_rebuilt[0].keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(repair().clean());
}

}  // namespace
}  // namespace kedge
