// The spill: what append() acknowledged is there for the next process, and nothing else is.
#include "embed/spill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "embed/testing.h"

namespace kedge {
namespace {

constexpr std::uint32_t kDimension = 5;
constexpr std::size_t kHeaderBytes = 64;
const std::size_t kRecordBytes = VectorSpill::record_bytes(kDimension);

using Records = std::vector<std::pair<Id128, std::vector<std::uint16_t>>>;

Records records_of(const test::Batch& batch, std::size_t count) {
  Records records;
  for (std::size_t i = 0; i < count; ++i) records.emplace_back(batch.hashes[i], batch.vectors[i]);
  return records;
}

class VectorSpillTest : public testing::Test {
 protected:
  // Opens as another process would; what it adopts is in adopted_.
  std::unique_ptr<VectorSpill> open(std::size_t most = 1000,
                                    const Space& space = test::cache_space(kDimension)) {
    adopted_.clear();
    auto spill = VectorSpill::open(folder_.path(), space.id(), space.dimension, random_, log_,
                                   [&](const Id128& hash, std::vector<std::uint16_t> vector) {
                                     if (adopted_.size() == most) return false;
                                     adopted_.emplace_back(hash, std::move(vector));
                                     return true;
                                   });
    EXPECT_TRUE(spill.ok()) << spill.error().message;
    return spill.ok() ? *std::move(spill) : nullptr;
  }

  // Appends, and ends as a kill would leave it: the file stays.
  void leave(const test::Batch& batch) {
    const auto spill = open();
    ASSERT_NE(spill, nullptr);
    adopted_.clear();
    ASSERT_TRUE(spill->append(batch.hashes, batch.vectors).ok());
  }

  Bytes only_file() {
    const auto files = folder_.files();
    EXPECT_EQ(files.size(), 1U);
    std::ifstream in(files.at(0), std::ios::binary);
    return to_bytes(std::string((std::istreambuf_iterator<char>(in)), {}));
  }

  // Makes `bytes` the only file of the folder, under a name of this space.
  void put_file(ByteView bytes) {
    for (const auto& path : folder_.files()) std::filesystem::remove(path);
    const std::string name = test::cache_space(kDimension).id().hex() + ".left.spill";
    std::ofstream(std::filesystem::path(folder_.path()) / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  test::ScratchFolder folder_;
  SeededRandom random_{1};
  test::KeptLog log_;
  Records adopted_;
};

TEST_F(VectorSpillTest, TheNextProcessAdoptsEveryAcknowledgedVectorBitByBit) {
  const test::Batch first = test::batch_of(0, 7, kDimension);
  const test::Batch second = test::batch_of(7, 3, kDimension);
  {
    const auto spill = open();
    ASSERT_TRUE(spill->append(first.hashes, first.vectors).ok());
    ASSERT_TRUE(spill->append(second.hashes, second.vectors).ok());
  }
  const auto next = open();
  EXPECT_EQ(adopted_, records_of(test::batch_of(0, 10, kDimension), 10));
  EXPECT_THAT(log_.lines(), testing::IsEmpty());
}

// A kill can cut the file anywhere: whole records before the cut are kept, and the loss is said.
TEST_F(VectorSpillTest, ACutTailIsDroppedAndTheRestIsKept) {
  const test::Batch batch = test::batch_of(0, 3, kDimension);
  leave(batch);
  const Bytes whole = only_file();
  ASSERT_EQ(whole.size(), kHeaderBytes + 3 * kRecordBytes);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    SCOPED_TRACE(str_cat("cut at ", size));
    put_file(ByteView(whole).first(size));
    log_.clear();
    const auto spill = open();
    const std::size_t records = size < kHeaderBytes ? 0 : (size - kHeaderBytes) / kRecordBytes;
    ASSERT_EQ(adopted_, records_of(batch, records));
    const bool torn = size > kHeaderBytes && (size - kHeaderBytes) % kRecordBytes != 0;
    ASSERT_EQ(log_.count("unfinished or damaged, dropped"), torn ? 1U : 0U);
  }
}

// Every bit of the second of three records, and of the header.
TEST_F(VectorSpillTest, AFlippedBitEndsTheFileAndIsReported) {
  const test::Batch batch = test::batch_of(0, 3, kDimension);
  leave(batch);
  const Bytes whole = only_file();
  const std::size_t begin = kHeaderBytes + kRecordBytes;
  for (std::size_t bit = begin * 8; bit < (begin + kRecordBytes) * 8; ++bit) {
    Bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    put_file(flipped);
    log_.clear();
    const auto spill = open();
    ASSERT_EQ(adopted_, records_of(batch, 1)) << "bit " << bit;
    ASSERT_EQ(log_.count(str_cat("the last ", 2 * kRecordBytes, " bytes")), 1U) << "bit " << bit;
    ASSERT_EQ(log_.count("1 vectors before them are kept"), 1U) << "bit " << bit;
  }
  for (std::size_t bit = 0; bit < kHeaderBytes * 8; ++bit) {
    Bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    put_file(flipped);
    log_.clear();
    const auto spill = open();
    ASSERT_TRUE(adopted_.empty()) << "bit " << bit;
    ASSERT_EQ(log_.count("not a spill file of this version, left alone"), 1U) << "bit " << bit;
  }
}

// A file that grew before its bytes reached the disk is full of zeros.
TEST_F(VectorSpillTest, ATailOfZerosIsNoRecord) {
  const test::Batch batch = test::batch_of(0, 2, kDimension);
  leave(batch);
  Bytes grown = only_file();
  grown.resize(grown.size() + 4 * kRecordBytes);
  put_file(grown);
  const auto spill = open();
  EXPECT_EQ(adopted_, records_of(batch, 2));
  EXPECT_EQ(log_.count("unfinished or damaged"), 1U);
}

TEST_F(VectorSpillTest, AFileOfALivingProcessIsLeftToIt) {
  const test::Batch batch = test::batch_of(0, 4, kDimension);
  auto living = open();
  ASSERT_TRUE(living->append(batch.hashes, batch.vectors).ok());
  {
    const auto other = open();
    EXPECT_TRUE(adopted_.empty());
  }
  EXPECT_EQ(folder_.files().size(), 1U) << "an empty file goes with its process";
  living.reset();
  const auto next = open();
  EXPECT_EQ(adopted_, records_of(batch, 4));
  // It is that one's now: not also another's.
  const auto late = open();
  EXPECT_TRUE(adopted_.empty());
}

// Only clear() says that the vectors are safe elsewhere; until then another kill loses nothing.
TEST_F(VectorSpillTest, AnAdoptedFileStaysUntilItIsCleared) {
  const test::Batch batch = test::batch_of(0, 4, kDimension);
  leave(batch);
  open().reset();
  EXPECT_EQ(adopted_, records_of(batch, 4));
  auto spill = open();
  EXPECT_EQ(adopted_, records_of(batch, 4));
  const test::Batch more = test::batch_of(4, 2, kDimension);
  ASSERT_TRUE(spill->append(more.hashes, more.vectors).ok());
  ASSERT_TRUE(spill->clear().ok());
  EXPECT_EQ(only_file().size(), kHeaderBytes);
  // And the emptied file goes on.
  const test::Batch last = test::batch_of(6, 1, kDimension);
  ASSERT_TRUE(spill->append(last.hashes, last.vectors).ok());
  spill.reset();
  spill = open();
  EXPECT_EQ(adopted_, records_of(last, 1));
}

TEST_F(VectorSpillTest, WhatIsNotWantedNowStaysForLater) {
  leave(test::batch_of(0, 4, kDimension));
  leave(test::batch_of(10, 4, kDimension));
  {
    const auto full = open(2);
    EXPECT_EQ(adopted_.size(), 2U);
    ASSERT_TRUE(full->clear().ok());
  }
  const auto next = open();
  EXPECT_EQ(adopted_.size(), 8U);
  EXPECT_THAT(log_.lines(), testing::IsEmpty());
}

TEST_F(VectorSpillTest, SpacesInOneFolderNeverMeet) {
  leave(test::batch_of(0, 4, kDimension));
  const Bytes whole = only_file();
  for (const Space& other :
       {test::cache_space(kDimension, "other"), test::cache_space(kDimension + 1)}) {
    SCOPED_TRACE(other.describe());
    const auto spill = open(1000, other);
    EXPECT_TRUE(adopted_.empty());
    EXPECT_THAT(log_.lines(), testing::IsEmpty());
  }
  // Nor if a file carries another's name: the header decides.
  const Space other = test::cache_space(kDimension, "other");
  const auto path = folder_.files().at(0);
  std::filesystem::rename(path, path.parent_path() / (other.id().hex() + ".left.spill"));
  const auto spill = open(1000, other);
  EXPECT_TRUE(adopted_.empty());
  EXPECT_EQ(log_.count("left alone"), 1U);
}

// A full disk in the middle of an append: what was acknowledged before and after it is there.
TEST_F(VectorSpillTest, AnAppendThatFailsHalfWayIsOverwritten) {
  const auto previous_handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  for (std::size_t room = 0; room < 2 * kRecordBytes; room += 7) {
    SCOPED_TRACE(str_cat("room for ", room, " bytes"));
    for (const auto& path : folder_.files()) std::filesystem::remove(path);
    log_.clear();
    const test::Batch first = test::batch_of(0, 3, kDimension);
    const test::Batch failed = test::batch_of(100, 2, kDimension);
    const test::Batch last = test::batch_of(3, 1, kDimension);
    {
      const auto spill = open();
      ASSERT_TRUE(spill->append(first.hashes, first.vectors).ok());
      struct rlimit tight = before;
      tight.rlim_cur = kHeaderBytes + 3 * kRecordBytes + room;
      ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
      const Status status = spill->append(failed.hashes, failed.vectors);
      ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.code(), Code::kExhausted);
      ASSERT_TRUE(spill->append(last.hashes, last.vectors).ok());
    }
    const auto next = open();
    ASSERT_EQ(adopted_, records_of(test::batch_of(0, 4, kDimension), 4));
  }
  std::signal(SIGXFSZ, previous_handler);
}

TEST_F(VectorSpillTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_.path() + "/file") << "no folder";
  const auto spill =
      VectorSpill::open(folder_.path() + "/file/spill", test::cache_space(kDimension).id(),
                        kDimension, random_, log_, [](const Id128&, auto) { return true; });
  ASSERT_FALSE(spill.ok());
  EXPECT_THAT(spill.error().message, testing::HasSubstr("file/spill"));
}

}  // namespace
}  // namespace kedge
