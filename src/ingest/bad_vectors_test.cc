// Vectors of a model that no row can hold: their objects are pending, and nobody else is.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "base/strings.h"
#include "embed/embedder_testing.h"
#include "ingest/sync.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

constexpr std::uint32_t kDimension = 8;

// Gives the first text of each batch a vector of its own making.
class OddEmbedder final : public test::WrappedEmbedder {
 public:
  OddEmbedder() : WrappedEmbedder(kDimension) {}
  std::vector<float> odd;  // empty: none
  Result<std::vector<float>> embed_documents(std::span<const std::string> texts) override {
    std::vector<float> out = KEDGE_TRY(WrappedEmbedder::embed_documents(texts));
    std::copy(odd.begin(), odd.end(), out.begin());
    return out;
  }
};

class BadVectors : public testing::Test {
 protected:
  BadVectors() {
    for (int i = 0; i < 5; ++i) {
      const std::string text =
          str_cat("object number ", i, std::string(static_cast<std::size_t>(i), '.'));
      EXPECT_TRUE(put_one(bucket_, str_cat("k", i), as_bytes(text), Deadline::never()).ok());
    }
  }
  Result<SyncReport> sync() {
    clock_.advance(std::chrono::minutes(1));
    const Environment environment{files_, clock_, random_, inline_executor(), silent_log()};
    auto index = Index::open(environment, {}, Deadline::never());
    if (!index.ok()) index = Index::create(environment, {}, Deadline::never());
    if (!index.ok()) return index.error();
    SyncOptions options;
    options.source_uri = "memory:bucket/";
    return sync_source({.index = **index,
                        .source = bucket_,
                        .embedder = embedder_,
                        .cache = nullptr,
                        .clock = clock_,
                        .random = random_,
                        .executor = inline_executor(),
                        .log = silent_log(),
                        .scratch_folder = std::filesystem::temp_directory_path().string()},
                       options, Deadline::never());
  }

  ManualClock clock_;
  SeededRandom random_{6};
  MemoryStore bucket_{clock_};
  MemoryStore files_{clock_};
  OddEmbedder embedder_;
};

TEST_F(BadVectors, OfAModelLeaveTheirObjectsPendingAlone) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::pair<const char*, float> cases[] = {{"NaN", std::numeric_limits<float>::quiet_NaN()},
                                                 {"infinity", kInfinity},
                                                 {"-infinity", -kInfinity},
                                                 {"over what a half holds", 65'520},
                                                 {"huge", 1e38F},
                                                 {"zero, without a direction", 0},
                                                 {"zero as a half", 1e-9F}};
  for (const auto& [name, value] : cases) {
    SCOPED_TRACE(name);
    embedder_.odd.assign(kDimension, value);
    const auto report = sync();
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->pending, 1U);
    EXPECT_EQ(report->indexed, 4U);
  }
  embedder_.odd.clear();
  const auto healed = sync();
  ASSERT_TRUE(healed.ok()) << healed.error().message;
  EXPECT_EQ(healed->pending, 0U);
  EXPECT_EQ(healed->indexed, 5U);
}

}  // namespace
}  // namespace kedge
