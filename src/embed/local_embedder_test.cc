// What lies between texts and a model: order, cuts, prefixes, batches, errors. The model is a fake
// whose vector names the tokens that it saw, so that a row in the wrong place shows.
#include "embed/local_embedder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "base/strings.h"

namespace kedge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\n:\n";

// What a fake was asked to do.
struct Seen {
  std::vector<TokenBatch> batches;
  std::size_t opened = 0;
  Status answer;
};

// A text's vector: its tokens, their sum weighted by place, and -1.
class FakeModel final : public TextModel {
 public:
  explicit FakeModel(Seen& seen) : seen_(seen) {}
  Status run(std::size_t count, const std::function<TokenBatch(std::size_t)>& make,
             const std::function<void(std::size_t, std::span<const float>)>& take) override {
    std::vector<TokenBatch> batches;
    for (std::size_t i = 0; i < count; ++i) batches.push_back(make(i));
    for (std::size_t i = count; i-- > 0;) take(i, vectors(batches[i]));
    seen_.batches.insert(seen_.batches.end(), batches.begin(), batches.end());
    return seen_.answer;
  }

 private:
  static std::vector<float> vectors(const TokenBatch& batch) {
    std::vector<float> out;
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < batch.lengths[row]; ++i) {
        sum += static_cast<std::int64_t>(i + 1) * batch.ids[row * batch.columns + i];
      }
      out.insert(out.end(), {static_cast<float>(batch.lengths[row]), static_cast<float>(sum), -1});
    }
    return out;
  }
  Seen& seen_;
};

Space small_space() {
  Space space;
  space.dimension = 3;
  space.max_tokens = 20;
  return space;
}

std::unique_ptr<Embedder> embedder(Seen& seen, Space space = small_space(),
                                   std::size_t batch_tokens = 64) {
  static ManualClock clock;
  LocalEmbedderOptions options;
  options.space = std::move(space);
  options.batch_tokens = batch_tokens;
  options.open = [&seen]() -> Result<std::unique_ptr<TextModel>> {
    if (++seen.opened == 1 && !seen.answer.ok()) return Error(seen.answer.error());
    return std::unique_ptr<TextModel>(std::make_unique<FakeModel>(seen));
  };
  return make_local_embedder(std::move(WordPiece::make(std::string(kVocabulary), {})).value(),
                             std::move(options), clock);
}

std::vector<std::string> random_texts(std::size_t count, std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<std::string> texts(count);
  for (std::string& text : texts) {
    for (std::uint64_t words = random.below(30); words > 0; --words) {
      text += str_cat(static_cast<char>('a' + random.below(4)), ' ');
    }
  }
  return texts;
}

TEST(LocalEmbedder, EachTextHasTheVectorThatItHasAlone) {
  Seen seen;
  const auto many = embedder(seen);
  const std::vector<std::string> texts = random_texts(2 * kEmbedWindow + 100, 7);
  const auto together = many->embed_documents(texts);
  ASSERT_TRUE(together.ok()) << together.error().message;
  ASSERT_EQ(together->size(), texts.size() * 3);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto alone = many->embed_documents(std::span(texts).subspan(i, 1));
    ASSERT_TRUE(std::equal(alone->begin(), alone->end(), together->begin() + 3 * std::ptrdiff_t(i)))
        << "text " << i << " of seed 7: " << texts[i];
  }
}

TEST(LocalEmbedder, BatchesStayUnderTheirLimits) {
  Seen seen;
  const auto some = embedder(seen);
  const std::vector<std::string> texts = random_texts(500, 11);
  ASSERT_TRUE(some->embed_documents(texts).ok());
  std::size_t rows = 0;
  std::size_t tokens = 0;
  for (const TokenBatch& batch : seen.batches) {
    rows += batch.rows();
    const std::size_t longest = *std::max_element(batch.lengths.begin(), batch.lengths.end());
    EXPECT_TRUE(batch.columns % kColumnStep == 0 || batch.columns == 20) << batch.columns;
    EXPECT_LT(batch.columns, longest + kColumnStep);
    EXPECT_LE(batch.rows() * longest, 64U);
    std::size_t padding = 0;
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      tokens += batch.lengths[row];
      padding += longest - batch.lengths[row];
      for (std::size_t i = batch.lengths[row]; i < batch.columns; ++i) {
        EXPECT_EQ(batch.ids[row * batch.columns + i], 0);
      }
    }
    EXPECT_LE(padding, kMaxBatchPadding);
  }
  EXPECT_EQ(rows, texts.size());
  EXPECT_EQ(some->usage().calls, seen.batches.size());
  EXPECT_EQ(some->usage().inputs, texts.size());
  EXPECT_EQ(some->usage().tokens, tokens);
}

TEST(LocalEmbedder, CutsEmbedsNothingAndTakesTheEmptyText) {
  Seen seen;
  const auto some = embedder(seen);
  EXPECT_TRUE(some->embed_documents({}).value().empty());
  EXPECT_EQ(seen.opened, 0U);  // and no text needs no model
  std::string longer;
  for (int i = 0; i < 100; ++i) longer += "a ";
  const std::vector<std::string> texts = {"", longer};
  const auto vectors = some->embed_documents(texts);
  ASSERT_TRUE(vectors.ok());
  EXPECT_THAT(*vectors, ElementsAre(2, 2 + 2 * 3, -1, 20, testing::_, -1));
}

TEST(LocalEmbedder, AddsThePrefixesOfTheSpace) {
  Seen seen;
  Space space = small_space();
  space.query_prefix = "b: ";
  space.document_prefix = "c: d: ";
  const auto prefixed = embedder(seen, space);
  const auto plain = embedder(seen);
  const std::vector<std::string> text = {"a"};
  const std::vector<std::string> query = {"b: a"};
  const std::vector<std::string> document = {prefixed->document_input("a")};
  EXPECT_EQ(document[0], "c: d: a");
  EXPECT_EQ(prefixed->embed_queries(text).value(), plain->embed_documents(query).value());
  EXPECT_EQ(prefixed->embed_documents(text).value(), plain->embed_queries(document).value());
  EXPECT_EQ(plain->special_tokens(), 2U);
  EXPECT_EQ(prefixed->special_tokens(), 6U);
}

TEST(LocalEmbedder, OpensTheModelOnceAndOnlyToEmbed) {
  Seen seen;
  const auto lazy = embedder(seen);
  EXPECT_EQ(lazy->count_tokens("a b c"), 3U);
  EXPECT_EQ(lazy->space().dimension, 3U);
  EXPECT_EQ(seen.opened, 0U);
  const std::vector<std::string> text = {"a"};
  ASSERT_TRUE(lazy->embed_queries(text).ok());
  ASSERT_TRUE(lazy->embed_queries(text).ok());
  EXPECT_EQ(seen.opened, 1U);
}

TEST(LocalEmbedder, ReportsErrorsAndWorksAgain) {
  Seen seen;
  const auto some = embedder(seen);
  const std::vector<std::string> text = {"a"};
  seen.answer = {Code::kExhausted, "no memory"};
  EXPECT_EQ(some->embed_queries(text).code(), Code::kExhausted);  // opening failed
  EXPECT_EQ(some->embed_queries(text).code(), Code::kExhausted);  // running failed
  seen.answer = {};
  EXPECT_TRUE(some->embed_queries(text).ok());
  EXPECT_EQ(seen.opened, 2U);
  const std::vector<std::string> bad = {"a", "b\xFF"};
  const auto result = some->embed_documents(bad);
  EXPECT_EQ(result.code(), Code::kInvalid);
  EXPECT_THAT(result.error().message, HasSubstr("input 1: text is not UTF-8 at byte 1"));
}

}  // namespace
}  // namespace kedge
