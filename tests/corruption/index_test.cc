// Every kind of file of an index, damaged in many ways: what is asked of the index is answered as
// before, or is an error that names the file; and `verify --full` finds the file.
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "base/hash.h"
#include "engine/testing.h"
#include "tests/corruption/damage.h"

// A count that damage has made huge is not believed, or this aborts.
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=256"; }

namespace kedge {
namespace {

using test::Damage;
using test::Files;
using test::Section;

constexpr std::uint64_t kSeed = 41;
constexpr std::uint32_t kOther = 8;  // dimension of the second space
constexpr std::size_t kAll = 10'000;
constexpr std::size_t kMostASegment = 16;  // damages; of copies kMostACopy
constexpr std::size_t kMostACopy = 3;

// An answer as text, or why there is none.
using Answers = std::map<std::string, Result<std::string>>;

WorldOptions options() {
  WorldOptions out;
  out.seed = kSeed;
  out.dimension = 16;
  out.metric = Metric::kL2;
  out.index.few_rows = 0;
  out.index.tree_rows = 256;
  out.index.least_tree_rows = 128;
  out.index.list_rows = 32;
  out.index.read_opening = true;
  return out;
}

// Two spaces, three sources, a segment on a tree with a del file, one of deletes alone, and two
// small ones; an opening file, and the history of all commits.
class Corruption : public testing::Test {
 protected:
  Corruption() : world_(options()) {
    index_ = must(Index::create(world_.environment(), world_.options.index, world_.soon()));
    must(index_->commit({}, registration(), {}, world_.soon()));
    put(1, 0, 1200);
    must(index_->compact(true, world_.soon()));
    put(2, 0, 140);
    put(3, 0, 90);
    std::vector<Intent> absent;
    for (std::size_t n = 0; n < 600; ++n)
      absent.emplace_back(AbsentIntent{{1, key(2 * n)}, at_second(5000)});
    commit(std::move(absent));
    put(1, 100, 120);
    index_.reset();
    files_.emplace(world_.memory, "ix/");
    truth_ = ask();
    for (const auto& [question, answer] : truth_)
      EXPECT_TRUE(answer.ok()) << question << ": " << answer.error().message;
  }

  Space other() const {
    Space out = world_.space();
    out.model = "other";
    out.dimension = kOther;
    out.metric = Metric::kCosine;
    return out;
  }

  StateEdit registration() const {
    return [this](IndexState& state) -> Status {
      state.spaces = {world_.space(), other()};
      for (std::uint32_t s = 1; s <= 3; ++s) {
        SourceEntry source;
        source.number = state.next_source++;
        source.uri = source_uri(s);
        source.recipe.space = s < 3 ? world_.space().id() : other().id();
        state.sources.push_back(source);
      }
      return {};
    };
  }

  static std::string key(std::size_t number) { return str_cat("k", 10'000 + number); }

  IndexedObject object(std::uint32_t source, std::size_t number) {
    IndexedObject out;
    out.row.source = source;
    out.row.key = key(number);
    out.row.tag = str_cat("t", ++reads_);
    out.row.read_time = at_second(static_cast<std::int64_t>(reads_));
    out.row.media_type = "text/plain";
    out.row.metadata = {{"n", static_cast<double>(number % 50)},
                        {"team", number % 3 == 0 ? "core" : "web"}};
    const std::uint32_t dimension = source < 3 ? world_.options.dimension : kOther;
    std::vector<float> values(dimension);
    for (float& value : values) value = static_cast<float>(world_.random.unit() * 2 - 1);
    out.vectors.resize(dimension);
    kernels().f32_to_f16(values.data(), out.vectors.data(), dimension);
    ChunkRow chunk;
    chunk.begin = number;
    chunk.end = number + 7;
    chunk.context = number % 2 == 0 ? "" : "a context";
    chunk.chunk_hash = Id128::random(world_.random);
    out.chunks = {chunk};
    return out;
  }
  void put(std::uint32_t source, std::size_t first, std::size_t last) {
    std::vector<Intent> intents;
    for (std::size_t n = first; n < last; ++n) intents.emplace_back(PutIntent{object(source, n)});
    commit(std::move(intents));
  }
  void commit(std::vector<Intent> intents) {
    must(index_->commit(std::move(intents), {}, {}, world_.soon(), Merging::kLater));
  }

  Result<std::unique_ptr<Index>> open() {
    return Index::open(world_.environment_on(world_.memory, world_.ids), world_.options.index,
                       world_.soon());
  }

  SearchRequest request(const Space& space) const {
    SearchRequest out;
    out.space = space.id();
    out.query.assign(space.dimension, 0.25F);
    out.query[0] = -1;
    out.collapse_equal = false;
    // Every list, and exact at the end: then a tree that is lost changes nothing but the time.
    out.probes = 1000;
    out.rerank = 1000;
    return out;
  }

  static std::string text_of(const SearchResult& result, const std::string& without = "") {
    std::string out;
    for (const Hit& hit : result.hits) {
      if (hit.object.segment.hex() == without) continue;
      out += str_cat(hit.object.row.source, "/", hit.object.row.key, " ", hit.object.row.tag, " ",
                     hit.chunk.begin, "-", hit.chunk.end, " ", hit.chunk.context, " ",
                     std::bit_cast<std::uint32_t>(hit.distance), "\n");
    }
    return out;
  }

  Answers ask() {
    auto opened = open();
    if (!opened.ok()) return {{"open", opened.error()}};
    Index& index = **opened;
    const SnapshotPtr snapshot = index.current();
    Answers out;
    const auto search = [&](const std::string& question, const SearchRequest& request) {
      const auto found = index.search(snapshot, request, world_.soon());
      out.emplace(question, found.ok() ? Result<std::string>(text_of(*found))
                                       : Result<std::string>(found.error()));
    };
    SearchRequest like = request(world_.space());
    search("search", like);
    like.filter = must(parse_filter("n < 20 and team = \"core\""));
    search("filter", like);
    like.filter.reset();
    like.key_prefix = "k100";
    search("prefix", like);
    SearchRequest exact = request(other());
    exact.exact = true;
    search("other space", exact);
    for (const std::uint32_t source : {1U, 2U, 3U}) {
      out.emplace(str_cat("scan ", source), scan(index, snapshot, source));
      out.emplace(str_cat("object ", source), look_up(index, snapshot, {source, key(55)}));
      out.emplace(str_cat("no object ", source), look_up(index, snapshot, {source, key(5000)}));
    }
    return out;
  }

  Result<std::string> scan(Index& index, const SnapshotPtr& snapshot, std::uint32_t source) {
    std::string out;
    const auto cursor = index.scan(snapshot, source, "");
    while (const auto row = KEDGE_TRY(cursor->next(world_.soon())))
      out += str_cat(row->row.key, " ", row->row.tag, " ", row->row.metadata.size(), "\n");
    return out;
  }

  Result<std::string> look_up(Index& index, const SnapshotPtr& snapshot, ObjectKey key) {
    const std::vector<ObjectKey> keys = {std::move(key)};
    const auto found = KEDGE_TRY(index.find(snapshot, keys, world_.soon()));
    if (!found[0]) return std::string("nothing");
    std::string out = found[0]->row.tag;
    for (const ChunkRow& chunk : KEDGE_TRY(index.chunks(snapshot, *found[0], world_.soon())))
      out += str_cat(" ", chunk.begin, chunk.context);
    for (const float value : KEDGE_TRY(index.vectors(snapshot, *found[0], world_.soon())))
      out += str_cat(" ", std::bit_cast<std::uint32_t>(value));
    return out;
  }

  // By key, what a message says of a file: the random part of its name.
  static std::string name_in_messages(const std::string& key) {
    return key.substr(key.rfind('/') + 1);
  }

  static bool names_one_of(const std::string& message, const Damage& damage) {
    return std::any_of(damage.files.begin(), damage.files.end(), [&](const auto& file) {
      return message.find(name_in_messages(file.first)) != std::string::npos;
    });
  }

  static void expect_typed(const Error& error, const Damage& damage) {
    EXPECT_TRUE(error.code == Code::kCorrupt || error.code == Code::kUnsupported ||
                error.code == Code::kNotFound)
        << code_name(error.code) << ": " << error.message;
    EXPECT_TRUE(names_one_of(error.message, damage)) << error.message;
    if (damage.what.find("page") != std::string::npos) {
      EXPECT_NE(error.message.find("offset"), std::string::npos) << error.message;
    }
  }

  // Answers as before, or errors that tell; how many were errors.
  std::size_t expect_right_or_told(const Damage& damage) {
    std::size_t errors = 0;
    for (const auto& [question, answer] : ask()) {
      SCOPED_TRACE(question);
      if (!answer.ok()) {
        expect_typed(answer.error(), damage);
        ++errors;
        continue;
      }
      EXPECT_EQ(*answer, *truth_.at(question));
    }
    return errors;
  }

  // With allow_partial: everything but what lies in the segments that are left out.
  void expect_partial(const Damage& damage, const std::string& whole, const std::string& segment) {
    const auto opened = open();
    if (!opened.ok()) return;
    SearchRequest like = request(world_.space());
    like.k = kAll;
    like.allow_partial = true;
    const auto found = (*opened)->search((*opened)->current(), like, world_.soon());
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_EQ(found->partial, !found->unreadable.empty());
    for (const std::string& message : found->unreadable)
      EXPECT_TRUE(names_one_of(message, damage)) << message;
    if (!found->partial) {
      EXPECT_EQ(text_of(*found), whole);
      return;
    }
    // Of the segment that is damaged some hits may be told all the same: right ones.
    EXPECT_EQ(text_of(*found, segment), without(segment));
    const std::set<std::string> right = lines_of(whole);
    for (const std::string& line : lines_of(text_of(*found))) EXPECT_TRUE(right.contains(line));
  }

  static std::set<std::string> lines_of(std::string_view text) {
    std::set<std::string> out;
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      out.emplace(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    return out;
  }

  // All hits of the whole index, less those of a segment.
  std::string without(const std::string& segment) {
    if (all_.hits.empty()) {
      const auto opened = open();
      SearchRequest like = request(world_.space());
      like.k = kAll;
      all_ = must((*opened)->search((*opened)->current(), like, world_.soon()));
    }
    return text_of(all_, segment);
  }

  // Whether check_files() names one of the files, or says why it cannot.
  void expect_found_by_check(const Damage& damage) {
    const auto opened = open();
    const auto found = opened.ok() ? (*opened)->check_files(world_.soon())
                                   : Result<std::vector<std::string>>(opened.error());
    if (!found.ok()) return expect_typed(found.error(), damage);
    for (const auto& [key, bytes] : damage.files) {
      EXPECT_TRUE(std::any_of(found->begin(), found->end(),
                              [&](const std::string& message) {
                                return message.find(name_in_messages(key)) != std::string::npos;
                              }))
          << key << " is not among " << found->size();
    }
  }

  void expect_sound() {
    const auto opened = must(open());
    EXPECT_EQ(must(opened->check_files(world_.soon())), std::vector<std::string>());
  }

  std::vector<std::string> keys_of(std::string_view folder) const {
    std::vector<std::string> out;
    for (const auto& [key, bytes] : files_->whole()) {
      if (key.starts_with(str_cat("ix/", folder))) out.push_back(key);
    }
    EXPECT_FALSE(out.empty()) << folder;
    return out;
  }
  // Merges leave others behind.
  std::vector<std::string> named_segments() const {
    std::vector<std::string> out;
    const Envelope head = Envelope::parse(whole("ix/head")).value();
    for (const FileRef& file : head.files) {
      if (file.key.starts_with("seg/")) out.push_back("ix/" + file.key);
    }
    return out;
  }
  const Bytes& whole(const std::string& key) const { return files_->whole().at(key); }
  static std::vector<Section> one_section(const Bytes& bytes) {
    return {{"file", 0, bytes.size()}};
  }

  World world_;
  std::unique_ptr<Index> index_;
  std::optional<Files> files_;
  Answers truth_;
  SearchResult all_;
  std::uint64_t reads_ = 0;
  SeededRandom damage_{kSeed};
};

TEST_F(Corruption, OfASegmentIsToldByItsName) {
  const std::string whole_text = without("");
  const std::vector<std::string> keys = named_segments();
  ASSERT_GE(keys.size(), 4U);
  std::size_t errors = 0;
  std::size_t tried = 0;
  for (const std::string& key : keys) {
    std::vector<Damage> damages =
        test::damages_of(key, whole(key), test::sections_of(whole(key)), damage_);
    for (Damage& damage : test::doubled_pages(key, whole(key)))
      damages.push_back(std::move(damage));
    if (key != keys[0]) damages.push_back(test::swapped(keys[0], key, files_->whole()));
    for (const Damage& damage : test::some(std::move(damages), kMostASegment, damage_)) {
      SCOPED_TRACE(str_cat("seed ", kSeed, ", ", damage.what));
      files_->apply(damage);
      errors += expect_right_or_told(damage);
      if (damage.files.size() == 1) expect_partial(damage, whole_text, name_in_messages(key));
      expect_found_by_check(damage);
      files_->restore(damage);
      ++tried;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(errors, tried / 2) << "hardly anything was looked at";
  expect_sound();
}

TEST_F(Corruption, OfADelFileIsToldByItsName) {
  for (const std::string& key : keys_of("del/")) {
    for (const Damage& damage :
         test::damages_of(key, whole(key), one_section(whole(key)), damage_)) {
      SCOPED_TRACE(str_cat("seed ", kSeed, ", ", damage.what));
      files_->apply(damage);
      expect_right_or_told(damage);
      expect_found_by_check(damage);
      files_->restore(damage);
      if (HasFailure()) return;
    }
  }
  expect_sound();
}

// Searches without a tree take longer, and are as right.
TEST_F(Corruption, OfATreeChangesNoAnswer) {
  for (const std::string& key : keys_of("tree/")) {
    for (const Damage& damage :
         test::damages_of(key, whole(key), one_section(whole(key)), damage_)) {
      SCOPED_TRACE(str_cat("seed ", kSeed, ", ", damage.what));
      files_->apply(damage);
      EXPECT_EQ(expect_right_or_told(damage), 0U);
      expect_found_by_check(damage);
      files_->restore(damage);
      if (HasFailure()) return;
    }
  }
  expect_sound();
}

// The opening file is a copy, and history is for a head that is lost: neither is asked for answers.
TEST_F(Corruption, OfCopiesChangesNoAnswer) {
  std::vector<std::string> keys = keys_of("opening/");
  const std::vector<std::string> history = keys_of("history/");
  keys.insert(keys.end(), history.begin(), history.end());
  for (const std::string& key : keys) {
    auto damages = test::damages_of(key, whole(key), one_section(whole(key)), damage_);
    for (const Damage& damage : test::some(std::move(damages), kMostACopy, damage_)) {
      SCOPED_TRACE(str_cat("seed ", kSeed, ", ", damage.what));
      files_->apply(damage);
      EXPECT_EQ(expect_right_or_told(damage), 0U);
      files_->restore(damage);
      if (HasFailure()) return;
    }
  }
  expect_sound();
}

// Read as it is, by rule 10: the generation before, from history, and marked so. Never another.
TEST_F(Corruption, OfTheHeadIsSeenAndReadAround) {
  const std::string key = "ix/head";
  const std::uint64_t newest = Envelope::parse(whole(key))->generation;
  const auto expect_recovered = [&] {
    const auto attached = Index::attach(world_.environment_on(world_.memory, world_.ids),
                                        world_.options.index, world_.soon());
    ASSERT_TRUE(attached.ok()) << attached.error().message;
    const HeadPtr head = must((*attached)->log().read(world_.soon()));
    EXPECT_TRUE(head->recovered);
    EXPECT_EQ(head->envelope.generation, newest - 1);
  };
  Damage damage{"a bit of the head", {{key, whole(key)}}};
  Bytes& bytes = *damage.files.at(key);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    files_->apply(damage);
    expect_recovered();
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    ASSERT_FALSE(HasFailure()) << "bit " << bit;
  }
  files_->restore(damage);
  for (const Damage& other : test::damages_of(key, whole(key), one_section(whole(key)), damage_)) {
    SCOPED_TRACE(str_cat("seed ", kSeed, ", ", other.what));
    files_->apply(other);
    expect_recovered();
    files_->restore(other);
  }
  expect_sound();
}

// Written by a Kedge of the future, whole and sealed: refused by name, and never half understood.
TEST_F(Corruption, AVersionOrFeatureOfTheFutureIsRefused) {
  std::vector<Damage> damages;
  for (const char* folder : {"del/", "tree/"}) {
    const std::string key = keys_of(folder)[0];
    Bytes bytes = whole(key);
    bytes[4] = std::byte{99};
    test::seal(bytes);
    damages.push_back({key, {{key, std::move(bytes)}}});
  }
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.what);
    files_->apply(damage);
    expect_right_or_told(damage);
    expect_found_by_check(damage);
    files_->restore(damage);
  }
  // The opening file is a copy.
  const std::string opening = keys_of("opening/").back();
  Damage newer{"an opening of the future", {{opening, whole(opening)}}};
  newer.files.at(opening)->at(4) = std::byte{99};
  std::uint32_t blocks = 0;
  std::memcpy(&blocks, newer.files.at(opening)->data() + 8, sizeof blocks);
  test::seal(std::span(*newer.files.at(opening)).first(16 + 32 * blocks + 4));
  files_->apply(newer);
  EXPECT_EQ(expect_right_or_told(newer), 0U);
  files_->restore(newer);
  // A segment's directory is sealed by the head.
  for (const std::string& key : named_segments()) {
    Damage damage{key + ", version", {{key, whole(key)}}};
    Envelope head = Envelope::parse(whole("ix/head")).value();
    IndexState state = IndexState::parse(head.payload).value();
    for (SegmentEntry& entry : state.segments) {
      if ("ix/" + entry.file_key() != key) continue;
      const Extent& extent = entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
      const auto directory = std::span(*damage.files.at(key)).subspan(extent.offset, extent.size);
      directory[4] = std::byte{99};
      entry.directory_crc = crc32c(directory);
    }
    head.payload = state.encode();
    const Damage sealed{"the head", {{"ix/head", head.encode()}}};
    SCOPED_TRACE(damage.what);
    files_->apply(damage);
    files_->apply(sealed);
    EXPECT_GT(expect_right_or_told(damage), 0U);
    expect_found_by_check(damage);
    files_->restore(sealed);
    files_->restore(damage);
  }
  Envelope head = Envelope::parse(whole("ix/head")).value();
  head.features = {"a-feature-of-the-future"};
  const Damage damage{"a feature", {{"ix/head", head.encode()}}};
  files_->apply(damage);
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.code(), Code::kUnsupported);
  EXPECT_NE(opened.error().message.find("a-feature-of-the-future"), std::string::npos)
      << opened.error().message;
  files_->restore(damage);
  expect_sound();
}

}  // namespace
}  // namespace kedge
