#include "tests/store/conformance.h"

#include <algorithm>

#include "base/strings.h"
#include "base/utf8.h"

namespace kedge {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreConformance);

ReadRequest whole(std::string_view key) { return part(key, 0, std::nullopt); }

ReadRequest part(std::string_view key, std::uint64_t offset, std::optional<std::uint64_t> length) {
  return {.key = std::string(key),
          .offset = offset,
          .length = length,
          .if_match = std::nullopt,
          .version_id = {}};
}

std::string text_at(ObjectStore& store, std::string_view key) {
  const Result<Blob> blob = read_one(store, whole(key), Deadline::never());
  if (!blob.ok()) return str_cat("<", code_name(blob.code()), ">");
  return std::string(as_text(blob->body));
}

std::vector<ObjectInfo> list_all(ObjectStore& store, std::string_view prefix,
                                 std::string_view start_after) {
  std::vector<ObjectInfo> all;
  const std::unique_ptr<Listing> listing = store.list(prefix, start_after);
  while (true) {
    Result<std::vector<ObjectInfo>> page = listing->next(Deadline::never());
    EXPECT_TRUE(page.ok()) << (page.ok() ? "" : page.error().message);
    if (!page.ok() || page->empty()) break;
    EXPECT_LE(page->size(), kMaxListPage);
    all.insert(all.end(), page->begin(), page->end());
  }
  return all;
}

std::vector<std::string> keys_of(const std::vector<ObjectInfo>& objects) {
  std::vector<std::string> keys;
  for (const ObjectInfo& object : objects) keys.push_back(object.key);
  return keys;
}

namespace {

const Deadline kNever = Deadline::never();

std::vector<std::string> sorted(std::vector<std::string> keys) {
  std::ranges::sort(keys);
  return keys;
}

// Acknowledged means visible at once, to this handle and to any other.
TEST_P(StoreConformance, ReadsWhatWasPut) {
  promise("what was written is read at once, by this handle and by any other");
  const Result<Written> written = put_one(store(), "seg/ab/one", as_bytes("hello"), kNever);
  ASSERT_TRUE(done(written));
  const Result<Blob> blob = read_one(store(), whole("seg/ab/one"), kNever);
  ASSERT_TRUE(done(blob));
  EXPECT_EQ(as_text(blob->body), "hello");
  EXPECT_EQ(blob->info.key, "seg/ab/one");
  EXPECT_EQ(blob->info.size, 5U);
  EXPECT_EQ(blob->info.tag, written->tag);
  EXPECT_FALSE(blob->info.tag.value.empty());
  if (const auto other = under_test().open_again()) {
    EXPECT_EQ(text_at(*other, "seg/ab/one"), "hello");
  }
}

TEST_P(StoreConformance, PutReplaces) {
  promise("a second write of a key takes the place of the first, whatever their lengths");
  ASSERT_TRUE(done(put_one(store(), "k", as_bytes("a longer first body"), kNever)));
  ASSERT_TRUE(done(put_one(store(), "k", as_bytes("second"), kNever)));
  EXPECT_EQ(text_at(store(), "k"), "second");
}

TEST_P(StoreConformance, KeepsEmptyBodies) {
  promise("bodies without a byte are kept");
  ASSERT_TRUE(done(put_one(store(), "put", {}, kNever)));
  ASSERT_TRUE(done(store().create("created", {}, kNever)));
  for (const char* key : {"put", "created"}) {
    const Result<Blob> blob = read_one(store(), whole(key), kNever);
    ASSERT_TRUE(done(blob));
    EXPECT_TRUE(blob->body.empty()) << key;
    EXPECT_EQ(blob->info.size, 0U) << key;
    const Result<Blob> ranged = read_one(store(), part(key, 0, 10), kNever);
    ASSERT_TRUE(done(ranged));
    EXPECT_TRUE(ranged->body.empty()) << key;
  }
}

TEST_P(StoreConformance, KeepsBigBodies) {
  promise("bodies of 8 MiB are kept, and read in part");
  Bytes big(std::size_t{8} << 20);
  std::uint32_t state = 1;
  for (std::byte& b : big) b = static_cast<std::byte>((state = state * 1664525 + 1013904223) >> 24);
  ASSERT_TRUE(done(put_one(store(), "big", big, kNever)));
  const Result<Blob> blob = read_one(store(), whole("big"), kNever);
  ASSERT_TRUE(done(blob));
  EXPECT_TRUE(blob->body == big);
  const Result<Blob> middle = read_one(store(), part("big", 5'000'001, 1'000'003), kNever);
  ASSERT_TRUE(done(middle));
  EXPECT_TRUE(std::ranges::equal(middle->body, ByteView(big).subspan(5'000'001, 1'000'003)));
}

TEST_P(StoreConformance, ReadsRanges) {
  promise("any range is read; one that begins past the end is refused");
  ASSERT_TRUE(done(put_one(store(), "k", as_bytes("0123456789"), kNever)));
  const struct {
    std::uint64_t offset;
    std::optional<std::uint64_t> length;
    const char* expected;
  } cases[] = {{0, {}, "0123456789"},
               {0, 10, "0123456789"},
               {0, 3, "012"},
               {4, 3, "456"},
               {7, {}, "789"},
               {7, 3, "789"},
               {7, 100, "789"},
               {9, 1, "9"},
               {0, 0, ""},
               {3, 0, ""},
               {10, {}, "<invalid>"},
               {10, 0, "<invalid>"},
               {11, {}, "<invalid>"},
               {1'000'000, 5, "<invalid>"},
               {2, ~std::uint64_t{0}, "23456789"},
               {~std::uint64_t{0}, 2, "<invalid>"}};
  for (const auto& c : cases) {
    const Result<Blob> blob = read_one(store(), part("k", c.offset, c.length), kNever);
    const std::string got =
        blob.ok() ? std::string(as_text(blob->body)) : str_cat("<", code_name(blob.code()), ">");
    EXPECT_EQ(got, c.expected) << "offset " << c.offset << " length "
                               << (c.length ? str_cat(*c.length) : "none");
    if (!blob.ok()) continue;
    EXPECT_EQ(blob->info.size, 10U);
    EXPECT_TRUE(!tags_everywhere() || !blob->info.tag.value.empty());
  }
}

// A missing key is proven absent, and the message names it.
TEST_P(StoreConformance, SaysNotFound) {
  promise("a key that is not there is told from one that cannot be read");
  const Result<Blob> blob = read_one(store(), whole("nothing/here"), kNever);
  ASSERT_FALSE(blob.ok());
  EXPECT_EQ(blob.code(), Code::kNotFound);
  EXPECT_NE(blob.error().message.find("nothing/here"), std::string::npos) << blob.error().message;
  const Result<Stat> stat = stat_one(store(), "nothing/here", kNever);
  ASSERT_FALSE(stat.ok());
  EXPECT_EQ(stat.code(), Code::kNotFound);
}

TEST_P(StoreConformance, ReadHoldsIfMatch) {
  promise("a read of a state that was replaced is refused, never another's bytes");
  const Result<Written> first = put_one(store(), "k", as_bytes("first"), kNever);
  ASSERT_TRUE(done(first));
  for (const bool ranged : {false, true}) {
    ReadRequest request = ranged ? part("k", 1, 2) : whole("k");
    request.if_match = first->tag;
    const Result<Blob> same = read_one(store(), request, kNever);
    ASSERT_TRUE(done(same));
    EXPECT_EQ(as_text(same->body), ranged ? "ir" : "first");
    request.if_match = Tag{"0123456789abcdef0123456789abcdef"};
    const Result<Blob> wrong = read_one(store(), request, kNever);
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(wrong.code(), Code::kConflict);
  }
  ASSERT_TRUE(done(put_one(store(), "k", as_bytes("other"), kNever)));
  ReadRequest stale = whole("k");
  stale.if_match = first->tag;
  EXPECT_EQ(read_one(store(), stale, kNever).code(), Code::kConflict);
  EXPECT_EQ(store().stat(std::span(&stale, 1), kNever).front().code(), Code::kConflict);
}

TEST_P(StoreConformance, StatDescribesLikeRead) {
  promise("size, tag and time of a key are the same without its bytes");
  ASSERT_TRUE(done(put_one(store(), "k", as_bytes("hello"), kNever)));
  const Result<Blob> blob = read_one(store(), whole("k"), kNever);
  const Result<Stat> stat = stat_one(store(), "k", kNever);
  ASSERT_TRUE(done(blob));
  ASSERT_TRUE(done(stat));
  EXPECT_EQ(stat->info.key, "k");
  EXPECT_EQ(stat->info.size, 5U);
  EXPECT_EQ(stat->info.tag, blob->info.tag);
  EXPECT_EQ(stat->info.last_modified, blob->info.last_modified);
}

// One bad key fails nobody else, and answers come in the order asked.
TEST_P(StoreConformance, BatchesAnswerEach) {
  promise("a batch answers each in the order asked; a bad key fails no other");
  const std::string too_long(kMaxKeyBytes + 1, 'k');
  const std::vector<PutRequest> puts = {{"a", as_bytes("A")},
                                        {"", as_bytes("no key")},
                                        {"b/c", as_bytes("BC")},
                                        {too_long, as_bytes("long")},
                                        {"d", as_bytes("D")}};
  const auto written = store().put(puts, kNever);
  ASSERT_EQ(written.size(), puts.size());
  for (std::size_t i = 0; i < puts.size(); ++i) EXPECT_EQ(written[i].ok(), i % 2 == 0) << i;
  EXPECT_EQ(written[1].code(), Code::kInvalid);
  EXPECT_EQ(written[3].code(), Code::kInvalid);

  const std::vector<ReadRequest> reads = {whole("d"),      whole("missing"), whole("b/c"),
                                          whole(too_long), part("a", 5, 1),  whole("a")};
  const auto blobs = store().read(reads, kNever);
  ASSERT_EQ(blobs.size(), reads.size());
  std::vector<std::string> got;
  for (const auto& blob : blobs)
    got.push_back(blob.ok() ? std::string(as_text(blob->body))
                            : std::string(code_name(blob.code())));
  EXPECT_EQ(got, (std::vector<std::string>{"D", "not_found", "BC", "invalid", "invalid", "A"}));
  const auto stats = store().stat(reads, kNever);
  ASSERT_EQ(stats.size(), reads.size());
  EXPECT_TRUE(stats[0].ok() && stats[2].ok() && stats[4].ok() && stats[5].ok());
  EXPECT_EQ(stats[1].code(), Code::kNotFound);

  const std::vector<std::string> keys = {"a", too_long, "missing", "b/c"};
  const auto removed = store().remove(keys, kNever);
  ASSERT_EQ(removed.size(), keys.size());
  EXPECT_TRUE(removed[0].ok() && removed[2].ok() && removed[3].ok());
  EXPECT_EQ(removed[1].code(), Code::kInvalid);
  EXPECT_EQ(keys_of(list_all(store(), "")), std::vector<std::string>{"d"});
}

TEST_P(StoreConformance, EmptyBatchesAreFine) {
  promise("an empty batch is fine");
  EXPECT_TRUE(store().read({}, kNever).empty());
  EXPECT_TRUE(store().stat({}, kNever).empty());
  EXPECT_TRUE(store().put({}, kNever).empty());
  EXPECT_TRUE(store().remove({}, kNever).empty());
}

TEST_P(StoreConformance, CreateFindsTheKeyTaken) {
  promise("a create of a key that is there is refused");
  const Result<Written> first = store().create("history/1", as_bytes("one"), kNever);
  ASSERT_TRUE(done(first));
  const Result<Written> second = store().create("history/1", as_bytes("two"), kNever);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.code(), Code::kConflict);
  // The same bytes too: the answer is about the key.
  EXPECT_EQ(store().create("history/1", as_bytes("one"), kNever).code(), Code::kConflict);
  EXPECT_EQ(text_at(store(), "history/1"), "one");
  const std::string key = "history/1";
  ASSERT_TRUE(done(store().remove(std::span(&key, 1), kNever).front()));
  ASSERT_TRUE(done(store().create(key, as_bytes("again"), kNever)));
  EXPECT_EQ(text_at(store(), key), "again");
}

TEST_P(StoreConformance, SwapReplacesTheExpectedStateOnly) {
  promise("a swap replaces the state that it expects, and no other");
  const Result<Written> first = store().create("head", as_bytes("one"), kNever);
  ASSERT_TRUE(done(first));
  const Result<Written> second = store().swap("head", first->tag, as_bytes("two"), kNever);
  ASSERT_TRUE(done(second));
  EXPECT_NE(first->tag, second->tag);
  EXPECT_EQ(text_at(store(), "head"), "two");
  const Result<Written> stale = store().swap("head", first->tag, as_bytes("three"), kNever);
  ASSERT_FALSE(stale.ok());
  EXPECT_EQ(stale.code(), Code::kConflict);
  EXPECT_EQ(store().swap("head", Tag{"nonsense"}, as_bytes("x"), kNever).code(), Code::kConflict);
  EXPECT_EQ(store().swap("head", Tag{}, as_bytes("x"), kNever).code(), Code::kConflict);
  EXPECT_EQ(text_at(store(), "head"), "two");
  ASSERT_TRUE(done(store().swap("head", second->tag, {}, kNever)));
  EXPECT_EQ(text_at(store(), "head"), "");
  // The tag of a read is good for a swap.
  const Result<Blob> blob = read_one(store(), whole("head"), kNever);
  ASSERT_TRUE(done(blob));
  ASSERT_TRUE(done(store().swap("head", blob->info.tag, as_bytes("four"), kNever)));
}

TEST_P(StoreConformance, SwapOfAMissingKeyConflicts) {
  promise("a swap of a key that is not there is refused, and makes none");
  const Result<Written> written = put_one(store(), "other", as_bytes("x"), kNever);
  ASSERT_TRUE(done(written));
  for (const Tag& tag : {Tag{}, Tag{"x"}, written->tag}) {
    const Result<Written> swapped = store().swap("head", tag, as_bytes("new"), kNever);
    ASSERT_FALSE(swapped.ok());
    EXPECT_EQ(swapped.code(), Code::kConflict);
  }
  EXPECT_EQ(text_at(store(), "head"), "<not_found>");
}

TEST_P(StoreConformance, RemoveTwiceSucceeds) {
  promise("removing what is not there is no error");
  ASSERT_TRUE(done(put_one(store(), "a/b", as_bytes("x"), kNever)));
  const std::vector<std::string> keys = {"a/b", "a/b", "never/was", "a"};
  for (int round = 0; round < 2; ++round)
    for (const Result<void>& removed : store().remove(keys, kNever)) ASSERT_TRUE(done(removed));
  EXPECT_EQ(text_at(store(), "a/b"), "<not_found>");
  EXPECT_TRUE(list_all(store(), "").empty());
  ASSERT_TRUE(done(put_one(store(), "a/b", as_bytes("back"), kNever)));
  EXPECT_EQ(text_at(store(), "a/b"), "back");
}

TEST_P(StoreConformance, AnEmptyStoreListsNothing) {
  promise("an empty store lists nothing");
  EXPECT_TRUE(list_all(store(), "").empty());
  EXPECT_TRUE(list_all(store(), "any/prefix").empty());
  EXPECT_TRUE(list_all(store(), "", "after").empty());
}

// Names chosen so that folders, which sort as their name with '/', would come in the wrong order.
TEST_P(StoreConformance, ListsByPrefixAndInOrder) {
  promise("a listing has every key of a prefix once, in order");
  const std::vector<std::string> keys = {
      "a-b",        "a.b",          "a/b",       "a/b.c/d",  "a/b0",     "a0",      "b",
      "history/01", "history/02-x", "history-2", "seg/00/x", "seg/01/y", "seg/0/z", "z"};
  for (const std::string& key : keys) {
    if (key == "a/b" && !any_key()) continue;
    ASSERT_TRUE(done(put_one(store(), key, as_bytes(key), kNever)));
  }
  std::vector<std::string> present;
  for (const std::string& key : keys)
    if (key != "a/b" || any_key()) present.push_back(key);
  const bool ordered = this->ordered();
  for (const char* prefix : {"", "a", "a/", "a/b", "history/", "history", "hist", "seg/0",
                             "seg/00/x", "seg/00/xx", "nothing", "/", "../", "z", "b/"}) {
    for (const char* after : {"", "a", "a/", "a/b0", "history", "history/01", "seg/00", "zz"}) {
      if (!ordered && *after != 0) continue;
      std::vector<std::string> expected;
      for (const std::string& key : sorted(present))
        if (key.starts_with(prefix) && key > after) expected.push_back(key);
      const std::vector<std::string> listed = keys_of(list_all(store(), prefix, after));
      EXPECT_EQ(ordered ? listed : sorted(listed), expected)
          << "prefix '" << prefix << "' after '" << after << "'";
    }
  }
}

TEST_P(StoreConformance, ListingsDescribe) {
  promise("a listing has sizes, times and tags");
  const Result<Written> written = put_one(store(), "seg/a", as_bytes("hello"), kNever);
  ASSERT_TRUE(done(written));
  const std::vector<ObjectInfo> all = list_all(store(), "");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].key, "seg/a");
  EXPECT_EQ(all[0].size, 5U);
  EXPECT_EQ(all[0].version_id, "");
  EXPECT_TRUE(!tags_everywhere() || all[0].tag == written->tag);
  const Result<Stat> stat = stat_one(store(), "seg/a", kNever);
  ASSERT_TRUE(done(stat));
  EXPECT_EQ(all[0].last_modified, stat->info.last_modified);
}

TEST_P(StoreConformance, ListsMoreThanTwoPages) {
  promise("a listing of more than two pages is whole, from any key on");
  const std::size_t count = 2 * kMaxListPage + 345;
  std::vector<PutRequest> puts;
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(100'000 + i);
    puts.push_back({str_cat("many/", number.substr(4), "/", number), as_bytes("x")});
    expected.push_back(puts.back().key);
  }
  for (std::size_t at = 0; at < puts.size(); at += 500)
    for (const auto& written :
         store().put(std::span(puts).subspan(at, std::min<std::size_t>(500, count - at)), kNever))
      ASSERT_TRUE(done(written));
  ASSERT_TRUE(done(put_one(store(), "other", as_bytes("x"), kNever)));
  std::ranges::sort(expected);
  std::vector<std::string> listed = keys_of(list_all(store(), "many/"));
  const bool ordered = this->ordered();
  if (!ordered) std::ranges::sort(listed);
  EXPECT_EQ(listed, expected);
  if (ordered) {
    const std::vector<std::string> rest = keys_of(list_all(store(), "many/", expected[1500]));
    EXPECT_TRUE(std::ranges::equal(rest, std::span(expected).subspan(1501)));
  }
}

// Removed keys leave the next listing, and a listing goes on while its keys are removed (gc).
TEST_P(StoreConformance, ListingsEndWhileKeysAreRemoved) {
  promise("a listing goes on while its keys are removed");
  std::vector<PutRequest> puts;
  for (std::size_t i = 0; i < kMaxListPage + 200; ++i)
    puts.push_back({str_cat("k", 10'000 + i), as_bytes("x")});
  for (const auto& written : store().put(puts, kNever)) ASSERT_TRUE(done(written));
  const auto listing = store().list("", "");
  std::set<std::string> seen;
  while (true) {
    const auto page = listing->next(kNever);
    ASSERT_TRUE(done(page));
    if (page->empty()) break;
    const std::vector<std::string> keys = keys_of(*page);
    seen.insert(keys.begin(), keys.end());
    for (const auto& removed : store().remove(keys, kNever)) ASSERT_TRUE(done(removed));
  }
  EXPECT_EQ(seen.size(), puts.size());
  EXPECT_TRUE(list_all(store(), "").empty());
}

// Uploads that began after a state was read began after its store_time, and Written::store_time is
// never after Last-Modified: gc's fence stands on both.
TEST_P(StoreConformance, StoreTimesAreOrdered) {
  promise("what is written after a state was read is not dated before it");
  const Result<Timestamp> before = store().now(kNever);
  ASSERT_TRUE(done(before));
  EXPECT_GT(before->micros, 0);
  const Result<Written> written = put_one(store(), "k", as_bytes("x"), kNever);
  ASSERT_TRUE(done(written));
  EXPECT_LE(*before, written->store_time);
  const Result<Blob> blob = read_one(store(), whole("k"), kNever);
  ASSERT_TRUE(done(blob));
  EXPECT_LE(written->store_time, blob->info.last_modified);
  const Duration lag = clock_lag();
  EXPECT_LE(blob->info.last_modified, blob->store_time + lag);
  const Result<Written> swapped = store().swap("k", blob->info.tag, as_bytes("y"), kNever);
  ASSERT_TRUE(done(swapped));
  EXPECT_LE(blob->store_time, swapped->store_time);
  const Result<Stat> stat = stat_one(store(), "k", kNever);
  ASSERT_TRUE(done(stat));
  EXPECT_LE(swapped->store_time, stat->info.last_modified);
  EXPECT_LE(stat->info.last_modified, stat->store_time + lag);
  const Result<Timestamp> after = store().now(kNever);
  ASSERT_TRUE(done(after));
  EXPECT_LE(stat->store_time, *after);
}

// Whether a file system may take the key for another one, or not take it at all.
bool is_odd_path(std::string_view key) {
  const std::string path = str_cat("/", key, "/");
  return path.find("//") != std::string::npos || path.find("/./") != std::string::npos ||
         path.find("/../") != std::string::npos || path.find('\0') != std::string::npos;
}

// Keys of any bytes (of any UTF-8, where a store takes only that) are kept apart, or refused; never
// are they taken for another key.
TEST_P(StoreConformance, OddKeysAreKeptOrRefused) {
  promise("keys of any bytes are kept apart or refused, never taken for another");
  const std::vector<std::string> odd = {"../up",
                                        "a/../b",
                                        "/abs",
                                        "a//b",
                                        "a/",
                                        ".",
                                        "..",
                                        ".tmp/x",
                                        ".lock",
                                        "a/.hidden",
                                        "new\nline",
                                        "sp ace",
                                        "\xff\xfe",
                                        "caf\xc3\xa9",
                                        "a\\b",
                                        "a/./b",
                                        std::string("nul\0l", 5),
                                        std::string(300, 'x'),
                                        "%41",
                                        "*",
                                        "?x=1&y",
                                        "+"};
  std::vector<std::string> kept;
  for (const std::string& key : odd) {
    if (keys_are_paths() && is_odd_path(key)) continue;
    const Result<Written> written = put_one(store(), key, as_bytes(key), kNever);
    if (written.ok()) {
      kept.push_back(key);
      continue;
    }
    EXPECT_FALSE(any_key() && !find_invalid_utf8(key)) << printable(key);
    EXPECT_EQ(written.code(), Code::kInvalid) << printable(key) << written.error().message;
    EXPECT_FALSE(store().create(key, as_bytes("x"), kNever).ok()) << printable(key);
    EXPECT_FALSE(store().swap(key, Tag{"t"}, as_bytes("x"), kNever).ok()) << printable(key);
    EXPECT_FALSE(read_one(store(), whole(key), kNever).ok()) << printable(key);
    const Result<void> removed = store().remove(std::span(&key, 1), kNever).front();
    EXPECT_TRUE(removed.ok() || removed.code() != Code::kInternal) << removed.error().message;
    if (keys_are_paths() && !find_invalid_utf8(key)) continue;
    EXPECT_EQ(store().create(key, as_bytes("x"), kNever).code(), Code::kInvalid);
    EXPECT_EQ(store().swap(key, Tag{"t"}, as_bytes("x"), kNever).code(), Code::kInvalid);
    EXPECT_EQ(read_one(store(), whole(key), kNever).code(), Code::kInvalid);
    EXPECT_EQ(removed.code(), Code::kInvalid);
  }
  for (const std::string& key : kept) EXPECT_EQ(text_at(store(), key), key) << printable(key);
  EXPECT_EQ(sorted(keys_of(list_all(store(), ""))), sorted(kept));
}

TEST_P(StoreConformance, TakesTheLongestKey) {
  promise("keys of the greatest length are kept");
  std::string key;
  while (key.size() + 200 < kMaxKeyBytes) key += std::string(199, 'k') + "/";
  key += std::string(kMaxKeyBytes - key.size(), 'k');
  ASSERT_EQ(key.size(), kMaxKeyBytes);
  ASSERT_TRUE(done(put_one(store(), key, as_bytes("x"), kNever)));
  EXPECT_EQ(text_at(store(), key), "x");
  EXPECT_EQ(keys_of(list_all(store(), "k")), std::vector<std::string>{key});
}

}  // namespace
}  // namespace kedge
