// Segments on a tree: rounds, recall, appends, equal rows, planes in memory, and trees that are
// lost.
#include <iostream>

#include "engine/segment.h"
#include "engine/tree_testing.h"
#include "format/tree_file.h"

namespace kedge {
namespace {

TEST_F(Trees, ReferencesTakeTwoRoundsOnceOpened) {
  put(0, 2000);
  must(index_->compact(false, world_.soon()));
  const std::unique_ptr<Index> cold = world_.open();
  const SnapshotPtr snapshot = cold->current();
  ASSERT_EQ(snapshot->segments().size(), 1U);
  ASSERT_GE(snapshot->state().trees.at(0).leaves, 40U);
  const SearchResult found = must(cold->search(snapshot, request(vector(), 4), world_.soon()));
  EXPECT_EQ(found.trace.rounds, 2U);
  EXPECT_EQ(found.hits.size(), 10U);
  EXPECT_FALSE(found.exact);
  // What a reference says of its chunk is what was put.
  for (const Hit& hit : found.hits) {
    const IndexedObject* object = model_.find({1, hit.object.row.key});
    ASSERT_NE(object, nullptr);
    EXPECT_EQ(hit.chunk.begin, object->chunks[0].begin);
    EXPECT_EQ(hit.chunk.end, object->chunks[0].end);
  }
  // Lines and hashes lie on text pages. Where every object has one chunk their numbers are known
  // beforehand; else the docs page has to tell: one round more.
  const auto rounds = [&] {
    SearchRequest whole = request(vector(), 4);
    whole.detail = Detail::kChunk;
    const std::unique_ptr<Index> other = world_.open();
    const SearchResult chunks = must(other->search(other->current(), whole, world_.soon()));
    for (const Hit& hit : chunks.hits) {
      const std::vector<ChunkRow>& put = model_.find({1, hit.object.row.key})->chunks;
      EXPECT_EQ(hit.chunk, put[hit.chunk_number]);
    }
    return chunks.trace.rounds;
  };
  EXPECT_EQ(rounds(), 2U);
  IndexedObject two = object(0, vector());
  ChunkRow second = two.chunks[0];
  second.chunk_hash = Id128::random(world_.random);
  two.chunks.push_back(second);
  two.vectors.insert(two.vectors.end(), two.vectors.begin(), two.vectors.end());
  model_.put(two);
  std::vector<Intent> intents;
  intents.emplace_back(PutIntent{std::move(two)});
  must(index_->commit(std::move(intents), {}, {}, world_.soon(), Merging::kNow));
  must(index_->compact(true, world_.soon()));
  EXPECT_EQ(rounds(), 3U);
}

TEST_F(Trees, MoreListsFindMore) {
  put(0, 3000);
  must(index_->compact(false, world_.soon()));
  std::vector<double> got;
  for (const std::uint32_t probes : {1U, 4U, 1000U}) {
    SearchRequest like = request({}, probes);
    like.rerank = 40;
    got.push_back(recall(*index_, like));
  }
  EXPECT_LT(got[0] + 0.05, got[1]);
  EXPECT_GE(got[2], got[1]);
  EXPECT_GE(got[2], 0.999);
}

// What the head says of lists and recall holds for questions like the rows.
TEST_F(Trees, CalibrationHoldsWhatItPromises) {
  put(0, 3000);
  must(index_->compact(false, world_.soon()));
  const TreeEntry& tree = index_->current()->state().trees.at(0);
  ASSERT_FALSE(tree.points.empty());
  EXPECT_LT(tree.points.front().probes, tree.leaves);
  for (const double wanted : {0.8, 0.95, 0.99}) {
    SearchRequest like = request({}, 0);
    like.recall = wanted;
    const double got = recall(*index_, like, 100);
    std::cout << "wanted " << wanted << ", got " << got << "\n";
    EXPECT_GE(got, wanted - 0.03);
  }
}

// A filter makes a search look into more lists, so that it finds as much as without one; where it
// holds of what lies together, too, and asked for far from it.
TEST_F(Trees, RecallUnderAFilterIsTheRecallWithout) {
  std::vector<Intent> intents;
  for (std::size_t i = 0; i < 3000; ++i) {
    const std::size_t centre = world_.random.below(centres_.size());
    IndexedObject made = object(i, near(centre));
    made.row.metadata = {{"centre", static_cast<double>(centre)},
                         {"part", static_cast<double>(world_.random.below(1000)) / 10}};
    model_.put(made);
    intents.emplace_back(PutIntent{std::move(made)});
  }
  must(index_->commit(std::move(intents), {}, {}, world_.soon(), Merging::kLater));
  must(index_->compact(false, world_.soon()));
  const std::unique_ptr<Index> warm = world_.open();
  must(warm->load(warm->current(), UINT64_MAX, world_.soon()));
  for (const char* filter : {"part < 50", "part < 10", "part < 1", "part < 0.1", "centre < 12",
                             "centre = 3", "centre = 3 and part < 10", "part < 0"}) {
    SearchRequest like = request({}, 0);
    like.recall = 0.95;
    like.filter = must(parse_filter(filter));
    const double got = recall(*index_, like, 50);
    std::cout << filter << ": recall " << got << ", in memory " << recall(*warm, like, 50) << "\n";
    EXPECT_GE(got, 0.95) << filter;
    for (int q = 0; q < 10; ++q) {
      like.query = vector();
      like.k = 1 + world_.random.below(60);
      const std::size_t expected = model_.search(like, world_.space()).size();
      for (Index* index : {index_.get(), warm.get()}) {
        const SearchResult found = must(index->search(index->current(), like, world_.soon()));
        EXPECT_EQ(found.hits.size(), expected) << filter << ", k " << like.k;
      }
    }
  }
  // Half of the questions lie where the filter holds of nothing: there few lists are not enough.
  SearchRequest far = request({}, 0);
  far.recall = 0.8;
  far.filter = must(parse_filter("centre < 12"));
  const double got = recall(*index_, far, 100);
  std::cout << "centre < 12, recall 0.8 asked: recall " << got << "\n";
  EXPECT_GE(got, 0.9);
}

TEST_F(Trees, InMemoryAndInRoundsFindTheSame) {
  put(0, 2000);
  must(index_->compact(false, world_.soon()));
  const std::unique_ptr<Index> warm = world_.open();
  const std::uint64_t bytes = must(warm->load(warm->current(), UINT64_MAX, world_.soon()));
  std::uint64_t planes = 0;
  for (const Plane plane : {Plane::kCodes, Plane::kRefine, Plane::kVectors})
    planes += warm->current()->segments()[0]->directory().plane(plane).size;
  EXPECT_EQ(bytes, planes);
  for (int q = 0; q < 20; ++q) {
    SearchRequest ask = request(vector(), 1 + q % 7);
    ask.rerank = q % 2 == 0 ? 40 : 0;
    const SearchResult a = must(warm->search(warm->current(), ask, world_.soon()));
    const SearchResult b = must(index_->search(index_->current(), ask, world_.soon()));
    ASSERT_EQ(a.hits.size(), b.hits.size());
    for (std::size_t i = 0; i < a.hits.size(); ++i) {
      EXPECT_EQ(a.hits[i].object.row.key, b.hits[i].object.row.key) << "question " << q;
      EXPECT_EQ(a.hits[i].distance, b.hits[i].distance);
    }
  }
}

// An index that is asked again and again is held in memory, as far as it may be, and what a commit
// adds comes in too; one that is asked once is not.
TEST_F(Trees, PlanesThatAreUsedAreTakenIntoMemory) {
  put(0, 2000);
  must(index_->compact(false, world_.soon()));
  const SegmentDirectory& directory = index_->current()->segments()[0]->directory();
  const std::uint64_t codes = directory.plane(Plane::kCodes).size;
  SearchRequest ask = request(vector(), 8);
  ask.detail = Detail::kRow;
  for (const std::uint64_t room : {std::uint64_t{0}, codes + 1, std::uint64_t{1} << 30}) {
    world_.options.index.cache_bytes = 0;
    world_.options.index.plane_bytes = room;
    const std::unique_ptr<Index> fresh = world_.open();
    SearchRequest all = ask;
    all.probes = UINT32_MAX;
    must(fresh->search(fresh->current(), all, world_.soon()));
    const SearchResult first = must(fresh->search(fresh->current(), ask, world_.soon()));
    EXPECT_FALSE(in_memory(*fresh, Plane::kCodes));
    EXPECT_GT(first.trace.requests, 0U);
    for (int i = 0; i < 20; ++i) must(fresh->search(fresh->current(), ask, world_.soon()));
    EXPECT_EQ(in_memory(*fresh, Plane::kCodes), room > 0);
    EXPECT_EQ(in_memory(*fresh, Plane::kRefine), room > 2 * codes);
    EXPECT_FALSE(in_memory(*fresh, Plane::kVectors)) << "searches hardly need them";
    const SearchResult last = must(fresh->search(fresh->current(), ask, world_.soon()));
    EXPECT_EQ(last.trace.requests == 0, room > 2 * codes);
    ASSERT_EQ(last.hits.size(), first.hits.size());
    for (std::size_t i = 0; i < first.hits.size(); ++i)
      EXPECT_EQ(last.hits[i].object.number, first.hits[i].object.number);
    if (room <= 2 * codes) continue;
    put(2000, 300);
    must(fresh->latest(world_.soon()));
    EXPECT_FALSE(in_memory(*fresh, Plane::kCodes));
    const std::vector<SearchRequest> many(32, ask);
    for (const auto& found : fresh->search_many(fresh->current(), many, world_.soon()))
      EXPECT_TRUE(found.ok());
    EXPECT_TRUE(in_memory(*fresh, Plane::kCodes));
  }
}

// Logs are full of equal lines: a tree of them is made, and what is rare is found.
TEST_F(Trees, NineInTenEqual) {
  const std::vector<float> common = vector();
  std::vector<Intent> intents;
  for (std::size_t i = 0; i < 3000; ++i) {
    IndexedObject made = object(i, i % 10 == 0 ? vector() : common);
    model_.put(made);
    intents.emplace_back(PutIntent{std::move(made)});
  }
  must(index_->commit(std::move(intents), {}, {}, world_.soon(), Merging::kLater));
  must(index_->compact(false, world_.soon()));
  ASSERT_GE(index_->current()->state().trees.at(0).leaves, 2U);
  SearchRequest ask = request({}, 0);
  ask.recall = 0.98;
  // Rows at one distance stand for each other.
  std::size_t found = 0;
  for (int q = 0; q < 40; ++q) {
    ask.query = q % 4 == 0 ? common : vector();
    const SearchResult result = must(index_->search(index_->current(), ask, world_.soon()));
    const std::vector<Model::Found> nearest = model_.search(ask, world_.space());
    ASSERT_EQ(result.hits.size(), 10U);
    for (std::size_t i = 0; i < nearest.size(); ++i)
      found += result.hits[i].distance <= nearest.back().distance * 1.0001F + 1e-6F ? 1 : 0;
  }
  EXPECT_GE(found, 380U);
}

// Random upserts in small commits: few pieces a list, and every row is written a few times only.
TEST_F(Trees, AppendsStayFewPiecesAndCheap) {
  constexpr std::size_t kBatch = 32;
  constexpr std::size_t kKeys = 6000;
  std::uint64_t put_bytes = 0;
  const std::uint64_t before = world_.counting.counts().bytes_written();
  for (std::size_t commit = 0; commit < 220; ++commit) {
    std::vector<Intent> intents;
    std::set<std::size_t> chosen;
    while (chosen.size() < kBatch) chosen.insert(world_.random.below(kKeys));
    for (const std::size_t number : chosen) {
      IndexedObject made = object(number, vector());
      model_.put(made);
      intents.emplace_back(PutIntent{std::move(made)});
    }
    must(index_->commit(std::move(intents), {}, {}, world_.soon()));
    put_bytes += index_->current()->state().segments.front().bytes;
    while (must(index_->maintain(4, world_.soon())) > 0) {
    }
    std::size_t listed = 0;
    for (const SegmentEntry& entry : index_->current()->state().segments)
      listed += entry.tree.is_zero() ? 0 : 1;
    ASSERT_LE(listed, 3U);
  }
  const std::uint64_t written = world_.counting.counts().bytes_written() - before;
  std::cout << "write amplification "
            << static_cast<double>(written) / static_cast<double>(put_bytes) << "\n";
  EXPECT_LE(static_cast<double>(written), 10.0 * static_cast<double>(put_bytes));
  SearchRequest like = request({}, 0);
  like.recall = 0.95;
  EXPECT_GE(recall(*index_, like), 0.92);
}

// What a commit of one row asks of the store, and what opening does, is bounded whatever came
// before.
TEST_F(Trees, SmallCommitsCostLittleHoweverManyCameBefore) {
  put(0, 3000);
  must(index_->compact(false, world_.soon()));
  const auto requests_of = [&](const auto& work) {
    const StoreCounts before = world_.counting.counts();
    work();
    return (world_.counting.counts() - before).requests();
  };
  std::vector<std::uint64_t> opening;
  std::uint64_t committing = 0;
  constexpr std::size_t kCommits = 60;
  for (std::size_t i = 0; i < kCommits; ++i) {
    const std::uint64_t requests = requests_of([&] { put(3000 + i, 1); });
    EXPECT_LT(requests, 40U) << "commit " << i << ", with the merge of what is small";
    committing += requests;
    opening.push_back(requests_of([&] { (void)world_.open(); }));
  }
  std::cout << committing << " requests of " << kCommits << " commits\n";
  EXPECT_LT(committing, 20 * kCommits);
  EXPECT_LE(*std::max_element(opening.begin() + 20, opening.end()),
            *std::max_element(opening.begin(), opening.begin() + 20));
}

// Rows that come where the tree has hardly a list make it anew; rows like those before do not.
TEST_F(Trees, ANewTreeWhereRowsCrowd) {
  const auto settle = [&] {
    while (must(index_->maintain(4, world_.soon())) > 0) {
    }
    EXPECT_EQ(index_->current()->state().trees.size(), 1U);
    return index_->current()->state().trees.at(0);
  };
  put(0, 1000);
  must(index_->compact(false, world_.soon()));
  const Id128 first = index_->current()->state().trees.at(0).id;
  put(1000, 600);
  EXPECT_EQ(settle().id, first) << "they lie as those before";
  for (float& value : centres_[0]) value += 40;
  std::vector<Intent> intents;
  for (std::size_t i = 2000; i < 3000; ++i) {
    IndexedObject made = object(i, near(0));
    model_.put(made);
    intents.emplace_back(PutIntent{std::move(made)});
  }
  must(index_->commit(std::move(intents), {}, {}, world_.soon()));
  const TreeEntry second = settle();
  EXPECT_NE(second.id, first);
  EXPECT_EQ(second.rows, 2600U);
  SearchRequest like = request({}, 0);
  like.recall = 0.95;
  EXPECT_GE(recall(*index_, like), 0.92);
}

// Rows of another kind, as many as before and spread as evenly: no list is crowded, but the lists
// of the old tree say nothing of which of the new rows are near. What a merge of most rows finds
// shows it.
TEST_F(Trees, ANewTreeWhereTheDataHasLeft) {
  put(0, 2000);
  must(index_->compact(false, world_.soon()));
  const TreeEntry first = index_->current()->state().trees.at(0);
  put(2000, 600);
  must(index_->compact(false, world_.soon()));
  const TreeEntry same = index_->current()->state().trees.at(0);
  EXPECT_EQ(same.id, first.id) << "they lie as those before";
  EXPECT_NE(same.points, first.points) << "lists and recall are measured again";
  spread_out();
  put(2600, 1400);
  must(index_->compact(false, world_.soon()));
  const IndexState& state = index_->current()->state();
  ASSERT_EQ(state.trees.size(), 1U);
  EXPECT_NE(state.trees[0].id, first.id);
  EXPECT_EQ(state.trees[0].rows, 4000U);
  // Rows that are near to nothing are found in more lists, and a search is told so.
  EXPECT_GT(share_for_950(state.trees[0]), 2 * share_for_950(same));
}

// Where all rows are more than one segment takes, no new tree can be made: then what `--recall`
// needs is measured all the same.
TEST_F(Trees, WhatLeftATreeThatMustStayIsFoundInMoreLists) {
  put(0, 900);
  must(index_->compact(false, world_.soon()));
  const TreeEntry before = index_->current()->state().trees.at(0);
  world_.options.index.max_segment_rows = 2000;
  world_.options.index.tree_rows = UINT32_MAX;
  index_ = world_.open();
  spread_out();
  for (std::size_t i = 0; i < 5; ++i) put(900 + 300 * i, 300);
  EXPECT_GT(must(index_->compact(false, world_.soon())), 0U);
  const TreeEntry after = index_->current()->state().trees.at(0);
  EXPECT_EQ(after.id, before.id);
  EXPECT_GT(share_for_950(after), 2 * share_for_950(before));
}

// After many small commits and a compaction everything is as after one build.
TEST_F(Trees, CompactionIsAsGoodAsOneBuild) {
  for (std::size_t i = 0; i < 60; ++i) put(i * 40, 40);
  must(index_->compact(true, world_.soon()));
  const IndexState& state = index_->current()->state();
  ASSERT_EQ(state.segments.size(), 1U);
  EXPECT_EQ(state.segments[0].rows, 2400U);
  EXPECT_EQ(state.segments[0].dead_objects(), 0U);
  EXPECT_EQ(state.trees.size(), 1U);
  EXPECT_EQ(state.trees[0].rows, 2400U);
  // Nothing is left to do.
  EXPECT_EQ(must(index_->compact(false, world_.soon())), 0U);
}

// As much as fits becomes one segment, and nothing is refused.
TEST_F(Trees, CompactionMakesNoSegmentTooLarge) {
  world_.options.index.max_segment_rows = 1000;
  index_ = world_.open();
  for (std::size_t i = 0; i < 6; ++i) put(i * 400, 400);
  for (int i = 0; i < 8; ++i) must(index_->compact(false, world_.soon()));
  const IndexState& state = index_->current()->state();
  std::uint64_t rows = 0;
  for (const SegmentEntry& entry : state.segments) {
    EXPECT_LE(entry.rows, 1000U);
    rows += entry.rows;
  }
  EXPECT_EQ(rows, 2400U);
  EXPECT_LE(state.segments.size(), 4U);
  EXPECT_GE(recall(*index_, request({}, 0)), 0.92);
}

TEST_F(Trees, WithoutItsTreeASegmentIsScannedWhole) {
  put(0, 1000);
  must(index_->compact(false, world_.soon()));
  const std::string key = "ix/" + index_->current()->state().trees.at(0).file_key();
  must(world_.counting.remove(std::vector<std::string>{key}, world_.soon()).front());
  const std::unique_ptr<Index> opened = world_.open();
  EXPECT_EQ(opened->current()->tree(opened->current()->state().trees.at(0).id), nullptr);
  EXPECT_GE(recall(*opened, request({}, 1)), 0.9);
  const std::vector<std::string> damaged = must(opened->check_files(world_.soon()));
  ASSERT_EQ(damaged.size(), 1U);
  EXPECT_NE(damaged[0].find("tree/"), std::string::npos) << damaged[0];
  // A compaction makes a new one.
  must(opened->compact(false, world_.soon()));
  EXPECT_TRUE(must(opened->check_files(world_.soon())).empty());
  EXPECT_NE(opened->current()->tree(opened->current()->state().trees.at(0).id), nullptr);
}

// Rows of an object lie in several lists; in a segment of one list they are in order again.
TEST_F(Trees, FewRowsLeaveTheTree) {
  std::vector<Intent> intents;
  for (std::size_t i = 0; i < 200; ++i) {
    IndexedObject made = object(i, vector());
    for (int c = 1; c < 5; ++c) {
      ChunkRow chunk = made.chunks[0];
      chunk.begin = chunk.end = 100 * static_cast<std::uint64_t>(c);
      made.chunks.push_back(chunk);
      const IndexedObject more = object(i, vector());
      made.vectors.insert(made.vectors.end(), more.vectors.begin(), more.vectors.end());
    }
    model_.put(made);
    intents.emplace_back(PutIntent{std::move(made)});
  }
  must(index_->commit(std::move(intents), {}, {}, world_.soon()));
  must(index_->compact(false, world_.soon()));
  ASSERT_GT(index_->current()->segments().at(0)->directory().lists.size(), 1U);
  std::vector<Intent> absences;
  for (std::size_t i = 0; i < 190; ++i) {
    const ObjectKey key{1, str_cat("k", 100'000 + i)};
    model_.absent(key, at_second(1'000'000));
    absences.emplace_back(AbsentIntent{key, at_second(1'000'000)});
  }
  must(index_->commit(std::move(absences), {}, {}, world_.soon()));
  // Twice: what one wrote the next reads.
  for (int i = 0; i < 2; ++i) {
    const Result<std::uint64_t> compacted = index_->compact(true, world_.soon());
    ASSERT_TRUE(compacted.ok()) << compacted.error().message;
  }
  const Segment& left = *index_->current()->segments().at(0);
  EXPECT_EQ(left.directory().rows, 50U);
  EXPECT_EQ(left.directory().lists.size(), 1U);
  const std::vector<std::string> damaged = must(index_->check_files(world_.soon()));
  ASSERT_TRUE(damaged.empty()) << damaged.front();
  SearchRequest all = request({}, 0);
  all.exact = true;
  EXPECT_EQ(recall(*index_, all, 5), 1);
}

TEST_F(Trees, RepairBringsTheTreeBackWithItsSegment) {
  put(0, 1000);
  world_.clock.advance(std::chrono::seconds(5));
  must(index_->compact(false, world_.soon()));
  const Id128 tree = index_->current()->state().trees.at(0).id;
  Blob head =
      must(read_one(world_.counting,
                    {.key = "ix/head", .offset = 0, .length = {}, .if_match = {}, .version_id = {}},
                    world_.soon()));
  head.body[head.body.size() / 2] ^= std::byte{1};
  must(put_one(world_.counting, "ix/head", head.body, world_.soon()));
  const std::unique_ptr<Index> opened = world_.open();
  const Result<RepairReport> repaired = opened->repair(world_.soon());
  ASSERT_TRUE(repaired.ok()) << repaired.error().message;
  EXPECT_NE(opened->current()->tree(tree), nullptr);
  EXPECT_TRUE(must(opened->check_files(world_.soon())).empty());
  SearchRequest exact = request({}, 0);
  exact.exact = true;
  EXPECT_EQ(recall(*opened, exact), 1);
  EXPECT_GE(recall(*opened, request({}, 0)), 0.99);
}

}  // namespace
}  // namespace kedge
