#include "embed/local_embedder.h"

#include <algorithm>
#include <mutex>
#include <numeric>

#include "base/strings.h"

namespace kedge {
namespace {

using Tokens = std::vector<std::int32_t>;

// Places in a window of texts, longest first; each batch is a run of them.
struct Plan {
  std::vector<std::size_t> order;
  std::vector<std::size_t> ends;  // of each batch, into order

  [[nodiscard]] std::span<const std::size_t> batch(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::span(order).subspan(begin, ends[i] - begin);
  }
};

// The longest first: what is left when the cores run out of work is small.
Plan make_plan(const std::vector<Tokens>& texts, std::size_t batch_tokens) {
  Plan plan;
  plan.order.resize(texts.size());
  std::iota(plan.order.begin(), plan.order.end(), std::size_t{0});
  std::stable_sort(plan.order.begin(), plan.order.end(),
                   [&](std::size_t a, std::size_t b) { return texts[a].size() > texts[b].size(); });
  std::size_t begin = 0;
  std::size_t padding = 0;  // against the longest; what rounding adds belongs to every batch
  for (std::size_t i = 0; i < plan.order.size(); ++i) {
    const std::size_t columns = texts[plan.order[begin]].size();
    padding += columns - texts[plan.order[i]].size();
    if (i > begin && ((i - begin + 1) * columns > batch_tokens || padding > kMaxBatchPadding)) {
      plan.ends.push_back(i);
      begin = i;
      padding = 0;
    }
  }
  if (!plan.order.empty()) plan.ends.push_back(plan.order.size());
  return plan;
}

TokenBatch make_batch(const std::vector<Tokens>& texts, std::span<const std::size_t> rows,
                      std::size_t max_tokens) {
  TokenBatch batch;
  const std::size_t longest = texts[rows[0]].size();
  batch.columns = std::min((longest + kColumnStep - 1) / kColumnStep * kColumnStep, max_tokens);
  batch.ids.reserve(rows.size() * batch.columns);
  for (const std::size_t row : rows) {
    batch.lengths.push_back(texts[row].size());
    batch.ids.insert(batch.ids.end(), texts[row].begin(), texts[row].end());
    batch.ids.resize(batch.lengths.size() * batch.columns, 0);
  }
  return batch;
}

class LocalEmbedder final : public Embedder {
 public:
  LocalEmbedder(WordPiece tokenizer, LocalEmbedderOptions options, Clock& clock)
      : tokenizer_(std::move(tokenizer)), options_(std::move(options)), clock_(clock) {}

  [[nodiscard]] const Space& space() const override { return options_.space; }
  std::size_t count_tokens(std::string_view text) override { return tokenizer_.count(text); }
  [[nodiscard]] std::size_t special_tokens() const override {
    return 2 + tokenizer_.count(space().document_prefix);
  }
  [[nodiscard]] std::string document_input(std::string_view text) const override {
    return str_cat(space().document_prefix, text);
  }
  Result<std::vector<float>> embed_documents(std::span<const std::string> texts) override {
    return embed(texts, space().document_prefix);
  }
  Result<std::vector<float>> embed_queries(std::span<const std::string> texts) override {
    return embed(texts, space().query_prefix);
  }
  [[nodiscard]] EmbedUsage usage() const override {
    const std::lock_guard lock(usage_mutex_);
    return usage_;
  }

 private:
  Result<std::vector<float>> embed(std::span<const std::string> texts, const std::string& prefix) {
    std::vector<float> vectors(texts.size() * space().dimension);
    for (std::size_t begin = 0; begin < texts.size(); begin += kEmbedWindow) {
      const std::size_t count = std::min(kEmbedWindow, texts.size() - begin);
      std::vector<Tokens> tokens;
      for (std::size_t i = begin; i < begin + count; ++i) {
        tokens.push_back(KEDGE_TRY(tokenize(texts[i], i, prefix)));
      }
      KEDGE_TRY(embed_window(tokens, std::span(vectors).subspan(begin * space().dimension)));
    }
    return vectors;
  }

  Result<Tokens> tokenize(const std::string& text, std::size_t index, const std::string& prefix) {
    auto ids = tokenizer_.encode(prefix.empty() ? text : prefix + text, space().max_tokens);
    if (!ids.ok()) {
      return {ids.code(), str_cat("input ", index, ": ", ids.error().message)};
    }
    return ids;
  }

  Status embed_window(const std::vector<Tokens>& texts, std::span<float> out) {
    TextModel& model = *KEDGE_TRY(opened());
    const std::size_t dimension = space().dimension;
    const Plan plan = make_plan(texts, options_.batch_tokens);
    const Duration begin = clock_.monotonic();
    Status status = model.run(
        plan.ends.size(),
        [&](std::size_t i) { return make_batch(texts, plan.batch(i), space().max_tokens); },
        [&](std::size_t i, std::span<const float> vectors) {
          const auto rows = plan.batch(i);
          for (std::size_t row = 0; row < rows.size(); ++row) {
            const auto from = vectors.subspan(row * dimension, dimension);
            std::copy(from.begin(), from.end(), out.subspan(rows[row] * dimension).begin());
          }
        });
    const Duration took = clock_.monotonic() - begin;
    const std::lock_guard lock(usage_mutex_);
    usage_.calls += plan.ends.size();
    usage_.inputs += texts.size();
    for (const Tokens& text : texts) usage_.tokens += text.size();
    usage_.seconds += std::chrono::duration<double>(took).count();
    return status;
  }

  Result<TextModel*> opened() {
    const std::lock_guard lock(open_mutex_);
    if (model_ == nullptr) model_ = KEDGE_TRY(options_.open());
    return model_.get();
  }

  const WordPiece tokenizer_;
  const LocalEmbedderOptions options_;
  Clock& clock_;
  std::mutex open_mutex_;
  std::unique_ptr<TextModel> model_;
  mutable std::mutex usage_mutex_;
  EmbedUsage usage_;
};

}  // namespace

std::unique_ptr<Embedder> make_local_embedder(WordPiece tokenizer, LocalEmbedderOptions options,
                                              Clock& clock) {
  KEDGE_CHECK(options.space.max_tokens >= 2 && options.space.dimension > 0);
  return std::make_unique<LocalEmbedder>(std::move(tokenizer), std::move(options), clock);
}

}  // namespace kedge
