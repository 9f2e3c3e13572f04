// The main job end to end on real folders with the embedder of tests.
#include "api/folder_testing.h"
#include "base/strings.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

class ApiTest : public test::FolderTest {
 protected:
  ApiTest() {
    write("leave.md",
          "# Leave\n\nParental leave lasts twenty weeks and may be split in two parts.\n");
    write("deep/pumps.txt", "The bilge pump is reset with the red lever behind the hatch.\n");
    write("prices.csv", "item,price\nanchor,120\nrope,15\n");
    write("empty.txt", "");
    write("photo.png", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16));
  }

  SyncCounts sync(Client& client, SyncRequest request = {}) {
    settle();
    if (request.sources.empty()) request.sources = {(root_ / "docs").string()};
    auto result = client.sync(request);
    EXPECT_TRUE(result.ok()) << result.error().message;
    if (!result.ok()) return {};
    const SyncCounts& counts = result->sources.at(0);
    EXPECT_EQ(counts.listed,
              counts.indexed + counts.failed + counts.skipped + counts.pending + counts.vanished);
    return counts;
  }

  SearchResponse search(Client& client, const std::string& text) {
    SearchQuery query;
    query.text = text;
    auto found = client.search(query);
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? std::move(found).value() : SearchResponse{};
  }
};

TEST_F(ApiTest, SyncsSearchesAndGetsTheRawBytes) {
  const auto client = open();
  const SyncCounts counts = sync(*client);
  EXPECT_EQ(counts.listed, 5U);
  EXPECT_EQ(counts.skipped, 1U);
  EXPECT_EQ(counts.added, 4U);
  const SearchResponse found = search(*client, "the bilge pump is reset with the red lever");
  ASSERT_FALSE(found.hits.empty());
  const SearchHit& best = found.hits.front();
  EXPECT_EQ(best.reference.key, "deep/pumps.txt");
  EXPECT_EQ(best.proof, Proof::kVerified) << best.proof_detail;
  EXPECT_NE(best.snippet.find("red lever"), std::string::npos);
  EXPECT_FALSE(best.reference.synced_at.empty());
  const auto back = reference_from_json(to_json(best.reference));
  ASSERT_TRUE(back.ok()) << back.error().message;
  const auto got = client->get({{*back, false}, {*back, true}});
  ASSERT_TRUE(got.ok()) << got.error().message;
  for (const GetOutcome& outcome : *got) {
    EXPECT_EQ(outcome.status, GetStatus::kOk) << outcome.detail;
    EXPECT_NE(outcome.bytes.find("red lever"), std::string::npos);
  }
}

// Both forms of a filter, and what is said of one that is wrong.
TEST_F(ApiTest, AFilterLimitsWhatIsSearched) {
  const auto client = open();
  sync(*client);
  SearchQuery query;
  query.text = "the bilge pump is reset with the red lever";
  for (const char* filter : {"key ^= 'deep/'", R"({"key":{"$startsWith":"deep/"}})"}) {
    query.options.filter = filter;
    const auto found = client->search(query);
    ASSERT_TRUE(found.ok()) << found.error().message;
    ASSERT_FALSE(found->hits.empty());
    for (const SearchHit& hit : found->hits) EXPECT_TRUE(hit.reference.key.starts_with("deep/"));
  }
  query.options.filter = "media_type = 'no/such'";
  EXPECT_TRUE(client->search(query)->hits.empty());
  query.options.filter = "year >= ";
  const auto wrong = client->search(query);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.code(), Code::kInvalid);
  EXPECT_NE(wrong.error().message.find("at position 9"), std::string::npos);
}

// Values of every type come back from JSON as they went.
TEST_F(ApiTest, MetadataOfAReferenceGoesThroughJson) {
  Reference reference;
  reference.key = "k";
  reference.metadata = {{"draft", true},
                        {"list", MetadataList{"a", 1.5, false}},
                        {"none", MetadataList{}},
                        {"pages", 7.0},
                        {"team", "core"}};
  const std::string json = to_json(reference);
  EXPECT_NE(json.find(R"("pages":7,)"), std::string::npos) << json;
  const auto back = reference_from_json(json);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->metadata, reference.metadata);
}

TEST_F(ApiTest, DriftIsSeenShownAndHealed) {
  const auto client = open();
  sync(*client);
  write("leave.md", "# Leave\n\nParental leave lasts thirty weeks.\n", 1);
  fs::remove(root_ / "docs/prices.csv");
  write("new.txt", "A brand new note about fenders.\n", 1);
  const SearchResponse stale = search(*client, "parental leave lasts twenty weeks");
  ASSERT_FALSE(stale.hits.empty());
  EXPECT_EQ(stale.hits.front().reference.key, "leave.md");
  EXPECT_EQ(stale.hits.front().proof, Proof::kChanged);
  EXPECT_TRUE(stale.hits.front().snippet.empty()) << "what is not true any more must not be shown";
  const auto reference = client->resolve("leave.md", {});
  ASSERT_TRUE(reference.ok());
  EXPECT_EQ(client->get({{*reference, true}})->front().status, GetStatus::kChanged);
  EXPECT_EQ(client->get({{*client->resolve("prices.csv", {}), true}})->front().status,
            GetStatus::kGone);
  const auto drift = client->verify({});
  ASSERT_TRUE(drift.ok()) << drift.error().message;
  EXPECT_FALSE(drift->clean());
  EXPECT_EQ(drift->sources[0].changed, 1U);
  EXPECT_EQ(drift->sources[0].gone, 1U);
  EXPECT_EQ(drift->sources[0].missing, 1U);
  const SyncCounts healed = sync(*client);
  EXPECT_EQ(healed.changed, 1U);
  EXPECT_EQ(healed.added, 1U);
  EXPECT_EQ(healed.deleted, 1U);
  EXPECT_EQ(healed.objects_read, 2U);
  const auto clean = client->verify({});
  ASSERT_TRUE(clean.ok());
  EXPECT_TRUE(clean->clean());
  EXPECT_TRUE(clean->sources[0].proven_equal);
  EXPECT_EQ(client->resolve("prices.csv", {}).code(), Code::kNotFound);
}

// The promise of the embedding cache and of the set hash: what did not change costs nothing.
TEST_F(ApiTest, UnchangedIsProvenAndTouchedIsNotPaidAgain) {
  {
    const auto client = open();
    sync(*client);
    // The skipped and racy rules settle in one more run: files were written just now (ctime).
    sync(*client);
  }
  const auto client = open();
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "docs")) {
    if (entry.is_regular_file() && entry.path().string().find(".kedge") == std::string::npos) {
      fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(30));
    }
  }
  const SyncCounts touched = sync(*client);
  EXPECT_EQ(touched.rewritten + touched.skipped, 5U);
  EXPECT_EQ(touched.chunks_embedded, 0U);
}

TEST_F(ApiTest, LargeLossesAreWithheldUntilApproved) {
  const auto client = open();
  sync(*client);
  fs::remove_all(root_ / "docs/deep");
  for (const char* name : {"leave.md", "prices.csv", "empty.txt", "photo.png"})
    fs::remove(root_ / "docs" / name);
  const SyncCounts held = sync(*client);
  EXPECT_EQ(held.withheld, 5U);
  EXPECT_EQ(held.deleted, 0U);
  EXPECT_EQ(client->status({})->sources[0].withheld_deletes, 5U);
  SyncRequest wrong;
  wrong.approve_deletes = 4;
  EXPECT_EQ(sync(*client, wrong).withheld, 5U);
  SyncRequest right;
  right.approve_deletes = 5;
  EXPECT_EQ(sync(*client, right).deleted, 5U);
  EXPECT_TRUE(client->verify({})->clean());
}

// A file is an object of its folder: two of one folder are one source, which never overlaps itself,
// and naming a second one takes nothing away.
TEST_F(ApiTest, AFileIsAnObjectOfItsFoldersSource) {
  const auto client = open();
  const auto file = [&](const char* name) { return (root_ / "docs" / name).string(); };
  SyncRequest one;
  one.sources = {file("leave.md")};
  SyncCounts counts = sync(*client, one);
  EXPECT_EQ(counts.listed, 1U);
  EXPECT_EQ(counts.include, std::vector<std::string>{"/leave.md"});
  write(".plan", "The hidden plan of the harbour.\n");
  one.sources = {file(".plan"), file("prices.csv"), file(".plan")};
  counts = sync(*client, one);
  EXPECT_EQ(counts.listed, 3U);
  EXPECT_EQ(counts.added, 2U);
  EXPECT_EQ(counts.deleted + counts.withheld, 0U);
  one.sources = {file("leave.md")};
  EXPECT_EQ(sync(*client, one).listed, 3U) << "a sync is of the whole source";
  EXPECT_EQ(search(*client, "hidden plan").hits.at(0).reference.key, ".plan");
  // The folder keeps its scope until it is told to forget it.
  EXPECT_EQ(sync(*client).listed, 3U);
  SyncRequest all;
  all.include.emplace();
  EXPECT_EQ(sync(*client, all).withheld, 0U);
  const auto refused = [&](std::vector<std::string> sources, const std::string& said,
                           std::optional<std::vector<std::string>> include = {}) {
    SyncRequest request;
    request.sources = std::move(sources);
    request.include = std::move(include);
    const auto result = client->sync(request);
    ASSERT_FALSE(result.ok()) << said;
    EXPECT_EQ(result.code(), Code::kInvalid);
    EXPECT_NE(result.error().message.find(said), std::string::npos) << result.error().message;
  };
  refused({file("leave.md")}, "is synced with it: kedge sync file://");
  refused({file("leave.md"), file("")}, "one of them is enough");
  refused({file("deep/pumps.txt")}, "overlaps");
  refused({file("leave.md")}, "--include chooses", std::vector<std::string>{"*.md"});
  EXPECT_FALSE(client->remove_source(file("leave.md")).ok()) << "more than the file would go";
}

// Its going away is proven like any other, and it was all of the source.
TEST_F(ApiTest, AFileThatIsGoneIsWithheldThenApproved) {
  const auto client = open();
  SyncRequest request;
  request.sources = {(root_ / "docs/leave.md").string()};
  sync(*client, request);
  fs::remove(root_ / "docs/leave.md");
  EXPECT_EQ(client->sync(request).code(), Code::kNotFound) << "the path names nothing now";
  request.sources = {(root_ / "docs").string()};
  EXPECT_EQ(sync(*client, request).withheld, 1U);
  request.approve_deletes = 1;
  EXPECT_EQ(sync(*client, request).deleted, 1U);
}

TEST_F(ApiTest, DryRunWritesNothing) {
  const auto client = open();
  SyncRequest dry;
  dry.dry_run = true;
  const SyncCounts counts = sync(*client, dry);
  EXPECT_EQ(counts.added, 4U);
  EXPECT_GT(counts.tokens, 0U);
  EXPECT_FALSE(fs::exists(root_ / "docs/.kedge/head"));
}

TEST_F(ApiTest, SimilarLeavesOutItselfAndEqualOnes) {
  write("twin.txt", "The bilge pump is reset with the red lever behind the hatch.\n");
  write("pump2.txt", "Another bilge pump is reset with a blue lever.\n");
  const auto client = open();
  sync(*client);
  SimilarQuery query;
  query.like = {"deep/pumps.txt"};
  const auto found = client->similar(query);
  ASSERT_TRUE(found.ok()) << found.error().message;
  ASSERT_FALSE(found->hits.empty());
  EXPECT_EQ(found->hits.front().reference.key, "pump2.txt");
  for (const SearchHit& hit : found->hits) {
    EXPECT_NE(hit.reference.key, "deep/pumps.txt");
    EXPECT_NE(hit.reference.key, "twin.txt");
  }
}

// Rule 10: a head that does not parse is stood in for by history, read-only, until it is repaired.
TEST_F(ApiTest, ABrokenHeadIsSeenAndRepaired) {
  sync(*open());
  write("late.txt", "Fenders protect the hull.\n", 2);
  sync(*open());
  std::ofstream(root_ / "docs/.kedge/head", std::ios::binary) << "not a head";
  const auto client = open();
  const auto seen = client->verify({});
  ASSERT_TRUE(seen.ok()) << seen.error().message;
  EXPECT_TRUE(seen->head_damaged);
  EXPECT_FALSE(seen->head_repaired);
  EXPECT_FALSE(seen->clean());
  write("more.txt", "Knots hold better when they are wet.\n", 2);
  SyncRequest sync_request;
  sync_request.sources = {(root_ / "docs").string()};
  const auto refused = client->sync(sync_request);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.code(), Code::kCorrupt) << refused.error().message;
  VerifyRequest repair;
  repair.repair = true;
  const auto mended = client->verify(repair);
  ASSERT_TRUE(mended.ok()) << mended.error().message;
  EXPECT_TRUE(mended->head_repaired);
  EXPECT_TRUE(mended->clean());
  EXPECT_TRUE(mended->not_recovered.empty());
  EXPECT_TRUE(client->resolve("late.txt", {}).ok());
  EXPECT_TRUE(client->resolve("more.txt", {}).ok());
  EXPECT_FALSE(open()->verify({})->head_damaged);
}

TEST_F(ApiTest, HistoryRollbackPinsDropAndDoctor) {
  const auto client = open();
  sync(*client);
  const std::uint64_t before = client->status({})->generation;
  ASSERT_TRUE(client->add_pin("release", before).ok());
  write("new.txt", "Fenders protect the hull.\n", 1);
  sync(*client);
  ASSERT_TRUE(client->resolve("new.txt", {}).ok());
  const auto rolled = client->rollback(before);
  ASSERT_TRUE(rolled.ok()) << rolled.error().message;
  EXPECT_EQ(client->resolve("new.txt", {}).code(), Code::kNotFound);
  EXPECT_EQ(client->pins()->size(), 1U);
  ASSERT_TRUE(client->remove_pin("release").ok());
  EXPECT_GE(client->history(100)->size(), 4U);
  const auto gc = client->gc({});
  ASSERT_TRUE(gc.ok()) << gc.error().message;
  EXPECT_EQ(gc->removed, 0U) << "all of it is younger than the grace";
  const auto doctor = client->doctor();
  ASSERT_TRUE(doctor.ok());
  for (const Check& check : doctor->checks)
    EXPECT_TRUE(check.ok) << check.name << ": " << check.detail;
  ASSERT_TRUE(client->drop().ok());
  EXPECT_EQ(open()->status({}).code(), Code::kNotFound);
}

}  // namespace
}  // namespace kedge
