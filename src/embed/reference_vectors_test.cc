// The built-in model against vectors that the reference implementation made, and against itself:
// an error in the graph, the pooling or the mask costs quality long before anything else shows it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "embed/open_model.h"

namespace kedge {
namespace {

constexpr double kLowestCosine = 0.9999;
constexpr std::size_t kDimension = 384;
constexpr std::size_t kLines = 2641;

// How many of the lines are of which kind.
struct Kinds {
  std::size_t single = 0;        // one word
  std::size_t partly_known = 0;  // the vector is that of one of its words
  std::size_t zero = 0;          // no vector: names with "_"
  std::size_t mangled = 0;       // the name of a field got into the words
};
constexpr Kinds kReference = {1123, 60, 13, 4};

// $KEDGE_SHARED/data/text-embeddings-sample, or that folder of a "shared" beside the repository,
// which the tests run in; "" if there is none.
std::filesystem::path reference_folder() {
  const std::filesystem::path inside = "data/text-embeddings-sample";
  if (const char* named = std::getenv("KEDGE_SHARED")) {
    return std::filesystem::path(named) / inside;
  }
  for (auto folder = std::filesystem::current_path();; folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / "shared" / inside)) return folder / "shared" / inside;
    if (folder == folder.root_path()) return {};
  }
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// Rows of a u32 dimension, then as many f32.
std::vector<float> read_fvecs(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<float> rows;
  for (std::uint32_t dimension = 0;
       file.read(reinterpret_cast<char*>(&dimension), sizeof dimension);) {
    if (dimension != kDimension) return {};
    rows.resize(rows.size() + kDimension);
    file.read(reinterpret_cast<char*>(rows.data() + rows.size() - kDimension),
              kDimension * sizeof(float));
  }
  return rows;
}

double cosine(const float* a, const float* b) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < kDimension; ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

double length(const float* row) {
  double sum = 0;
  for (std::size_t i = 0; i < kDimension; ++i) sum += double{row[i]} * row[i];
  return std::sqrt(sum);
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> words(1);
  for (const char c : line) {
    if (c == ' ' || c == '\'') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

class ReferenceVectors : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("KEDGE_MODEL_DIR");
    if (folder == nullptr) GTEST_SKIP() << "no model: KEDGE_MODEL_DIR is not set; ./dev test does";
    auto opened = open_model(folder, {});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    model_ = std::move(opened).value();
    const std::vector<std::string> one = {"one"};
    const auto tried = model_->embed_queries(one);
    if (!tried.ok() && tried.code() == Code::kUnsupported) {
      GTEST_SKIP() << tried.error().message;
    }
    ASSERT_TRUE(tried.ok()) << tried.error().message;
    ASSERT_EQ(tried->size(), kDimension);
  }
  std::unique_ptr<Embedder> model_;
};

// Our vectors of the words of lines, added up.
class WordSums {
 public:
  // Embeds each word once.
  WordSums(Embedder& model, const std::vector<std::string>& lines) {
    std::vector<std::string> words;
    for (const std::string& line : lines) {
      for (std::string& word : split(line)) words.push_back(std::move(word));
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    const auto given = model.embed_documents(words);
    if (!given.ok()) return;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto row = given->begin() + static_cast<std::ptrdiff_t>(i * kDimension);
      vectors_[words[i]] = std::vector<float>(row, row + kDimension);
    }
  }

  [[nodiscard]] const std::map<std::string, std::vector<float>>& vectors() const {
    return vectors_;
  }

  [[nodiscard]] double cosine_to(const float* reference,
                                 const std::vector<std::string>& words) const {
    std::vector<float> sum(kDimension);
    for (const std::string& word : words) {
      for (std::size_t d = 0; d < kDimension; ++d) sum[d] += vectors_.at(word)[d];
    }
    return cosine(sum.data(), reference);
  }

 private:
  std::map<std::string, std::vector<float>> vectors_;
};

// The reference is a dictionary of words: a line of several has the sum of their vectors,
// normalised, and a word that the dictionary lacks adds nothing.
TEST_F(ReferenceVectors, AreGivenForEachWord) {
  const std::filesystem::path folder = reference_folder();
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << "no reference vectors: there is no shared/data/text-embeddings-sample";
  }
  const std::string name = "all-MiniLM-L6-v2_single-words_384d";
  const std::vector<std::string> lines = read_lines(folder / (name + ".ids.txt"));
  const std::vector<float> expected = read_fvecs(folder / (name + ".fvecs"));
  ASSERT_EQ(lines.size(), kLines);
  ASSERT_EQ(expected.size(), kLines * kDimension);
  const WordSums ours(*model_, lines);
  ASSERT_FALSE(ours.vectors().empty());
  for (const auto& [word, row] : ours.vectors()) ASSERT_NEAR(length(row.data()), 1, 1e-4) << word;
  // This model has no prefixes: a question is embedded as a document is.
  const std::vector<std::string> some(lines.begin(), lines.begin() + 16);
  ASSERT_EQ(model_->embed_queries(some).value(), model_->embed_documents(some).value());
  double lowest = 1;
  Kinds seen;
  for (std::size_t i = 0; i < kLines; ++i) {
    const float* reference = expected.data() + i * kDimension;
    const std::vector<std::string> words = split(lines[i]);
    if (lines[i].find("Vector:") != std::string::npos) {
      ++seen.mangled;
      continue;
    }
    if (length(reference) == 0) {
      ++seen.zero;
      continue;
    }
    double is = ours.cosine_to(reference, words);
    for (std::size_t w = 0; words.size() > 1 && is < kLowestCosine && w < words.size(); ++w) {
      is = ours.cosine_to(reference, {words[w]});
      seen.partly_known += is < kLowestCosine ? 0 : 1;
    }
    seen.single += words.size() == 1 ? 1 : 0;
    ASSERT_GE(is, kLowestCosine) << "line " << i + 1 << ": " << lines[i];
    lowest = std::min(lowest, is);
  }
  EXPECT_EQ(seen.zero, kReference.zero);
  EXPECT_EQ(seen.mangled, kReference.mangled);
  EXPECT_EQ(seen.single, kReference.single);
  EXPECT_EQ(seen.partly_known, kReference.partly_known);
  std::printf("lowest cosine of %zu lines, %zu of them single words: %.8f\n",
              kLines - seen.zero - seen.mangled, seen.single, lowest);
}

// The reference has single words only; what a long text does to the short one beside it in a batch
// (padding that is attended to, or pooled) shows here.
TEST_F(ReferenceVectors, DoNotDependOnTheTextsBeside) {
  constexpr std::uint64_t kSeed = 41;
  SeededRandom random(kSeed);
  const std::vector<std::string> pool = {"the",   "harbour", "anchor",  "held", "through",
                                         "storm", "invoice", "receipt", "blue", "calibration"};
  std::vector<std::string> texts(40);
  for (std::string& text : texts) {
    for (std::uint64_t words = 1 + random.below(random.below(2) == 0 ? 8 : 200); words > 0; --words)
      text += pool[random.below(pool.size())] + " ";
  }
  const auto together = model_->embed_documents(texts);
  ASSERT_TRUE(together.ok()) << together.error().message;
  double lowest = 1;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto alone = model_->embed_documents(std::span(texts).subspan(i, 1));
    ASSERT_TRUE(alone.ok()) << alone.error().message;
    const double is = cosine(alone->data(), together->data() + i * kDimension);
    lowest = std::min(lowest, is);
    ASSERT_GE(is, 0.99999) << "text " << i << " of seed " << kSeed << ": " << texts[i];
  }
  std::printf("seed %llu, lowest cosine of %zu texts alone and in batches: %.7f\n",
              static_cast<unsigned long long>(kSeed), texts.size(), lowest);
}

}  // namespace
}  // namespace kedge
