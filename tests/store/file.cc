#include <sys/wait.h>
#include <unistd.h>

#include <charconv>

#include "base/strings.h"
#include "store/file_store.h"
#include "tests/store/conformance.h"
#include "tests/store/temporary_folder.h"

namespace kedge {
namespace {

const Deadline kNever = Deadline::never();

std::unique_ptr<ObjectStore> open_at(const std::string& path, Executor& executor,
                                     FileStoreOptions options = {}) {
  auto store = open_file_store(path, system_clock(), system_random(), executor, options);
  EXPECT_TRUE(store.ok());
  return std::move(store).value();
}

class FileUnderTest final : public StoreUnderTest {
 public:
  explicit FileUnderTest(FileStoreOptions options)
      : options_(options), executor_(make_thread_pool(4)), store_(open_again()) {}
  ObjectStore& store() override { return *store_; }
  // The folder is made by the first write.
  std::unique_ptr<ObjectStore> open_again() override {
    return open_at(folder_.path() + "/not/yet/there", *executor_, options_);
  }

 private:
  FileStoreOptions options_;
  TemporaryFolder folder_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<ObjectStore> store_;
};

StoreCase file_case(std::string name, FileStoreOptions options) {
  return {.name = std::move(name),
          .make = [options] { return std::make_unique<FileUnderTest>(options); },
          .any_key = false,
          .tags_everywhere = false};
}

INSTANTIATE_TEST_SUITE_P(File, StoreConformance,
                         testing::Values(file_case("synced", {}),
                                         file_case("unsynced", {.sync = false})),
                         [](const auto& info) { return info.param.name; });

// Runs body(i) in `count` child processes that start together; the sum of their exit codes, or -1
// if one ended otherwise.
template <typename Body>
int race_processes(int count, const Body& body) {
  int gate[2];
  EXPECT_EQ(::pipe(gate), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(gate[1]);
      char unused = 0;
      while (::read(gate[0], &unused, 1) > 0) {
      }
      ::_exit(body(i));
    }
    children.push_back(child);
  }
  ::close(gate[0]);
  ::close(gate[1]);  // the end of the pipe opens the gate for all
  int sum = 0;
  for (const pid_t child : children) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    if (!WIFEXITED(status)) return -1;
    sum += WEXITSTATUS(status);
  }
  return sum;
}

TEST(FileStoreProcesses, OneCreateWins) {
  const TemporaryFolder folder;
  for (int round = 0; round < 5; ++round) {
    const std::string key = str_cat("history/", round);
    EXPECT_EQ(race_processes(32,
                             [&](int i) {
                               const auto store =
                                   open_at(folder.path() + "/index", inline_executor());
                               const auto created =
                                   store->create(key, as_bytes(std::to_string(i)), kNever);
                               if (created.ok()) return 1;
                               return created.code() == Code::kConflict ? 0 : 100;
                             }),
              1)
        << "round " << round;
  }
}

TEST(FileStoreProcesses, SwapsLoseNoUpdate) {
  const TemporaryFolder folder;
  const auto store = open_at(folder.path() + "/index", inline_executor());
  ASSERT_TRUE(store->create("head", as_bytes("0 start"), kNever).ok());
  constexpr int kEach = 3;
  const int acknowledged = race_processes(32, [&](int process) {
    const auto own = open_at(folder.path() + "/index", inline_executor());
    int done = 0;
    while (done < kEach) {
      const Result<Blob> blob = read_one(*own, whole("head"), kNever);
      if (!blob.ok()) return 100;
      int count = 0;
      const std::string_view text = as_text(blob->body);
      std::from_chars(text.data(), text.data() + text.size(), count);
      const auto swapped =
          own->swap("head", blob->info.tag, as_bytes(str_cat(count + 1, " by ", process)), kNever);
      if (swapped.ok()) ++done;
      if (!swapped.ok() && swapped.code() != Code::kConflict) return 100;
    }
    return done;
  });
  EXPECT_EQ(acknowledged, 32 * kEach);
  EXPECT_TRUE(text_at(*store, "head").starts_with(str_cat(32 * kEach, " by ")));
}

}  // namespace
}  // namespace kedge
