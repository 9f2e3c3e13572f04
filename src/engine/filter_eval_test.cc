// The attributes plane against the rows: whatever the filter, the same objects.
#include "engine/filter_eval.h"

#include "engine/index_impl.h"
#include "engine/lookup.h"
#include "engine/testing.h"
#include "format/attributes.h"

namespace kedge {
namespace {

class FilterEval : public testing::Test {
 protected:
  FilterEval() {
    WorldOptions options;
    options.seed = 11;
    options.index.max_small_segments = 64;
    world_ = std::make_unique<World>(options);
    index_ = world_->create();
  }

  // Objects enough for several pages; some keys and values agree beyond what directories keep.
  void fill(std::size_t count) {
    std::vector<Intent> intents;
    for (std::size_t i = 0; i < count; ++i) {
      const auto source = static_cast<std::uint32_t>(1 + i % 2);
      const std::string deep(i % 3 == 0 ? 70 : 0, 'd');
      IndexedObject object =
          world_->object({source, str_cat(deep, made_ + i)}, "t", at_second(1000), 1);
      object.row.metadata = random_metadata(world_->random);
      object.row.metadata.push_back({"\xFFid", str_cat(std::string(60, 'x'), made_ + i)});
      pool_.keys.push_back(object.row.key);
      pool_.sizes.push_back(static_cast<double>(object.row.size));
      pool_.times.push_back(static_cast<double>(object.row.last_modified.micros));
      intents.emplace_back(PutIntent{std::move(object)});
    }
    made_ += count;
    must(index_->commit(std::move(intents), {}, {}, world_->soon()));
  }

  std::vector<ObjectBitmap> run(std::span<const SegmentPtr> segments, const Filter& filter,
                                SearchTrace& trace) {
    const SnapshotPtr snapshot = index_->current();
    return must(matching(reader(), *snapshot->head(), snapshot->state().sources, segments, filter,
                         &trace, world_->soon()),
                "matching");
  }
  PageReader& reader() { return dynamic_cast<IndexImpl&>(*index_).reader(); }

  // By the meaning of the filter, row by row.
  ObjectBitmap by_meaning(const Segment& segment, const Filter& filter) {
    const SnapshotPtr snapshot = index_->current();
    ObjectBitmap out(segment.directory().objects);
    for (std::uint32_t p = 0; p < segment.directory().docs.size(); ++p) {
      const std::vector<PageWant> wants = {docs_want(segment, p)};
      const auto pages = must(reader().read_all(*snapshot->head(), wants, nullptr, world_->soon()));
      std::uint32_t number = p * kDocsPageObjects;
      for (const DocsEntry& entry :
           must(parse_docs_page(pages[0]->bytes, number, segment.directory()))) {
        if (matches(filter, entry.row, source_uri(entry.row.source))) out.add({number, number + 1});
        ++number;
      }
    }
    return out;
  }

  std::unique_ptr<World> world_;
  std::unique_ptr<Index> index_;
  FilterPool pool_{
      .keys = {"d", ""}, .sources = {source_uri(1), source_uri(2), "x"}, .sizes = {}, .times = {}};
  std::size_t made_ = 0;
};

// A segment without the plane, which older versions wrote.
SegmentPtr without_plane(const Segment& segment) {
  auto file = std::make_shared<SegmentFile>();
  file->id = segment.file()->id;
  file->key = segment.file()->key;
  file->bytes = segment.file()->bytes;
  file->directory = segment.directory();
  file->directory.attributes.clear();
  file->directory.first_key_of_attributes_page.clear();
  return std::make_shared<Segment>(segment.entry(), std::move(file), segment.dead());
}

TEST_F(FilterEval, PlaneAndRowsSayTheSame) {
  fill(3000);
  fill(40);
  const std::vector<SegmentPtr>& segments = index_->current()->segments();
  ASSERT_EQ(segments.size(), 2U);
  ASSERT_GT(segments[1]->directory().attributes.size(), 2U);
  const std::vector<SegmentPtr> both = {segments[0], segments[1], without_plane(*segments[1])};
  std::size_t some = 0;
  for (int i = 0; i < 150; ++i) {
    const Filter filter = random_filter(world_->random, pool_);
    SCOPED_TRACE(to_text(filter));
    SearchTrace trace;
    const std::vector<ObjectBitmap> found = run(both, filter, trace);
    ASSERT_EQ(found.size(), 3U);
    for (std::size_t s = 0; s < 2; ++s) ASSERT_EQ(found[s], by_meaning(*both[s], filter));
    ASSERT_EQ(found[2], found[1]);
    const std::uint32_t count = found[1].count();
    if (count > 0 && count < found[1].size()) ++some;
  }
  EXPECT_GT(some, 50U) << "filters that hold of all or nothing prove little";
}

// One round, of a plane of many pages a few; what is in the cache costs none.
TEST_F(FilterEval, ReadsThePagesOfItsValuesInOneRound) {
  fill(3000);
  fill(3000);
  index_ = world_->open();
  const std::vector<SegmentPtr>& segments = index_->current()->segments();
  const struct {
    std::string_view filter;
    std::uint32_t rounds;
    std::uint64_t most_bytes;
  } cases[] = {{"a = 1 and size < 10 or not exists(team)", 1, 12 * (kAttributesPageBytes + 64)},
               {"a = 1", 0, 0},
               {"key ^= 'd' and a = 1", 1, 1 << 20},
               {"source = 'memory:source1/' and a = 1", 1, 0}};
  for (const auto& c : cases) {
    SearchTrace trace;
    run(segments, must(parse_filter(c.filter)), trace);
    EXPECT_LE(trace.rounds, c.rounds) << c.filter;
    if (c.most_bytes != 0) {
      EXPECT_LE(trace.bytes, c.most_bytes) << c.filter;
    }
  }
}

TEST_F(FilterEval, HasAMostOfKeys) {
  fill(10);
  Filter filter = must(parse_filter("key in ('a', 'b')"));
  filter.values.assign(kMaxKeyConditions / 2 + 1, std::string("a"));
  const SnapshotPtr snapshot = index_->current();
  const auto found = matching(reader(), *snapshot->head(), snapshot->state().sources,
                              snapshot->segments(), filter, nullptr, world_->soon());
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.code(), Code::kInvalid);
}

// A filter changes which objects come, not how many: min(k, matches).
TEST_F(FilterEval, AsManyComeAsMatch) {
  fill(2000);
  SearchRequest request;
  request.query = world_->query();
  request.space = world_->space().id();
  request.k = 100;
  request.collapse_equal = false;
  request.filter = must(parse_filter("\"\xFFid\" ^= '" + std::string(60, 'x') + "12'"));
  const SearchResult found = must(index_->search(index_->current(), request, world_->soon()));
  EXPECT_EQ(found.hits.size(), 100U);
  request.filter = must(parse_filter("\"\xFFid\" in ('" + std::string(60, 'x') + "1234', 'none')"));
  const SearchResult one = must(index_->search(index_->current(), request, world_->soon()));
  ASSERT_EQ(one.hits.size(), 1U);
  EXPECT_EQ(std::get<std::string>(one.hits[0].object.row.metadata.back().second),
            std::string(60, 'x') + "1234");
}

}  // namespace
}  // namespace kedge
