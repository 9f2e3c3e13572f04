#include "store/folder_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/hash.h"
#include "base/strings.h"
#include "store/gitignore.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

// gitignore(5), case by case.
TEST(GitIgnore, PatternsMeanWhatGitSays) {
  const struct {
    const char* text;
    const char* path;
    bool is_folder;
    bool ignored;
  } cases[] = {
      {"*.o", "a.o", false, true},
      {"*.o", "deep/a.o", false, true},
      {"*.o\n!keep.o", "keep.o", false, false},
      {"!keep.o\n*.o", "keep.o", false, true},
      {"/top", "top", false, true},
      {"/top", "deep/top", false, false},
      {"build/", "build", true, true},
      {"build/", "build", false, false},
      {"build/", "deep/build", true, true},
      {"a/b", "a/b", false, true},
      {"a/b", "x/a/b", false, false},
      {"**/b", "x/y/b", false, true},
      {"a/**", "a/x/y", false, true},
      {"a/**/b", "a/b", false, true},
      {"a/**/b", "a/x/y/b", false, true},
      {"a/*", "a/x", false, true},
      {"a/*", "a/x/y", false, false},
      {"# comment", "# comment", false, false},
      {"\\#file", "#file", false, true},
      {"name   ", "name", false, true},
      {"[ab].txt", "a.txt", false, true},
      {"[!ab].txt", "a.txt", false, false},
      {"crlf\r\n", "crlf", false, true},
      {"", "a", false, false},
  };
  for (const auto& c : cases) {
    const auto verdict = IgnoreRules::parse(c.text).judge(c.path, c.is_folder);
    EXPECT_EQ(verdict == IgnoreRules::Verdict::kIgnored, c.ignored) << c.text << " on " << c.path;
  }
}

class FolderStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("kedge-folder-" + Id128::random(system_random()).hex());
    fs::create_directory(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text, int age_seconds = 3600) {
    const fs::path path = root_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::seconds(age_seconds));
  }

  std::unique_ptr<ObjectStore> open(FolderStoreOptions options = {}) {
    auto store =
        open_folder_store(root_.string(), system_clock(), inline_executor(), std::move(options));
    EXPECT_TRUE(store.ok()) << store.error().message;
    return std::move(store).value();
  }

  static std::set<std::string> keys(ObjectStore& store) {
    std::set<std::string> out;
    const auto listing = store.list("", "");
    while (true) {
      const auto page = listing->next(Deadline::never());
      EXPECT_TRUE(page.ok()) << page.error().message;
      if (!page.ok() || page->empty()) return out;
      for (const ObjectInfo& info : *page)
        EXPECT_TRUE(out.insert(info.key).second) << info.key << " twice";
    }
  }

  static ReadRequest request(const std::string& key) {
    return {.key = key, .offset = 0, .length = {}, .if_match = {}, .version_id = {}};
  }

  fs::path root_;
};

TEST_F(FolderStoreTest, ListsFilesAndLeavesOutWhatIsSaid) {
  write("a.txt", "a");
  write("deep/er/b.txt", "b");
  write(".hidden", "h");
  write(".git/config", "g");
  write("skip/c.log", "c");
  write("deep/keep.log", "k");
  write(".gitignore", "*.log\nskip/\n");
  write("deep/.gitignore", "!keep.log\n");
  write("index/head", "i");
  fs::create_symlink("/etc/hostname", root_ / "link");
  fs::create_directory_symlink(root_ / "deep", root_ / "cycle");
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0600), 0);
  FolderStoreOptions options;
  options.excluded_folder = (root_ / "index").string();
  EXPECT_EQ(keys(*open(options)),
            (std::set<std::string>{"a.txt", "deep/er/b.txt", "deep/keep.log"}));
  options.gitignore = false;
  options.hidden = true;
  EXPECT_EQ(keys(*open(options)).size(), 8U)
      << "hidden and ignored ones too; links and pipes never";
}

// A listing where few files may be open is whole, or an error: a folder that is left out would look
// deleted, and without its .gitignore one would show what nobody may read.
TEST_F(FolderStoreTest, FewOpenFilesLeaveNothingOut) {
  write("a/b/.gitignore", "*.log\n");
  write("a/b/secret.log", "s");
  write("a/b/kept.txt", "k");
  write("a.txt", "a");
  const auto store = open({});
  // Once with all: UBSan looks up an unknown type's memory through files of its own.
  ASSERT_EQ(keys(*store), (std::set<std::string>{"a.txt", "a/b/kept.txt"}));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::size_t failed = 0;
  for (rlim_t limit = 1; limit < 64; ++limit) {
    rlimit low = before;
    low.rlim_cur = limit;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    const auto page = store->list("", "")->next(Deadline::never());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    if (!page.ok()) {
      ++failed;
      EXPECT_EQ(page.code(), Code::kExhausted) << limit << ": " << page.error().message;
      EXPECT_NE(page.error().message.find("ulimit -n"), std::string::npos) << limit;
      continue;
    }
    std::set<std::string> seen;
    for (const ObjectInfo& info : *page) seen.insert(info.key);
    EXPECT_EQ(seen, (std::set<std::string>{"a.txt", "a/b/kept.txt"})) << limit;
  }
  EXPECT_GE(failed, 5U);  // one for each file that a listing of this tree has open at once
  EXPECT_LT(failed, 63U);
}

// A file that is named by itself is meant, hidden or not; its folder may be a whole home.
TEST_F(FolderStoreTest, NamedFilesAreListedWithoutAWalk) {
  write(".env", "h");
  write("notes.log", "n");
  write("other.txt", "o");
  write("deep/a.txt", "a");
  write(".gitignore", "*.log\n");
  fs::create_symlink("other.txt", root_ / "link");
  fs::create_directory(root_ / "locked");
  fs::permissions(root_ / "locked", fs::perms::none);  // a walk by anybody but root ends here
  FolderStoreOptions options;
  options.named = {".env", "deep", "gone.txt", "link", "notes.log", "notes.log/x"};
  options.only_named = true;
  EXPECT_EQ(keys(*open(options)), (std::set<std::string>{".env", "notes.log"}));
  fs::permissions(root_ / "locked", fs::perms::owner_all);
  options.only_named = false;
  EXPECT_EQ(keys(*open(options)),
            (std::set<std::string>{".env", "notes.log", "other.txt", "deep/a.txt"}));
  // A folder of such a name is a folder: it stays hidden.
  fs::remove(root_ / ".env");
  write(".env/secret", "s");
  EXPECT_FALSE(keys(*open(options)).contains(".env/secret"));
}

TEST_F(FolderStoreTest, TagsChangeWithTheFileAndGuardReads) {
  write("a.txt", "first");
  const auto store = open();
  const auto before = stat_one(*store, "a.txt", Deadline::never());
  ASSERT_TRUE(before.ok());
  EXPECT_FALSE(before->info.racy && before->info.last_modified == Timestamp{});
  ReadRequest conditional = request("a.txt");
  conditional.if_match = before->info.tag;
  EXPECT_EQ(as_text(read_one(*store, conditional, Deadline::never())->body), "first");
  write("a.txt", "other");  // the same size and the same mtime: inode or ctime tell
  EXPECT_EQ(read_one(*store, conditional, Deadline::never()).code(), Code::kConflict);
  fs::remove(root_ / "a.txt");
  EXPECT_EQ(read_one(*store, conditional, Deadline::never()).code(), Code::kNotFound);
}

TEST_F(FolderStoreTest, WhatWasJustWrittenIsRacy) {
  write("old.txt", "o", 3600);
  write("new.txt", "n", 0);
  const auto store = open();
  EXPECT_TRUE(stat_one(*store, "new.txt", Deadline::never())->info.racy);
}

TEST_F(FolderStoreTest, KeysStayInsideTheFolder) {
  write("inside/a.txt", "a");
  std::ofstream(root_.string() + "-outside") << "secret";
  fs::create_symlink(root_.string() + "-outside", root_ / "inside/out");
  fs::create_directory_symlink("/etc", root_ / "etc");
  const auto store = open();
  for (const char* key : {"", "/etc/hostname", "../x", "inside/../../x", "inside//a.txt",
                          "./inside/a.txt", "inside/"}) {
    EXPECT_EQ(read_one(*store, request(key), Deadline::never()).code(), Code::kInvalid) << key;
  }
  for (const char* key : {"inside/out", "etc/hostname"}) {
    EXPECT_FALSE(read_one(*store, request(key), Deadline::never()).ok()) << key;
  }
  EXPECT_FALSE(read_one(*store, request("inside"), Deadline::never()).ok())
      << "a folder is no object";
  fs::remove(root_.string() + "-outside");
}

TEST_F(FolderStoreTest, RangesAreCutAndRefusedAsTheContractSays) {
  write("a.txt", "0123456789");
  write("empty", "");
  const auto store = open();
  ReadRequest range = request("a.txt");
  range.offset = 3;
  range.length = 4;
  EXPECT_EQ(as_text(read_one(*store, range, Deadline::never())->body), "3456");
  range.length = 100;
  EXPECT_EQ(as_text(read_one(*store, range, Deadline::never())->body), "3456789");
  range.offset = 11;
  EXPECT_EQ(read_one(*store, range, Deadline::never()).code(), Code::kInvalid);
  EXPECT_TRUE(read_one(*store, request("empty"), Deadline::never())->body.empty());
}

TEST_F(FolderStoreTest, IsReadOnly) {
  const auto store = open();
  EXPECT_EQ(put_one(*store, "a", as_bytes("x"), Deadline::never()).code(), Code::kUnsupported);
  EXPECT_EQ(store->create("a", as_bytes("x"), Deadline::never()).code(), Code::kUnsupported);
  EXPECT_EQ(store->swap("a", Tag{"t"}, as_bytes("x"), Deadline::never()).code(),
            Code::kUnsupported);
  const std::vector<std::string> names = {"a"};
  EXPECT_EQ(store->remove(names, Deadline::never()).front().code(), Code::kUnsupported);
  EXPECT_EQ(
      open_folder_store((root_ / "none").string(), system_clock(), inline_executor(), {}).code(),
      Code::kNotFound);
}

}  // namespace
}  // namespace kedge
