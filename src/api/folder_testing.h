// What the tests of the API share: a folder of documents, its index beside them, and a client with
// the embedder of tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "base/hash.h"
#include "base/random.h"
#include "kedge/client.h"
#include "store/folder_store.h"

namespace kedge::test {

class FolderTest : public testing::Test {
 protected:
  FolderTest()
      : root_(std::filesystem::temp_directory_path() /
              ("kedge-api-" + Id128::random(system_random()).hex())) {
    std::filesystem::create_directories(root_ / "docs/deep");
  }
  ~FolderTest() override { std::filesystem::remove_all(root_); }

  [[nodiscard]] std::string docs() const { return (root_ / "docs").string(); }

  // Old enough not to be racy.
  void write(const std::string& name, const std::string& text, int age_hours = 24) {
    const std::filesystem::path path = root_ / "docs" / name;
    std::ofstream(path, std::ios::binary) << text;
    const auto now = std::filesystem::file_time_type::clock::now();
    std::filesystem::last_write_time(path, now - std::chrono::hours(age_hours));
  }

  // Until the kernel's clock is past the stamps of what was just written: they are racy before, and
  // nothing but time changes that.
  static void settle() {
    const auto until = std::chrono::steady_clock::now() + 2 * kStampGranularity;
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
  }

  std::unique_ptr<Client> open() {
    ClientOptions options;
    options.index = (root_ / "docs/.kedge").string();
    options.model = "test:64";
    options.scratch_folder = (root_ / "scratch").string();
    options.threads = 2;
    options.create = true;
    auto client = Client::open(options);
    EXPECT_TRUE(client.ok()) << client.error().message;
    return std::move(client).value();
  }

  std::filesystem::path root_;
};

}  // namespace kedge::test
