// Searches on trees that are not one question over everything: few objects in scope, batches, and
// threads that search while others write.
#include <array>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "engine/few_objects.h"
#include "engine/index_impl.h"
#include "engine/probe_steps.h"
#include "engine/segment.h"
#include "engine/tree_testing.h"

namespace kedge {
namespace {

// A filter that holds of few objects is answered exactly: their rows are looked up, in a bounded
// number of rounds and a few requests an object, not in the codes of every list.
TEST_F(Trees, FewObjectsAreMeasuredExactly) {
  std::vector<Intent> intents;
  for (std::size_t i = 0; i < 3000; ++i) {
    IndexedObject made = object(i, vector());
    made.row.metadata = {{"part", static_cast<double>(i % 500)}};
    model_.put(made);
    intents.emplace_back(PutIntent{std::move(made)});
  }
  must(index_->commit(std::move(intents), {}, {}, world_.soon(), Merging::kLater));
  must(index_->compact(false, world_.soon()));
  put(2990, 20);  // a second segment, without metadata; some of the first are dead now
  for (const bool in_memory : {false, true}) {
    for (const char* filter : {"part = 7", "part < 3", "key ^= \"k1009\"", "key ^= \"k10299\""}) {
      const std::unique_ptr<Index> index = world_.open();
      if (in_memory) must(index->load(index->current(), UINT64_MAX, world_.soon()));
      SearchRequest ask = request(vector(), 0);
      ask.filter = must(parse_filter(filter));
      ask.group_by_object = world_.random.below(2) == 0;
      const std::vector<Model::Found> nearest = model_.search(ask, world_.space());
      const SearchResult found = must(index->search(index->current(), ask, world_.soon()));
      EXPECT_TRUE(found.exact) << filter;
      ASSERT_EQ(found.hits.size(), nearest.size()) << filter;
      for (std::size_t i = 0; i < nearest.size(); ++i)
        EXPECT_EQ(found.hits[i].object.row.key, nearest[i].key.key) << filter << ", hit " << i;
      // Attributes, or keys; docs pages, text pages, vectors.
      EXPECT_LE(found.trace.rounds, in_memory ? 4U : 5U) << filter;
      EXPECT_LE(found.trace.rows_scanned, kFewObjects) << filter;
    }
  }
}

// A batch gives each request what it gets alone, from memory and from the store, whatever stands
// beside it; and reads no page twice.
TEST_F(Trees, ABatchFindsWhatEachFindsAlone) {
  put(0, 3000);
  must(index_->compact(false, world_.soon()));
  put(2800, 400);  // a second segment, and dead objects in the first
  std::vector<SearchRequest> requests;
  for (int q = 0; q < 60; ++q) {
    SearchRequest one = request(vector(), 2 + static_cast<std::uint32_t>(world_.random.below(30)));
    one.k = 1 + world_.random.below(20);
    one.rerank = world_.random.below(2) == 0 ? 0 : 40;
    one.group_by_object = world_.random.below(2) == 0;
    if (q % 7 == 0) one.filter = must(parse_filter("key ^= \"k1010\""));
    if (q % 11 == 0) one.exact = true;
    if (q % 13 == 0) one.query.pop_back();
    requests.push_back(std::move(one));
  }
  const auto same = [](const Result<SearchResult>& a, const Result<SearchResult>& b) {
    ASSERT_EQ(a.ok(), b.ok());
    if (!a.ok()) {
      EXPECT_EQ(a.error().message, b.error().message);
      return;
    }
    EXPECT_EQ(a->exact, b->exact);
    ASSERT_EQ(a->hits.size(), b->hits.size());
    for (std::size_t i = 0; i < a->hits.size(); ++i) {
      EXPECT_EQ(a->hits[i].object.row.key, b->hits[i].object.row.key);
      EXPECT_EQ(a->hits[i].distance, b->hits[i].distance);
    }
  };
  const std::unique_ptr<Index> warm = world_.open();
  must(warm->load(warm->current(), UINT64_MAX, world_.soon()));
  for (Index* index : {index_.get(), warm.get()}) {
    const auto together = index->search_many(index->current(), requests, world_.soon());
    ASSERT_EQ(together.size(), requests.size());
    for (std::size_t q = 0; q < requests.size(); ++q) {
      same(together[q], index->search(index->current(), requests[q], world_.soon()));
    }
  }
  // From the store: two rounds for all, and fewer requests than one by one.
  std::vector<SearchRequest> plain;
  for (int q = 0; q < 20; ++q) plain.push_back(request(vector(), 8));
  const std::unique_ptr<Index> cold = world_.open();
  const auto together = cold->search_many(cold->current(), plain, world_.soon());
  std::uint64_t requests_together = 0;
  std::uint64_t requests_alone = 0;
  for (std::size_t q = 0; q < plain.size(); ++q) {
    EXPECT_EQ(must(together[q]).trace.rounds, 2U);
    requests_together += together[q]->trace.requests;
    const std::unique_ptr<Index> other = world_.open();
    requests_alone += must(other->search(other->current(), plain[q], world_.soon())).trace.requests;
  }
  EXPECT_GT(requests_together, 0U);
  EXPECT_LT(requests_together, requests_alone);
}

// With room for little at once a search takes more rounds, and finds the same.
TEST_F(Trees, AWindowBoundsWhatOneRoundReads) {
  put(0, 3000);
  must(index_->compact(false, world_.soon()));
  put(2800, 400);
  std::vector<SearchRequest> requests;
  for (int q = 0; q < 20; ++q) {
    SearchRequest one = request(vector(), 30);
    one.k = 50;
    one.rerank = q % 2 == 0 ? 0 : 80;
    requests.push_back(std::move(one));
  }
  IndexOptions options = world_.options.index;
  options.cache_bytes = 0;
  const auto open = [&](std::uint64_t window_bytes) {
    options.window_bytes = window_bytes;
    return must(Index::open(world_.environment(), options, world_.soon()));
  };
  constexpr std::uint64_t kWindow = 8 << 10;
  const std::unique_ptr<Index> whole = open(UINT64_MAX);
  const std::unique_ptr<Index> bounded = open(kWindow);
  const auto expect_same = [](const SearchResult& expected, const SearchResult& found) {
    ASSERT_EQ(found.hits.size(), expected.hits.size());
    for (std::size_t i = 0; i < found.hits.size(); ++i) {
      EXPECT_EQ(found.hits[i].object.row.key, expected.hits[i].object.row.key);
      EXPECT_EQ(found.hits[i].distance, expected.hits[i].distance);
    }
  };
  const auto together = bounded->search_many(bounded->current(), requests, world_.soon());
  for (std::size_t q = 0; q < requests.size(); ++q) {
    const SearchResult expected = must(whole->search(whole->current(), requests[q], world_.soon()));
    const SearchResult found =
        must(bounded->search(bounded->current(), requests[q], world_.soon()));
    expect_same(expected, found);
    expect_same(expected, must(together[q]));
    EXPECT_GE(found.trace.rounds, expected.trace.rounds + 3);
    // A round's last page may reach over its window, and gaps between pages are read with them.
    EXPECT_LT(found.trace.bytes, 3 * kWindow * found.trace.rounds);
    EXPECT_GT(expected.trace.bytes, 3 * kWindow * expected.trace.rounds) << "it would fit one";
  }
}

// Text pages are parsed one after the other, hits come from many of them.
TEST_F(Trees, EachHitHasItsOwnChunk) {
  put(0, 3000);
  must(index_->compact(false, world_.soon()));
  put(3000, 300);
  SearchRequest like = request(vector(), 40);
  like.k = 200;
  like.detail = Detail::kChunk;
  const SearchResult found = must(index_->search(index_->current(), like, world_.soon()));
  ASSERT_EQ(found.hits.size(), like.k);
  std::set<std::uint64_t> pages;
  for (const Hit& hit : found.hits) {
    EXPECT_EQ(hit.object.row.key, str_cat("k", 100'000 + hit.chunk.begin));
    pages.insert(hit.chunk.begin / kTextPageChunks);
  }
  EXPECT_GT(pages.size(), 5U);
}

// What of that a search holds at a time: codes of a list at least, and blocks of refine rows.
TEST_F(Trees, AProbeAsksForAWindowAtATime) {
  put(0, 3000);
  must(index_->compact(false, world_.soon()));
  constexpr std::uint64_t kWindow = 8 << 10;
  IndexOptions options = world_.options.index;
  options.window_bytes = kWindow;
  const std::unique_ptr<Index> index =
      must(Index::open(world_.environment(), options, world_.soon()));
  auto& impl = static_cast<IndexImpl&>(*index);
  const SnapshotPtr snapshot = index->current();
  const Id128 space = world_.space().id();
  std::vector<ScanSegment> segments;
  for (const SegmentPtr& segment : snapshot->segments()) segments.push_back(whole_segment(segment));
  const std::vector<float> query = vector();
  ProbePlan plan;
  plan.vector = query;
  plan.space = snapshot->space(space);
  plan.space_id = space;
  plan.want = 200;
  plan.probes = 60;
  plan.docs = false;
  const auto scratch = impl.scratch().take(snapshot->rotation(space), plan.space->metric);
  SearchTrace trace;
  Probe probe(impl.reader(), *snapshot, segments, plan, *scratch, &trace, world_.soon());
  probe.begin();
  const auto read = [&](const std::vector<PageWant>& wants) {
    std::uint64_t bytes = 0;
    for (const PageWant& want : wants) bytes += want.page.size;
    EXPECT_TRUE(bytes <= kWindow || wants.size() == 1) << bytes;
    return impl.reader().read(*snapshot->head(), wants, &trace, world_.soon());
  };
  std::size_t rounds[2] = {};
  for (; probe.wants_codes(); ++rounds[0]) probe.take_codes(read(probe.codes_wanted()));
  for (; probe.wants_refine(); ++rounds[1]) probe.take_refine(read(probe.refine_wanted()));
  EXPECT_GT(rounds[0], 3U);
  EXPECT_GT(rounds[1], 3U);
  EXPECT_EQ(probe.end().rows.size(), plan.want);
}

class ReadingTrees : public Trees {
 protected:
  void readers_go_on(bool load_by_use);
};

// Threads search, one by one and in batches, while another commits, compacts, retrains and loads
// planes, or while the searches themselves load them: none fails, each answer is that of the
// generation it asked, and all get to the newest.
void ReadingTrees::readers_go_on(bool load_by_use) {
  put(0, 1500);
  must(index_->compact(false, world_.soon()));
  if (load_by_use) {
    world_.options.index.plane_bytes = std::uint64_t{1} << 30;
    index_ = world_.open();
  } else {
    must(index_->load(index_->current(), UINT64_MAX, world_.soon()));
  }
  std::map<std::uint64_t, Model> models;
  models.emplace(index_->current()->generation(), model_);
  struct Answer {
    std::uint64_t generation = 0;
    SearchRequest request;
    std::vector<std::string> keys;
  };
  constexpr std::size_t kReaders = 3;
  std::vector<std::vector<float>> questions;
  for (int q = 0; q < 40; ++q) questions.push_back(vector());
  std::array<std::vector<Answer>, kReaders> answers;
  std::array<std::atomic<std::uint64_t>, kReaders> reached{};
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (std::size_t t = 0; t < kReaders; ++t) {
    readers.emplace_back([&, t] {
      for (std::size_t q = t; !done.load(); ++q) {
        const SnapshotPtr snapshot = index_->current();
        std::vector<SearchRequest> asked;
        for (std::size_t i = 0; i < 1 + q % 3; ++i) {
          asked.push_back(request(questions[(q + i) % questions.size()], 0));
          asked.back().exact = (q + i) % 2 == 0;
        }
        const auto found = index_->search_many(snapshot, asked, world_.soon());
        for (std::size_t i = 0; i < asked.size(); ++i) {
          ASSERT_TRUE(found[i].ok()) << found[i].error().message;
          Answer answer{snapshot->generation(), asked[i], {}};
          for (const Hit& hit : found[i]->hits) answer.keys.push_back(hit.object.row.key);
          if (answers[t].size() < 300) answers[t].push_back(std::move(answer));
        }
        reached[t].store(snapshot->generation());
        reached[t].notify_all();
      }
    });
  }
  for (int step = 0; step < 12; ++step) {
    put(world_.random.below(1500), 60);
    models.emplace(index_->current()->generation(), model_);
    if (step % 4 == 3) must(index_->compact(step % 8 == 3, world_.soon()));
    if (!load_by_use) must(index_->load(index_->current(), UINT64_MAX, world_.soon()));
    const std::uint64_t newest = index_->current()->generation();
    for (auto& reader : reached) {
      for (std::uint64_t seen = reader.load(); seen < newest; seen = reader.load())
        reader.wait(seen);
    }
  }
  // Who has just come to a generation may not have searched it often enough yet.
  // The readers may not have searched the newest often enough yet.
  for (int q = 0; q < 1000 && !in_memory(*index_, Plane::kCodes); ++q)
    must(index_->search(index_->current(), request(questions[0], 0), world_.soon()));
  EXPECT_TRUE(in_memory(*index_, Plane::kCodes));
  done.store(true);
  for (std::thread& reader : readers) reader.join();
  std::size_t found = 0;
  std::size_t wanted = 0;
  for (const std::vector<Answer>& of_reader : answers) {
    for (const Answer& answer : of_reader) {
      const Model& model = std::prev(models.upper_bound(answer.generation))->second;
      const std::vector<Model::Found> nearest = model.search(answer.request, world_.space());
      ASSERT_EQ(answer.keys.size(), nearest.size());
      for (std::size_t i = 0; i < nearest.size(); ++i) {
        if (answer.request.exact) {
          EXPECT_EQ(answer.keys[i], nearest[i].key.key);
        } else {
          found += static_cast<std::size_t>(
              std::count(answer.keys.begin(), answer.keys.end(), nearest[i].key.key));
        }
        wanted += answer.request.exact ? 0 : 1;
      }
    }
  }
  EXPECT_GT(wanted, 0U);
  EXPECT_GE(static_cast<double>(found), 0.9 * static_cast<double>(wanted));
}

TEST_F(ReadingTrees, GoOnWhileGenerationsChange) { readers_go_on(false); }
TEST_F(ReadingTrees, GoOnWhileTheirSearchesLoadPlanes) { readers_go_on(true); }

// Tells of bodies before it returns them: of some as they are, of others what is cut, longer, wrong
// or nothing; and where `fails` is set it returns an error all the same.
class HintingStore final : public WrappedStore {
 public:
  HintingStore(ObjectStore& inner, std::uint64_t seed) : WrappedStore(inner), random_(seed) {}

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    std::vector<Result<Blob>> out = inner().read(requests, deadline);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (!requests[i].arrived || !out[i].ok()) continue;
      Bytes body = out[i]->body;
      switch (fails ? 4 : random_.below(5)) {
        case 0:
          body.resize(random_.below(body.size() + 1));
          break;
        case 1:
          body.resize(body.size() + 100, std::byte{1});
          break;
        case 2:
          if (!body.empty()) body[random_.below(body.size())] ^= std::byte{4};
          break;
        case 3:
          continue;
        default:
          break;
      }
      requests[i].arrived(body);
      ++told;
      if (fails) out[i] = Error{Code::kUnavailable, "cut off after all"};
    }
    return out;
  }

  std::uint64_t told = 0;
  bool fails = false;

 private:
  SeededRandom random_;
};

// What a store tells early is checked as what it returns is, and decides nothing.
TEST_F(Trees, BodiesThatCameEarlyAreHints) {
  put(0, 3000);
  must(index_->compact(false, world_.soon()));
  HintingStore hinting(world_.counting, 5);
  const std::unique_ptr<Index> hinted = must(
      Index::open(world_.environment_on(hinting, world_.ids), world_.options.index, world_.soon()));
  const std::unique_ptr<Index> plain = world_.open();
  for (int q = 0; q < 40; ++q) {
    const SearchRequest ask = request(vector(), 6);
    const SearchResult expected = must(plain->search(plain->current(), ask, world_.soon()));
    const SearchResult found = must(hinted->search(hinted->current(), ask, world_.soon()));
    ASSERT_EQ(found.hits.size(), expected.hits.size());
    for (std::size_t i = 0; i < found.hits.size(); ++i) {
      EXPECT_EQ(found.hits[i].object.row.key, expected.hits[i].object.row.key);
      EXPECT_EQ(found.hits[i].distance, expected.hits[i].distance);
    }
  }
  EXPECT_GT(hinting.told, 20U);
  const std::unique_ptr<Index> failing = must(
      Index::open(world_.environment_on(hinting, world_.ids), world_.options.index, world_.soon()));
  hinting.fails = true;
  EXPECT_EQ(failing->search(failing->current(), request(vector(), 6), world_.soon()).code(),
            Code::kUnavailable);
}

}  // namespace
}  // namespace kedge
