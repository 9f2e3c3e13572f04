#include "embed/test_embedder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "embed/open_model.h"

namespace kedge {
namespace {

float dot(const std::vector<float>& rows, std::size_t dimension, std::size_t a, std::size_t b) {
  float sum = 0;
  for (std::size_t d = 0; d < dimension; ++d)
    sum += rows[a * dimension + d] * rows[b * dimension + d];
  return sum;
}

TEST(TestEmbedder, IsDeterministicAndNearForSharedWords) {
  auto one = make_test_embedder(64);
  auto two = make_test_embedder(64);
  ASSERT_TRUE(one.ok() && two.ok());
  const std::vector<std::string> texts = {"a red boat", "Red boat a", "a red car",
                                          "quite another thing", ""};
  const std::vector<float> rows = (*one)->embed_documents(texts).value();
  EXPECT_EQ(rows, (*two)->embed_documents(texts).value());
  EXPECT_NEAR(dot(rows, 64, 0, 1), 1, 1e-5) << "order and case do not count";
  EXPECT_GT(dot(rows, 64, 0, 2), dot(rows, 64, 0, 3));
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_NEAR(dot(rows, 64, i, i), 1, 1e-5) << i;
  EXPECT_EQ((*one)->usage().inputs, texts.size());
  EXPECT_EQ((*one)->usage().tokens, 12U);
  EXPECT_EQ(make_test_embedder(0).code(), Code::kInvalid);
}

TEST(TestEmbedder, RefusesWhatIsNotUtf8) {
  const std::vector<std::string> texts = {"a", "\xC3"};
  EXPECT_EQ(make_test_embedder(64).value()->embed_documents(texts).code(), Code::kInvalid);
}

// The gate is a rendezvous: both sides know that the call has begun and has not ended.
TEST(TestEmbedder, WaitsAtItsGate) {
  char folder[] = "/tmp/kedge-gate-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string gate = std::string(folder) + "/gate";
  ASSERT_EQ(mkfifo((gate + ".1").c_str(), 0600), 0);
  const auto embedder = open_model("test:8:" + gate, {});
  ASSERT_TRUE(embedder.ok());
  const std::vector<std::string> texts = {"a"};
  ASSERT_TRUE((*embedder)->embed_documents(texts).ok()) << "call 0 has no gate";
  std::atomic<bool> done = false;
  std::thread thread([&] {
    EXPECT_TRUE((*embedder)->embed_documents(texts).ok());
    done = true;
  });
  {
    const std::ofstream writer(gate + ".1");  // returns when the thread is there
    EXPECT_FALSE(done);
  }
  thread.join();
  EXPECT_TRUE(done);
  EXPECT_EQ(unlink((gate + ".1").c_str()) + rmdir(folder), 0);
}

TEST(OpenModel, OpensTheTestEmbedderByName) {
  const struct {
    const char* name;
    std::uint32_t dimension;  // 0: refused
  } cases[] = {{"test:3", 3},  {"test:3:/gate", 3},    {"test::/gate", 0}, {"test:8192", 8192},
               {"test:0", 0},  {"test:", 0},           {"test:8193", 0},   {"test:-1", 0},
               {"test:3x", 0}, {"test:99999999999", 0}};
  for (const auto& c : cases) {
    const auto opened = open_model(c.name, {});
    ASSERT_EQ(opened.ok(), c.dimension != 0) << c.name;
    if (opened.ok()) {
      EXPECT_EQ((*opened)->space().dimension, c.dimension);
    } else {
      EXPECT_EQ(opened.code(), Code::kInvalid) << c.name;
    }
  }
}

}  // namespace
}  // namespace kedge
