// A build's temporary bytes: in memory, in a file, and let go of while a store takes them.
#include "engine/scratch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/random.h"
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

TEST(Scratch, AStoreSaysWhatItHasTaken) {
  const Bytes bytes = random_bytes(2, (20U << 20) + 3);
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("kedge-scratch-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  Scratch scratch(1000, folder.string());
  ASSERT_TRUE(scratch.write(0, bytes).ok());
  {
    const std::unique_ptr<ObjectStore> store =
        open_file_store(folder.string(), system_clock(), system_random(), inline_executor())
            .value();
    std::uint64_t next = 0;
    PutRequest request{.key = "seg/1", .body = scratch.view().value()};
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
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace kedge
