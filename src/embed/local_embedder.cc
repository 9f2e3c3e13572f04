#include "embed/local_embedder.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "embed/mapped_file.h"
#include "embed/wordpiece.h"

namespace kedge {
namespace {

class LocalEmbedder final : public Embedder {
 public:
  LocalEmbedder(ModelFiles files, Space space, WordPiece tokenizer, std::size_t threads)
      : files_(std::move(files)),
        space_(std::move(space)),
        tokenizer_(std::move(tokenizer)),
        threads_(threads) {}

  [[nodiscard]] const Space& space() const override { return space_; }
  std::size_t count_tokens(std::string_view text) override { return tokenizer_.count(text); }
  [[nodiscard]] std::size_t special_tokens() const override { return 2; }
  [[nodiscard]] std::string document_input(std::string_view text) const override {
    return space_.document_prefix + std::string(text);
  }
  Result<std::vector<float>> embed_documents(std::span<const std::string> texts) override {
    return embed(texts, space_.document_prefix);
  }
  Result<std::vector<float>> embed_queries(std::span<const std::string> texts) override {
    return embed(texts, space_.query_prefix);
  }
  [[nodiscard]] EmbedUsage usage() const override {
    const std::lock_guard lock(usage_mutex_);
    return usage_;
  }

 private:
  Result<TextModel*> model() {
    const std::lock_guard lock(model_mutex_);
    if (model_ == nullptr) model_ = KEDGE_TRY(load_openvino_model(files_, threads_));
    return model_.get();
  }

  Result<std::vector<float>> embed(std::span<const std::string> texts, const std::string& prefix) {
    std::vector<std::vector<std::int32_t>> tokens;
    tokens.reserve(texts.size());
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Result<std::vector<std::int32_t>> ids =
          tokenizer_.encode(prefix + texts[i], space_.max_tokens);
      if (!ids.ok()) return Error{ids.code(), str_cat("text ", i, ": ", ids.error().message)};
      total += ids->size();
      tokens.push_back(std::move(ids).value());
    }
    TextModel* model = KEDGE_TRY(this->model());
    // Sorted by length, so that a rectangle holds little padding.
    std::vector<std::size_t> order(texts.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return tokens[a].size() < tokens[b].size();
    });
    const std::vector<std::size_t> ends = batch_ends(tokens, order);
    std::vector<float> out(texts.size() * space_.dimension);
    const auto began = std::chrono::steady_clock::now();
    const auto first_of = [&](std::size_t batch) { return batch == 0 ? 0 : ends[batch - 1]; };
    const auto make = [&](std::size_t batch) {
      return make_batch(tokens,
                        std::span(order).subspan(first_of(batch), ends[batch] - first_of(batch)));
    };
    const auto take = [&](std::size_t batch, std::span<const float> vectors) {
      for (std::size_t row = first_of(batch); row < ends[batch]; ++row) {
        std::memcpy(out.data() + order[row] * space_.dimension,
                    vectors.data() + (row - first_of(batch)) * space_.dimension,
                    space_.dimension * sizeof(float));
      }
    };
    {
      const std::lock_guard lock(run_mutex_);
      KEDGE_TRY(model->run(ends.size(), make, take));
    }
    const std::lock_guard lock(usage_mutex_);
    usage_.calls += ends.size();
    usage_.inputs += texts.size();
    usage_.tokens += total;
    usage_.seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return out;
  }

  static std::vector<std::size_t> batch_ends(const std::vector<std::vector<std::int32_t>>& tokens,
                                             const std::vector<std::size_t>& order) {
    std::vector<std::size_t> ends;
    std::size_t first = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::size_t rows = i - first + 1;
      if (rows > kMaxBatchRows || rows * tokens[order[i]].size() > kMaxBatchTokens) {
        if (i > first) ends.push_back(i);
        first = i;
      }
    }
    if (first < order.size()) ends.push_back(order.size());
    return ends;
  }

  static TokenBatch make_batch(const std::vector<std::vector<std::int32_t>>& tokens,
                               std::span<const std::size_t> rows) {
    TokenBatch batch;
    for (const std::size_t row : rows) {
      batch.lengths.push_back(tokens[row].size());
      batch.columns = std::max(batch.columns, tokens[row].size());
    }
    batch.ids.resize(rows.size() * batch.columns);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      std::copy(tokens[rows[r]].begin(), tokens[rows[r]].end(),
                batch.ids.begin() + static_cast<std::ptrdiff_t>(r * batch.columns));
    }
    return batch;
  }

  ModelFiles files_;
  Space space_;
  WordPiece tokenizer_;
  std::size_t threads_;
  std::mutex model_mutex_;
  std::unique_ptr<TextModel> model_;
  std::mutex run_mutex_;
  mutable std::mutex usage_mutex_;
  EmbedUsage usage_;
};

}  // namespace

Result<std::unique_ptr<Embedder>> open_local_embedder(const std::string& folder,
                                                      std::size_t threads) {
  ModelFiles files = KEDGE_TRY(read_model_files(folder));
  Space space;
  space.provider = "local";
  space.model = files.name;
  space.revision = KEDGE_TRY(model_revision(files));
  space.dimension = files.shape.hidden;
  space.metric = files.metric;
  space.normalised = files.normalise;
  space.pooling = files.pooling == Pooling::kMean ? "mean" : "cls";
  space.query_prefix = files.query_prefix;
  space.document_prefix = files.document_prefix;
  space.max_tokens = files.max_tokens;
  const MappedFile vocabulary = KEDGE_TRY(MappedFile::open(files.vocabulary_path()));
  WordPiece tokenizer =
      KEDGE_TRY(WordPiece::make(std::string(as_text(vocabulary.bytes())), files.tokenizer));
  return std::unique_ptr<Embedder>(std::make_unique<LocalEmbedder>(
      std::move(files), std::move(space), std::move(tokenizer), threads));
}

}  // namespace kedge
