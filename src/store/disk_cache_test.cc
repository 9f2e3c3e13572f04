// The disk cache keeps its promises on real files: what it gives is what was put in, it stays under
// its limit, and nothing that happens to the folder is an error or a wrong byte.
#include "store/disk_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include "base/strings.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

class CountingLog final : public Log {
 public:
  void write(LogLevel level, std::string_view message) override {
    if (level == LogLevel::kWarning) warnings.emplace_back(message);
  }
  std::vector<std::string> warnings;
};

// Files that fail when they are told to, and count.
class FaultyFiles final : public BlockFiles {
 public:
  explicit FaultyFiles(std::unique_ptr<BlockFiles> inner) : inner_(std::move(inner)) {}
  Result<Bytes> read(const std::string& name, std::uint64_t size_bytes, Timestamp now) override {
    if (read_error) return *read_error;
    return inner_->read(name, size_bytes, now);
  }
  bool contains(const std::string& name, std::uint64_t size_bytes, Timestamp now) override {
    return inner_->contains(name, size_bytes, now);
  }
  Status write(const std::string& name, ByteView body, Timestamp now) override {
    ++writes;
    if (write_error) return *write_error;
    return inner_->write(name, body, now);
  }
  Status remove(const std::string& name) override { return inner_->remove(name); }
  Result<std::vector<BlockFile>> list(Timestamp now) override {
    ++lists;
    Result<std::vector<BlockFile>> out = inner_->list(now);
    if (while_listed) while_listed();
    return out;
  }
  Result<std::uint64_t> add_used(std::int64_t units) override {
    if (count_error) return *count_error;
    return inner_->add_used(units);
  }
  Status begin_used(std::uint64_t units) override { return inner_->begin_used(units); }
  [[nodiscard]] std::string describe() const override { return inner_->describe(); }

  std::optional<Error> read_error, write_error, count_error;
  std::function<void()> while_listed;
  std::atomic<int> writes = 0, lists = 0;

 private:
  std::unique_ptr<BlockFiles> inner_;
};

class DiskCacheTest : public testing::Test {
 protected:
  DiskCacheTest() {
    root_ = (fs::temp_directory_path() / "kedge-test-XXXXXX").string();
    if (::mkdtemp(root_.data()) == nullptr) ADD_FAILURE() << "cannot make " << root_;
    folder = root_ + "/a/blocks";
  }
  ~DiskCacheTest() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  // One process: its own files object on the shared folder.
  struct Process {
    std::unique_ptr<SeededRandom> random;  // a process has its own
    FaultyFiles* files = nullptr;
    std::unique_ptr<DiskCache> cache;
  };
  Process start(std::uint64_t max_bytes) {
    Process out;
    out.random = std::make_unique<SeededRandom>(random.next());
    Result<std::unique_ptr<BlockFiles>> opened = open_block_files(folder, *out.random);
    EXPECT_TRUE(opened.ok());
    auto files = std::make_unique<FaultyFiles>(std::move(opened).value());
    out.files = files.get();
    out.cache =
        std::make_unique<DiskCache>(std::move(files), max_bytes, clock, inline_executor(), log);
    return out;
  }

  // The nth block of the test, of `size` bytes.
  Bytes body(std::uint64_t n, std::size_t size) {
    SeededRandom of_block(n + 1);
    Bytes out(size);
    for (std::byte& byte : out) byte = static_cast<std::byte>(of_block.next());
    return out;
  }
  BlockName name(std::uint64_t n, std::size_t size) {
    SeededRandom of_file(n / 7 + 100);
    return {Id128::random(of_file), n * 64, static_cast<std::uint32_t>(size),
            crc32c(body(n, size))};
  }
  void put(DiskCache& cache, std::uint64_t n, std::size_t size, MakeRoom room = MakeRoom::kOldest) {
    const Bytes bytes = body(n, size);
    const BlockEntry entry{name(n, size), bytes};
    cache.insert(std::span(&entry, 1), room);
  }
  std::optional<Bytes> get(DiskCache& cache, std::uint64_t n, std::size_t size) {
    const BlockName one = name(n, size);
    return cache.find(std::span(&one, 1)).front();
  }
  bool has(DiskCache& cache, std::uint64_t n, std::size_t size) {
    return get(cache, n, size) == body(n, size);
  }

  std::vector<fs::path> blocks() {
    std::vector<fs::path> out;
    if (!fs::exists(folder)) return out;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file() && entry.path().filename() != "used") out.push_back(entry.path());
    }
    return out;
  }
  static Timestamp kernel_time(const fs::path& path) {
    struct stat found {};
    EXPECT_EQ(::stat(path.c_str(), &found), 0);
    return {static_cast<std::int64_t>(found.st_mtim.tv_sec) * 1'000'000 +
            found.st_mtim.tv_nsec / 1000};
  }
  std::uint64_t units_on_disk() {
    std::uint64_t out = 0;
    for (const fs::path& path : blocks()) out += fs::file_size(path) / kDiskUnitBytes + 1;
    return out;
  }

  ManualClock clock;
  SeededRandom random{3};
  CountingLog log;
  std::string folder;

 private:
  std::string root_;
};

constexpr std::uint64_t kPlenty = 64ULL << 20;

TEST_F(DiskCacheTest, GivesWhatAnotherProcessPutIn) {
  const std::size_t sizes[] = {1, 64, 4095, 4096, 4097, 100'000};
  {
    const Process writer = start(kPlenty);
    for (std::size_t i = 0; i < std::size(sizes); ++i) put(*writer.cache, i, sizes[i]);
    EXPECT_EQ(writer.cache->counts().written, std::size(sizes));
  }
  const Process reader = start(kPlenty);
  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    EXPECT_TRUE(has(*reader.cache, i, sizes[i])) << sizes[i];
    // Another place, size or checksum of the same file is another block.
    BlockName other = name(i, sizes[i]);
    other.offset += 64;
    EXPECT_FALSE(reader.cache->find(std::span(&other, 1)).front());
    other = name(i, sizes[i]);
    other.crc ^= 1;
    EXPECT_FALSE(reader.cache->find(std::span(&other, 1)).front());
  }
  EXPECT_TRUE(log.warnings.empty());
}

// What a bucket shows to its readers only must not be shown to all users of the machine.
TEST_F(DiskCacheTest, IsForItsUserAlone) {
  const mode_t before = ::umask(0);
  const Process one = start(kPlenty);
  put(*one.cache, 1, 1000);
  ::umask(before);
  std::size_t seen = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    struct stat found {};
    ASSERT_EQ(::stat(entry.path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, entry.is_directory() ? 0700U : 0600U) << entry.path();
    ++seen;
  }
  EXPECT_GE(seen, 3U);
  struct stat found {};
  ASSERT_EQ(::stat(folder.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);
  // CRCs do not notice bytes that somebody chose: a folder that others write to is not used.
  ASSERT_EQ(::chmod(folder.c_str(), 0777), 0);
  EXPECT_EQ(open_block_files(folder, random).error().code, Code::kDenied);
}

// A wrong byte anywhere, a file that is cut, too long, or no file at all: never given, and gone.
TEST_F(DiskCacheTest, RemovesWhatIsDamaged) {
  struct Case {
    const char* what;
    void (*damage)(const fs::path&);
  };
  const Case cases[] = {
      {"first byte",
       [](const fs::path& path) {
         std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
         const char byte = static_cast<char>(file.get() ^ 1);
         file.seekp(0).put(byte);
       }},
      {"last byte",
       [](const fs::path& path) {
         std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
         file.seekg(4999);
         const char byte = static_cast<char>(file.get() ^ 0x80);
         file.seekp(4999).put(byte);
       }},
      {"cut", [](const fs::path& path) { fs::resize_file(path, 4096); }},
      {"longer", [](const fs::path& path) { fs::resize_file(path, 5001); }},
      {"emptied", [](const fs::path& path) { fs::resize_file(path, 0); }},
  };
  for (const Case& c : cases) {
    const Process one = start(kPlenty);
    put(*one.cache, 1, 5000);
    ASSERT_EQ(blocks().size(), 1U) << c.what;
    c.damage(blocks().front());
    EXPECT_FALSE(get(*one.cache, 1, 5000)) << c.what;
    EXPECT_EQ(one.cache->counts().damaged, 1U) << c.what;
    EXPECT_TRUE(blocks().empty()) << c.what;
    put(*one.cache, 1, 5000);
    EXPECT_TRUE(has(*one.cache, 1, 5000)) << c.what;
    fs::remove_all(folder);
  }
}

// A symbolic link where a block would be is not followed.
TEST_F(DiskCacheTest, FollowsNoLink) {
  const Process one = start(kPlenty);
  put(*one.cache, 1, 5000);
  const fs::path block = blocks().front();
  fs::rename(block, folder + "/elsewhere");
  fs::create_symlink(folder + "/elsewhere", block);
  EXPECT_FALSE(get(*one.cache, 1, 5000));
}

// Any part of the folder may be deleted while it is in use.
TEST_F(DiskCacheTest, MayBeDeletedAtAnyTime) {
  const Process one = start(kPlenty);
  for (std::uint64_t n = 0; n < 20; ++n) put(*one.cache, n, 5000);
  fs::remove(blocks().front());
  fs::remove(folder + "/used");
  std::size_t there = 0;
  for (std::uint64_t n = 0; n < 20; ++n) there += has(*one.cache, n, 5000) ? 1 : 0;
  EXPECT_EQ(there, 19U);
  put(*one.cache, 20, 5000);
  EXPECT_TRUE(has(*one.cache, 20, 5000));
  EXPECT_EQ(fs::file_size(folder + "/used"), units_on_disk());  // counted anew
  fs::remove_all(fs::path(folder).parent_path());
  EXPECT_FALSE(get(*one.cache, 1, 5000));
  put(*one.cache, 1, 5000);
  EXPECT_TRUE(has(*one.cache, 1, 5000));
  EXPECT_TRUE(log.warnings.empty());
}

// Two processes fill one folder with more than fits: it stays under the limit at each step, the
// blocks used last are there, and what was used again outlives what was not.
TEST_F(DiskCacheTest, StaysUnderItsLimitAndKeepsWhatWasUsedLast) {
  constexpr std::uint64_t kLimit = 1 << 20;
  const Process processes[] = {start(kLimit), start(kLimit)};
  SeededRandom dice(11);
  put(*processes[0].cache, 0, 3000);
  for (std::uint64_t n = 1; n < 1000; ++n) {
    clock.advance(std::chrono::minutes(11));
    const Process& one = processes[dice.below(2)];
    put(*one.cache, n, 3000);
    ASSERT_TRUE(has(*one.cache, n, 3000)) << n;
    if (n % 9 != 0) continue;
    ASSERT_LE(units_on_disk() * kDiskUnitBytes, kLimit) << n;
    ASSERT_TRUE(has(*processes[dice.below(2)].cache, 0, 3000)) << n;
  }
  EXPECT_FALSE(get(*processes[0].cache, 1, 3000));
  EXPECT_EQ(fs::file_size(folder + "/used"), units_on_disk());
  // An eviction makes room for many: the folder is not listed for each block.
  EXPECT_LE(processes[0].files->lists + processes[1].files->lists, 1000 / (256 / 8) + 3);
}

// A count that is wrong, since a process died or somebody cut the file, is put right when it
// matters.
TEST_F(DiskCacheTest, ACountThatIsTooHighIsPutRight) {
  const Process one = start(4 << 20);
  for (std::uint64_t n = 0; n < 100; ++n) put(*one.cache, n, 3000);
  fs::resize_file(folder + "/used", 1 << 20);
  put(*one.cache, 100, 3000);
  for (std::uint64_t n = 0; n <= 100; ++n) EXPECT_TRUE(has(*one.cache, n, 3000)) << n;
  EXPECT_EQ(fs::file_size(folder + "/used"), 101U);
}

// What another process counts while this one lists is not lost.
TEST_F(DiskCacheTest, KeepsWhatIsCountedWhileItLists) {
  const Process one = start(1 << 20);
  const Process other = start(1 << 20);
  for (std::uint64_t n = 0; n < 256; ++n) put(*one.cache, n, 3000);
  one.files->while_listed = [&] { (void)other.files->add_used(5); };
  put(*one.cache, 2000, 3000);
  EXPECT_EQ(one.files->lists, 2);  // to begin the count, and now
  EXPECT_EQ(fs::file_size(folder + "/used"), units_on_disk() + 5);
}

// A scan of more than fits pushes out only what nobody used for a day, and does not list each time.
TEST_F(DiskCacheTest, AScanPushesOutOnlyWhatIsIdle) {
  const Process one = start(1 << 20);
  put(*one.cache, 0, 3000);
  clock.advance(kDiskIdle / 2);
  for (std::uint64_t n = 1; n < 256; ++n) put(*one.cache, n, 3000);
  for (std::uint64_t n = 2000; n < 2050; ++n) put(*one.cache, n, 3000, MakeRoom::kIdle);
  EXPECT_EQ(one.files->lists, 2);
  EXPECT_EQ(one.cache->counts().evicted, 0U);
  EXPECT_FALSE(get(*one.cache, 2000, 3000));
  put(*one.cache, 2000, 3000);  // what is no scan makes room still
  EXPECT_TRUE(has(*one.cache, 2000, 3000));
  EXPECT_FALSE(get(*one.cache, 0, 3000));
  clock.advance(kDiskIdle);
  for (std::uint64_t n = 3000; n < 3200; ++n) put(*one.cache, n, 3000, MakeRoom::kIdle);
  EXPECT_TRUE(has(*one.cache, 3000, 3000));
  EXPECT_TRUE(has(*one.cache, 3199, 3000));
}

// A full disk, a folder that is read only, a count that cannot be kept: said once, tried again
// after a while, and what is there can be read all the time.
TEST_F(DiskCacheTest, GoesOnWhereItCannotWrite) {
  const Error errors[] = {{Code::kExhausted, "no space left"}, {Code::kDenied, "read-only"}};
  for (const bool of_count : {false, true}) {
    for (const Error& error : errors) {
      log.warnings.clear();
      const Process one = start(kPlenty);
      put(*one.cache, 1, 5000);
      (of_count ? one.files->count_error : one.files->write_error) = error;
      for (std::uint64_t n = 2; n < 10; ++n) put(*one.cache, n, 5000);
      EXPECT_EQ(log.warnings.size(), 1U);
      EXPECT_EQ(one.files->writes, of_count ? 1 : 2);
      EXPECT_TRUE(has(*one.cache, 1, 5000));
      EXPECT_FALSE(get(*one.cache, 2, 5000));
      clock.advance(kDiskRetry);
      put(*one.cache, 2, 5000);
      EXPECT_EQ(one.files->writes, of_count ? 1 : 3);  // tried, and not said, again
      EXPECT_EQ(log.warnings.size(), 1U);
      one.files->write_error = one.files->count_error = std::nullopt;
      clock.advance(kDiskRetry);
      put(*one.cache, 3, 5000);
      EXPECT_TRUE(has(*one.cache, 3, 5000));
      EXPECT_EQ(log.warnings.size(), 1U);
      fs::remove_all(folder);
    }
  }
}

// A disk that cannot be read is one that has nothing: the block is not removed for it.
TEST_F(DiskCacheTest, AFailedReadIsAMiss) {
  const Process one = start(kPlenty);
  put(*one.cache, 1, 5000);
  one.files->read_error = Error{Code::kUnavailable, "input/output error"};
  EXPECT_FALSE(get(*one.cache, 1, 5000));
  one.files->read_error = std::nullopt;
  EXPECT_TRUE(has(*one.cache, 1, 5000));
}

// A writer that died leaves a temporary file: it goes with a listing, and a young one stays.
TEST_F(DiskCacheTest, RemovesWhatDeadWritersLeft) {
  const Process one = start(kPlenty);
  put(*one.cache, 1, 5000);
  const fs::path shard = blocks().front().parent_path();
  const fs::path left = shard / "tmp-00000000000000000000000000000001";
  const fs::path foreign = shard / "notes.txt";
  std::ofstream(left) << "half";
  std::ofstream(foreign) << "mine";
  const auto list_at = [&](Timestamp now) {
    const Result<std::vector<BlockFile>> files = one.files->list(now);
    ASSERT_TRUE(files.ok());
    EXPECT_EQ(files->size(), 1U);
  };
  const Timestamp made = kernel_time(left);
  list_at(made + kStaleBlockTemporary);
  EXPECT_TRUE(fs::exists(left));
  list_at(made + kStaleBlockTemporary + Duration(1));
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(foreign));
}

// Threads that read, write and evict in one small folder see whole blocks or none.
TEST_F(DiskCacheTest, ManyThreadsSeeWholeBlocksOrNone) {
  constexpr std::uint64_t kLimit = 1 << 20;
  const Process processes[] = {start(kLimit), start(kLimit)};
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0}, right{0};
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      DiskCache& cache = *processes[t % 2].cache;
      SeededRandom dice(t + 50);
      for (int i = 0; i < 600; ++i) {
        const std::uint64_t n = dice.below(300);
        const std::optional<Bytes> found = get(cache, n, 6000);
        if (!found) put(cache, n, 6000);
        if (found) ++(*found == body(n, 6000) ? right : wrong);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(right, 0);
  EXPECT_EQ(processes[0].cache->counts().damaged + processes[1].cache->counts().damaged, 0U);
  EXPECT_LE(units_on_disk() * kDiskUnitBytes, kLimit + 4 * kLimit / kDiskShare);
  EXPECT_TRUE(log.warnings.empty());
}

}  // namespace
}  // namespace kedge
