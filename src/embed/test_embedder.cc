#include "embed/test_embedder.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <mutex>
#include <utility>

#include "base/random.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace kedge {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// Calls on_word for each word, in lower case, at most `limit`; returns how many there were.
template <typename OnWord>
std::size_t each_word(std::string_view text, std::size_t limit, const OnWord& on_word) {
  std::size_t count = 0;
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !is_space(text[i])) {
      const char c = text[i];
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    } else if (!word.empty()) {
      if (++count <= limit) on_word(word);
      word.clear();
    }
  }
  return count;
}

class TestEmbedder final : public Embedder {
 public:
  TestEmbedder(std::uint32_t dimension, std::string gate) : gate_(std::move(gate)) {
    space_.provider = "test";
    space_.model = "words";
    space_.revision = "1";
    space_.dimension = dimension;
    space_.pooling = "sum";
    space_.max_tokens = kTestEmbedderTokens;
  }

  [[nodiscard]] const Space& space() const override { return space_; }
  std::size_t count_tokens(std::string_view text) override {
    return each_word(text, 0, [](const std::string&) {});
  }
  [[nodiscard]] std::size_t special_tokens() const override { return 2; }
  Result<std::vector<float>> embed_documents(std::span<const std::string> texts) override {
    return embed(texts);
  }
  Result<std::vector<float>> embed_queries(std::span<const std::string> texts) override {
    return embed(texts);
  }
  [[nodiscard]] std::string document_input(std::string_view text) const override {
    return std::string(text);
  }
  [[nodiscard]] EmbedUsage usage() const override {
    const std::lock_guard lock(mutex_);
    return usage_;
  }

 private:
  Result<std::vector<float>> embed(std::span<const std::string> texts) {
    if (!gate_.empty()) pass_gate();
    std::vector<float> out(texts.size() * space_.dimension);
    std::uint64_t tokens = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (const auto bad = find_invalid_utf8(texts[i])) {
        return {Code::kInvalid, str_cat("input ", i, ": text is not UTF-8 at byte ", *bad)};
      }
      tokens += embed_one(texts[i], out.data() + i * space_.dimension);
    }
    const std::lock_guard lock(mutex_);
    ++usage_.calls;
    usage_.inputs += texts.size();
    usage_.tokens += tokens;
    return out;
  }

  void pass_gate() const {
    std::ifstream file(str_cat(gate_, ".", usage().calls));
    file.ignore(std::numeric_limits<std::streamsize>::max());
  }

  std::size_t embed_one(const std::string& text, float* row) const {
    const std::size_t limit = kTestEmbedderTokens - special_tokens();
    const std::size_t words = each_word(text, limit, [&](const std::string& word) {
      std::uint64_t seed = 0;
      const Id128 hash = xxh3_128(as_bytes(word));
      std::memcpy(&seed, hash.bytes.data(), sizeof seed);
      SeededRandom random(seed);
      for (std::uint32_t d = 0; d < space_.dimension; ++d)
        row[d] += static_cast<float>(random.unit() - 0.5);
    });
    if (words == 0)
      row[0] = 1;  // a text of no words has a direction too: zero vectors do not compare
    double square = 0;
    for (std::uint32_t d = 0; d < space_.dimension; ++d)
      square += static_cast<double>(row[d]) * row[d];
    const auto scale = static_cast<float>(1 / std::sqrt(square));
    for (std::uint32_t d = 0; d < space_.dimension; ++d) row[d] *= scale;
    return std::min(words, limit);
  }

  std::string gate_;
  Space space_;
  mutable std::mutex mutex_;
  EmbedUsage usage_;
};

}  // namespace

Result<std::unique_ptr<Embedder>> make_test_embedder(std::uint32_t dimension, std::string gate) {
  if (dimension == 0 || dimension > kMaxDimension) {
    return {Code::kInvalid, str_cat("test embedder: ", dimension, " dimensions: 1 to ",
                                    kMaxDimension, " are possible")};
  }
  return std::unique_ptr<Embedder>(std::make_unique<TestEmbedder>(dimension, std::move(gate)));
}

}  // namespace kedge
