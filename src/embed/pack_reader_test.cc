// Reading packs: the right vector or none, in few requests, whatever happened to the files.
#include "embed/pack_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "embed/testing.h"
#include "store/counting_store.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

using test::batch_of;
using test::hash_of;
using test::vector_of;

constexpr std::uint32_t kDimension = 6;
const std::string kPrefix = "c/";

class PackReaderTest : public testing::Test {
 protected:
  PackReaderTest() {
    state_.space = test::cache_space(kDimension).id();
    state_.dimension = kDimension;
  }

  // A pack of the inputs from `first` on; `variant` gives them other vectors.
  PackName put_pack(std::uint64_t first, std::size_t count, std::uint64_t variant = 0) {
    const test::Batch batch = batch_of(first, count, kDimension, variant);
    std::vector<std::uint16_t> flat;
    for (const auto& vector : batch.vectors) flat.insert(flat.end(), vector.begin(), vector.end());
    const PackName name{Id128::random(random_), static_cast<std::uint32_t>(count)};
    put(name, encode_pack(state_.space, kDimension, batch.hashes, flat));
    state_.packs.push_back(name);
    return name;
  }
  void put(const PackName& name, ByteView body) {
    ASSERT_TRUE(put_one(memory_, kPrefix + name.key(), body, Deadline::never()).ok());
  }
  Bytes body_of(const PackName& name) {
    ReadRequest request;
    request.key = kPrefix + name.key();
    return read_one(memory_, std::move(request), Deadline::never()).value().body;
  }

  PackReader reader(std::uint64_t memory_bytes = 1 << 20) {
    return {store_, kPrefix, log_, memory_bytes};
  }
  // Looks up the inputs from `first` on: each its own vector or none. How many were found.
  std::size_t find(PackReader& reader, std::uint64_t first, std::size_t count,
                   std::uint64_t variant = 0) {
    const test::Batch batch = batch_of(first, count, kDimension, variant);
    const auto found = reader.lookup(state_, batch.hashes, Deadline::never());
    EXPECT_TRUE(found.ok()) << found.error().message;
    if (!found.ok()) return 0;
    std::size_t there = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!(*found)[i]) continue;
      EXPECT_EQ(*(*found)[i], batch.vectors[i]) << "input " << batch.numbers[i];
      ++there;
    }
    return there;
  }
  Result<test::Batch> whole_of(PackReader& reader, const PackName& name) {
    test::Batch batch;
    KEDGE_TRY(reader.read_whole(
        state_, name,
        [&](const Id128& hash, std::span<const std::uint16_t> vector) {
          batch.hashes.push_back(hash);
          batch.vectors.emplace_back(vector.begin(), vector.end());
        },
        Deadline::never()));
    return batch;
  }
  std::uint64_t read_calls() { return store_.counts().of(Operation::kRead).calls; }
  std::uint64_t read_requests() { return store_.counts().of(Operation::kRead).requests; }

  ManualClock clock_;
  MemoryStore memory_{clock_};
  CountingStore store_{memory_};
  SeededRandom random_{2};
  test::KeptLog log_;
  CacheState state_;
};

TEST_F(PackReaderTest, FindsWhatIsInSeveralPacksAndNothingElse) {
  put_pack(0, 700);
  put_pack(1000, 1);
  put_pack(2000, 256);
  put_pack(3000, 257);
  PackReader packs = reader();
  EXPECT_EQ(find(packs, 0, 700), 700U);
  EXPECT_EQ(find(packs, 1000, 1), 1U);
  EXPECT_EQ(find(packs, 2000, 256), 256U);
  EXPECT_EQ(find(packs, 3000, 257), 257U);
  EXPECT_EQ(find(packs, 10'000, 3000), 0U);
  EXPECT_EQ(find(packs, 690, 20), 10U);
  EXPECT_EQ(find(packs, 0, 0), 0U);
  EXPECT_THAT(log_.lines(), testing::IsEmpty());
}

TEST_F(PackReaderTest, TheNewestPackAnswers) {
  put_pack(0, 10);
  put_pack(5, 10, 1);
  PackReader packs = reader();
  EXPECT_EQ(find(packs, 0, 5), 5U);
  EXPECT_EQ(find(packs, 5, 10, 1), 10U);
}

TEST_F(PackReaderTest, AHashAskedForTwiceIsAnsweredTwice) {
  put_pack(0, 10);
  PackReader packs = reader();
  const std::vector<Id128> hashes = {hash_of(3), hash_of(99), hash_of(3)};
  const auto found = packs.lookup(state_, hashes, Deadline::never());
  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found)[0], vector_of(3, kDimension));
  EXPECT_EQ((*found)[1], std::nullopt);
  EXPECT_EQ((*found)[2], vector_of(3, kDimension));
}

// Three dependent calls at first, one when heads and blocks are known, none for what is absent.
TEST_F(PackReaderTest, ReadsInThreeRoundsAndJoinsTheRowsOfOneObject) {
  for (std::uint64_t p = 0; p < 5; ++p) put_pack(p * 1000, 200);
  PackReader packs = reader();
  EXPECT_EQ(find(packs, 2050, 60), 60U);
  EXPECT_EQ(read_calls(), 3U);
  // Five heads; the block of each pack whose filter let one of 60 in; one range of rows.
  EXPECT_LE(read_requests(), 5U + 5U + 1U);
  const auto before = read_requests();
  EXPECT_EQ(find(packs, 2110, 60), 60U);
  EXPECT_LE(read_requests() - before, 2U) << "at most a block let in by mistake, and the rows";
  // From each of many packs, within one call for all.
  const auto calls = read_calls();
  EXPECT_EQ(find(packs, 0, 4200), 1000U);
  EXPECT_LE(read_calls() - calls, 2U * (4200 / kLookupGroup + 1));
}

TEST_F(PackReaderTest, AnswersTheSameInHardlyAnyMemory) {
  put_pack(0, 2000);
  put_pack(5000, 300);
  PackReader tight = reader(0);
  EXPECT_EQ(find(tight, 0, 2000), 2000U);
  EXPECT_EQ(find(tight, 4900, 500), 300U);
  EXPECT_EQ(find(tight, 0, 2000), 2000U);
}

// A bit anywhere in a pack: each row comes out as it was or not at all, and a loss is reported.
TEST_F(PackReaderTest, AFlippedBitNeverMakesAWrongVector) {
  const PackName name = put_pack(0, 3);
  const Bytes whole = body_of(name);
  std::size_t without_loss = 0;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    put(name, flipped);
    log_.clear();
    PackReader packs = reader();
    const std::size_t found = find(packs, 0, 3);
    if (found == 3) ++without_loss;
    ASSERT_EQ(log_.count("counts as missing") > 0, found < 3) << "bit " << bit;
    const auto contents = whole_of(packs, name);
    ASSERT_TRUE(contents.ok());
    ASSERT_EQ(contents->hashes.size(), found) << "bit " << bit;
    for (std::size_t i = 0; i < contents->hashes.size(); ++i) {
      bool right = false;
      for (std::uint64_t number = 0; number < 3; ++number)
        right |= contents->hashes[i] == hash_of(number) &&
                 contents->vectors[i] == vector_of(number, kDimension);
      ASSERT_TRUE(right) << "bit " << bit;
    }
    if (testing::Test::HasFailure()) return;
  }
  const PackShape shape = state_.shape(name);
  const std::size_t padding = shape.row_offset(0) - shape.block_offset(0) - shape.block_bytes(0);
  EXPECT_EQ(without_loss, padding * 8) << "only what nothing covers may change unseen";
}

// Cut at any length, as a store that lost the end of a file would answer.
TEST_F(PackReaderTest, ACutPackNeverMakesAWrongVector) {
  const PackName name = put_pack(0, 3);
  const Bytes whole = body_of(name);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(str_cat("cut at ", size));
    put(name, ByteView(whole).first(size));
    log_.clear();
    PackReader packs = reader();
    ASSERT_LT(find(packs, 0, 3), 3U);
    ASSERT_GT(log_.count("counts as missing"), 0U);
    const auto contents = whole_of(packs, name);
    ASSERT_TRUE(contents.ok()) << contents.error().message;
    ASSERT_TRUE(contents->hashes.empty());
  }
}

// A pack of another space, another length or other rows under the name that was asked for.
TEST_F(PackReaderTest, AnotherPackUnderTheNameCountsAsDamagedOnce) {
  const PackName mine = put_pack(0, 20);
  put_pack(100, 20);
  const test::Batch batch = batch_of(0, 20, kDimension);
  std::vector<std::uint16_t> flat(20 * kDimension, 0x3C00);
  const Id128 other = test::cache_space(kDimension, "other").id();
  put(mine, encode_pack(other, kDimension, batch.hashes, flat));
  PackReader packs = reader();
  EXPECT_EQ(find(packs, 0, 20), 0U);
  EXPECT_EQ(find(packs, 0, 20), 0U);
  EXPECT_EQ(find(packs, 100, 20), 20U);
  EXPECT_EQ(log_.count("another space at offset 16"), 1U);
  EXPECT_TRUE(packs.damaged().contains(mine.id));
}

TEST_F(PackReaderTest, APackThatIsGoneIsNamedAndTheOthersAnswer) {
  const PackName gone = put_pack(0, 20);
  put_pack(100, 20);
  // Known first by its head, then not at all.
  for (const bool head_is_known : {true, false}) {
    PackReader packs = reader();
    if (head_is_known) {
      EXPECT_EQ(find(packs, 0, 1), 1U);
      const std::string key = kPrefix + gone.key();
      ASSERT_TRUE(memory_.remove(std::span(&key, 1), Deadline::never()).at(0).ok());
    }
    EXPECT_EQ(find(packs, 0, 20), 0U);
    EXPECT_EQ(find(packs, 100, 20), 20U);
    EXPECT_EQ(packs.missing(), std::set<Id128>{gone.id});
    EXPECT_EQ(whole_of(packs, gone).code(), Code::kNotFound);
  }
  EXPECT_THAT(log_.lines(), testing::IsEmpty()) << "whether it is lost the cache decides";
}

TEST_F(PackReaderTest, AWholePackComesInTheOrderOfItsRows) {
  const PackName name = put_pack(40, 600);
  PackReader packs = reader();
  const auto contents = whole_of(packs, name);
  ASSERT_TRUE(contents.ok()) << contents.error().message;
  const test::Batch batch = batch_of(40, 600, kDimension);
  EXPECT_EQ(contents->hashes, batch.hashes);
  EXPECT_EQ(contents->vectors, batch.vectors);
}

}  // namespace
}  // namespace kedge
