// The head's bytes: each rule broken on its own, with the checksum sealed again, or only the
// checksum would be tested.
#include "format/envelope.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/strings.h"
#include "format/golden.h"

namespace kedge {
namespace {

Id128 id_of(int value) {
  Id128 id;
  id.bytes.fill(static_cast<std::byte>(value));
  return id;
}

// Generation 3 with one of everything; docs/format.md shows these bytes.
Envelope sample() {
  Envelope e;
  e.commit_id = id_of(0x33);
  e.parent_id = id_of(0x22);
  e.generation = 3;
  e.committed_at = {1'700'000'000'000'000};
  e.gc_floor = {1'699'990'000'000'000};
  e.retained_from = 2;
  e.retention = std::chrono::hours(48);
  e.grace = std::chrono::hours(24);
  e.recent = {{3, id_of(0x33)}, {2, id_of(0x22)}, {1, id_of(0x11)}};
  e.pins = {{"may", 2, id_of(0x22), {1'699'999'000'000'000}}};
  e.features = {"x"};
  e.files = {{"seg/ab/abc", 4096}};
  e.payload = to_bytes("hello");
  return e;
}
const std::vector<std::string> kFeatures = {"x"};

constexpr std::size_t kPairs = 112;
constexpr std::size_t kPinAt = kPairs + 3 * 24;

Bytes resealed(Bytes bytes) {
  const std::uint32_t crc = crc32c(ByteView(bytes).first(bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &crc, 4);
  return bytes;
}

TEST(Envelope, ParsesWhatItEncodes) {
  const Envelope e = sample();
  ASSERT_TRUE(e.validate().ok()) << e.validate().error().message;
  const Bytes bytes = e.encode();
  const auto parsed = Envelope::parse(bytes, kFeatures);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(*parsed, e);
  EXPECT_EQ(parsed->encode(), bytes);
}

// The released bytes stay readable.
TEST(Envelope, ReadsTheGoldenFileOfVersionOne) {
  const Bytes now = sample().encode();
  const Bytes kept = golden("head-v1.bin", now);
  EXPECT_EQ(to_hex(kept), to_hex(now));
  const auto parsed = Envelope::parse(kept, kFeatures);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(*parsed, sample());
}

// The bytes that a writer of ours cannot make.
TEST(Envelope, RefusesEachBrokenByteRule) {
  const Bytes good = sample().encode();
  const std::size_t padding = good.size() - 4 - 5 - 1;  // before the payload
  const struct {
    std::size_t offset;
    std::uint8_t value;
    const char* message;
  } cases[] = {
      {0, 'X', "head: bad magic at offset 0"},
      {6, 1, "head: reserved bytes at offset 6"},
      {8, 2, "head: bad length at offset 8"},
      {12, 2, "head: unknown flags at offset 12"},
      {15, 1, "head: unknown flags at offset 12"},
      {97, 1, "head: too many recent pairs at offset 96"},
      {99, 2, "head: too many pins at offset 98"},
      {101, 1, "head: too many features at offset 100"},
      {102, 1, "head: reserved bytes at offset 102"},
      {106, 1, "head: too many files at offset 104"},
      {108, 6, "head: payload size at offset 108 does not fit the file"},
      {111, 0xFF, "head: payload size at offset 108 does not fit the file"},
      {kPinAt + 1, 0xFF, "head: lists end past the file, after offset 186"},
      {padding, 1, "head: padding at offset 247"},
      {48, 4, "head: the first recent pair is not the head's own"},
      {12, 1, "head: dropped, and names files"},
  };
  for (const auto& c : cases) {
    Bytes bad = good;
    bad[c.offset] = static_cast<std::byte>(c.value);
    const auto parsed = Envelope::parse(resealed(bad), kFeatures);
    ASSERT_FALSE(parsed.ok()) << c.message;
    EXPECT_EQ(parsed.error().message, c.message) << "offset " << c.offset;
    EXPECT_EQ(parsed.code(), Code::kCorrupt);
  }
}

// The rules of the fields, through validate(), and through parse() on bytes that encode() made of
// them.
TEST(Envelope, RefusesEachBrokenFieldRule) {
  const struct {
    const char* message;
    std::function<void(Envelope&)> change;
  } cases[] = {
      {"generation is zero", [](Envelope& e) { e.generation = 0; }},
      {"commit id is zero", [](Envelope& e) { e.commit_id = {}; }},
      {"parent id does not fit the generation", [](Envelope& e) { e.parent_id = {}; }},
      {"parent id does not fit the generation", [](Envelope& e) { e.generation = 1; }},
      {"retained_from out of range", [](Envelope& e) { e.retained_from = 0; }},
      {"retained_from out of range", [](Envelope& e) { e.retained_from = 4; }},
      {"number of recent pairs out of range", [](Envelope& e) { e.recent.clear(); }},
      {"recent pair 1 is zero", [](Envelope& e) { e.recent[1].second = {}; }},
      {"recent pair 2 is zero", [](Envelope& e) { e.recent[2].first = 0; }},
      {"recent pair 2 does not fall", [](Envelope& e) { e.recent[2].first = 2; }},
      {"the first recent pair is not the head's own",
       [](Envelope& e) { e.recent[0].second = id_of(9); }},
      {"the second recent pair is not the parent's",
       [](Envelope& e) { e.recent[1].second = id_of(9); }},
      {"the second recent pair is not the parent's", [](Envelope& e) { e.recent.resize(1); }},
      {"recent pairs end too early", [](Envelope& e) { e.recent.resize(2); }},
      {"committed_at out of range", [](Envelope& e) { e.committed_at = {-1}; }},
      {"gc_floor out of range", [](Envelope& e) { e.gc_floor = {INT64_MAX}; }},
      {"grace is under two hours", [](Envelope& e) { e.grace = std::chrono::minutes(119); }},
      {"retention is under grace", [](Envelope& e) { e.retention = std::chrono::hours(23); }},
      {"retention is over ten years", [](Envelope& e) { e.retention = Duration::max(); }},
      {"pin 0: bad name", [](Envelope& e) { e.pins[0].name = "a b"; }},
      {"pin 0: bad name", [](Envelope& e) { e.pins[0].name = ""; }},
      {"pin 1: not sorted", [](Envelope& e) { e.pins.push_back(e.pins[0]); }},
      {"pin 0: holds no earlier generation", [](Envelope& e) { e.pins[0].generation = 3; }},
      {"pin 0: holds no earlier generation", [](Envelope& e) { e.pins[0].commit_id = {}; }},
      {"pin 0: time out of range", [](Envelope& e) { e.pins[0].created = {-5}; }},
      {"feature 0: bad name", [](Envelope& e) { e.features[0] = std::string(65, 'x'); }},
      {"feature 1: not sorted",
       [](Envelope& e) {
         e.features = {"x", "x"};
       }},
      {"file 0: bad key", [](Envelope& e) { e.files[0].key = "seg/../head"; }},
      {"file 0: bad key", [](Envelope& e) { e.files[0].key = "head"; }},
      {"file 0: bad key", [](Envelope& e) { e.files[0].key = "history/x"; }},
      {"file 0: bad key", [](Envelope& e) { e.files[0].key = "/seg"; }},
      {"file 0: bad key", [](Envelope& e) { e.files[0].key = "seg//x"; }},
      {"file 0: bad key", [](Envelope& e) { e.files[0].key = "seg/"; }},
      {"file 0: bad key", [](Envelope& e) { e.files[0].key = std::string(201, 'x'); }},
      {"file 1: not sorted", [](Envelope& e) { e.files.push_back(e.files[0]); }},
      {"file 0: size out of range", [](Envelope& e) { e.files[0].size = kMaxFileBytes + 1; }},
      {"dropped, and names files", [](Envelope& e) { e.dropped = true; }},
  };
  for (const auto& c : cases) {
    Envelope e = sample();
    c.change(e);
    const auto valid = e.validate();
    ASSERT_FALSE(valid.ok()) << c.message;
    EXPECT_EQ(valid.error().message, str_cat("head: ", c.message));
    EXPECT_EQ(valid.code(), Code::kInvalid);
    const auto parsed = Envelope::parse(e.encode(), kFeatures);
    ASSERT_FALSE(parsed.ok()) << c.message;
    EXPECT_EQ(parsed.error().message, str_cat("head: ", c.message));
    EXPECT_EQ(parsed.code(), Code::kCorrupt);
  }
}

// A name that takes all the rest of the file, its checksum too: no padding comes any more, and the
// search for its end must not go on for ever.
TEST(Envelope, RefusesListsThatLeaveNoRoomForThePadding) {
  Envelope e = sample();
  e.files.clear();
  e.payload.clear();
  const Bytes good = e.encode();
  const std::size_t name_at = kPinAt + 2 + 3 + 8 + 16 + 8;
  std::size_t ends = 0;
  for (std::size_t cut = 0; cut < 8; ++cut) {
    Bytes bad(good.begin(), good.end());
    bad.resize(bad.size() + cut, std::byte{'x'});
    const auto length = static_cast<std::uint32_t>(bad.size());
    std::memcpy(bad.data() + 8, &length, 4);
    const auto name = static_cast<std::uint16_t>(bad.size() - name_at - 2);
    std::memcpy(bad.data() + name_at, &name, 2);
    const auto parsed = Envelope::parse(resealed(bad), kFeatures);
    ASSERT_FALSE(parsed.ok()) << cut;
    EXPECT_EQ(parsed.code(), Code::kCorrupt);
    ends += bad.size() % 8 != 0 ? 1 : 0;
  }
  EXPECT_EQ(ends, 7U) << "every place but one wants padding";
}

TEST(Envelope, RefusesWhatItDoesNotKnowByName) {
  EXPECT_EQ(Envelope::parse(sample().encode()).code(), Code::kUnsupported);
  EXPECT_EQ(Envelope::parse(sample().encode()).error().message,
            "head: needs the feature 'x', which this build does not know");
  Bytes newer = sample().encode();
  newer[4] = std::byte{2};
  EXPECT_EQ(Envelope::parse(resealed(newer), kFeatures).error().message,
            "head: format version 2; this build knows 1");
  EXPECT_EQ(Envelope::parse(resealed(newer), kFeatures).code(), Code::kUnsupported);
}

// M1: every flipped bit, every truncation, an extension.
TEST(Envelope, RefusesEveryFlippedBitAndEveryOtherLength) {
  const Bytes good = sample().encode();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    ASSERT_EQ(Envelope::parse(bad, kFeatures).code(), Code::kCorrupt) << "bit " << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    ASSERT_EQ(Envelope::parse(ByteView(good).first(size), kFeatures).code(), Code::kCorrupt)
        << size;
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_EQ(Envelope::parse(longer, kFeatures).code(), Code::kCorrupt);
  EXPECT_EQ(Envelope::parse(Bytes(kMaxHeadBytes + 1), kFeatures).error().message,
            str_cat("head: too long: ", kMaxHeadBytes + 1, " bytes"));
}

TEST(Envelope, RetainsTheYoungAndThePinned) {
  Envelope e = sample();
  e.generation = 10;
  e.retained_from = 8;
  for (std::uint64_t g = 1; g <= 11; ++g)
    EXPECT_EQ(e.retains(g), g == 2 || (g >= 8 && g <= 10)) << g;
}

}  // namespace
}  // namespace kedge
