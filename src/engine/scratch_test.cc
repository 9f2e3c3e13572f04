// A build's temporary bytes: in memory, in a file, and let go of while a store takes them.
#include "engine/scratch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"
#include "store/file_store.h"

namespace kedge {
namespace {

Bytes random_bytes(std::uint64_t seed, std::size_t count) {
  SeededRandom random(seed);
  Bytes out(count);
  for (std::byte& byte : out) byte = static_cast<std::byte>(random.below(256));
  return out;
}

TEST(Scratch, HoldsTheSameInMemoryAndInAFile) {
  const Bytes bytes = random_bytes(1, 300'000);
  for (const std::uint64_t memory : {std::uint64_t{1} << 20, std::uint64_t{100'000}}) {
    Scratch scratch(memory, "");
    // The middle last, as planes of a segment are.
    ASSERT_TRUE(scratch.write(0, ByteView(bytes).first(50'000)).ok());
    ASSERT_TRUE(scratch.write(200'000, ByteView(bytes).subspan(200'000)).ok());
    ASSERT_TRUE(scratch.write(50'000, ByteView(bytes).subspan(50'000, 150'000)).ok());
    ASSERT_EQ(scratch.size(), bytes.size());
    Bytes part(1000);
    ASSERT_TRUE(scratch.read(199'500, part).ok());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), bytes.begin() + 199'500));
    const Result<ByteView> whole = scratch.view();
    ASSERT_TRUE(whole.ok());
    EXPECT_TRUE(std::ranges::equal(*whole, bytes));
    // What is let go of is there all the same; so is what lies beside it.
    scratch.let_go(4096, 200'000);
    scratch.let_go(299'999, 5000);
    EXPECT_TRUE(std::ranges::equal(*whole, bytes)) << "memory " << memory;
  }
}

TEST(Scratch, NamesAFolderThatCannotBeWritten) {
  Scratch scratch(10, "/nowhere/at/all");
  const Status done = scratch.write(0, random_bytes(3, 11));
  EXPECT_EQ(done.code(), Code::kUnavailable);
  EXPECT_NE(done.error().message.find("/nowhere/at/all"), std::string::npos);
}

// A folder that goes with the test.
class ScratchInFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() /
               ("kedge-scratch-" + Id128::random(system_random()).hex()))
                  .string();
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<ObjectStore> open() const {
    return open_file_store(folder_, system_clock(), system_random(), inline_executor()).value();
  }
  [[nodiscard]] struct stat state_of(std::string_view key) const {
    struct stat state {};
    EXPECT_EQ(::stat(str_cat(folder_, "/", key).c_str(), &state), 0);
    return state;
  }

  static Result<Blob> read(ObjectStore& store, std::string key) {
    ReadRequest request;
    request.key = std::move(key);
    return read_one(store, request, Deadline::never());
  }

  std::string folder_;
};

TEST_F(ScratchInFolder, BecomesAFileOfTheStore) {
  const Bytes bytes = random_bytes(4, 300'000);
  const std::unique_ptr<ObjectStore> store = open();
  Scratch scratch(1000, folder_);
  ASSERT_TRUE(scratch.write(0, bytes).ok());
  ASSERT_GE(scratch.file(), 0);
  const timespec long_ago[2] = {{.tv_sec = 1'600'000'000, .tv_nsec = 0},
                                {.tv_sec = 1'600'000'000, .tv_nsec = 0}};
  ASSERT_EQ(::futimens(scratch.file(), long_ago), 0);
  const Timestamp before = store->now(Deadline::never()).value();
  const ByteView body = scratch.view().value();
  const PutRequest requests[] = {
      {.key = "named", .body = body, .taken = {}, .file = scratch.file()},
      {.key = "copied", .body = body}};
  const auto written = store->put(requests, Deadline::never());
  ASSERT_TRUE(written[0].ok()) << written[0].error().message;
  ASSERT_TRUE(written[1].ok()) << written[1].error().message;
  EXPECT_EQ(written[0]->tag, written[1]->tag);
  struct stat unnamed {};
  ASSERT_EQ(::fstat(scratch.file(), &unnamed), 0);
  EXPECT_EQ(state_of("named").st_ino, unnamed.st_ino);
  EXPECT_NE(state_of("copied").st_ino, unnamed.st_ino);
  EXPECT_EQ(state_of("named").st_mode, state_of("copied").st_mode);
  // Its age counts from when it came, not from when it was written.
  EXPECT_GE(written[0]->store_time, before);
  const Result<Blob> back = read(*store, "named");
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_TRUE(std::ranges::equal(back->body, bytes));
}

// A descriptor that is not the body, or of another file system, is none.
TEST_F(ScratchInFolder, WhatCannotBeNamedIsCopied) {
  const Bytes bytes = random_bytes(5, 200'000);
  const std::unique_ptr<ObjectStore> store = open();
  Scratch longer(1000, folder_);
  ASSERT_TRUE(longer.write(0, random_bytes(6, 200'001)).ok());
  std::vector<int> files = {longer.file(), 1 << 20};
  Scratch elsewhere(1000, "/dev/shm");
  if (elsewhere.write(0, bytes).ok()) files.push_back(elsewhere.file());
  for (const int file : files) {
    const PutRequest request{.key = "k", .body = bytes, .taken = {}, .file = file};
    const auto written = store->put({&request, 1}, Deadline::never());
    ASSERT_TRUE(written[0].ok()) << written[0].error().message;
    const Result<Blob> back = read(*store, "k");
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_TRUE(std::ranges::equal(back->body, bytes));
  }
}

TEST_F(ScratchInFolder, AStoreSaysWhatItHasTaken) {
  const Bytes bytes = random_bytes(2, (20U << 20) + 3);
  Scratch scratch(1000, folder_);
  ASSERT_TRUE(scratch.write(0, bytes).ok());
  for (const int file : {-1, scratch.file()}) {
    const std::unique_ptr<ObjectStore> store = open();
    std::uint64_t next = 0;
    PutRequest request{.key = "seg/1", .body = scratch.view().value(), .taken = {}, .file = file};
    request.taken = [&](std::uint64_t offset, std::uint64_t size) {
      EXPECT_EQ(offset, next) << "in order, and all of it";
      EXPECT_LE(size, 8U << 20);
      next = offset + size;
      scratch.let_go(offset, size);
    };
    const auto written = store->put({&request, 1}, Deadline::never());
    ASSERT_TRUE(written[0].ok()) << written[0].error().message;
    EXPECT_EQ(next, bytes.size());
    ReadRequest again;
    again.key = "seg/1";
    again.if_match = written[0]->tag;
    const Result<Blob> back = read_one(*store, again, Deadline::never());
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_TRUE(std::ranges::equal(back->body, bytes));
  }
}

}  // namespace
}  // namespace kedge
