// What tests make their own embedders of: the one of tests, whose parts they override.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "embed/test_embedder.h"

namespace kedge::test {

class WrappedEmbedder : public Embedder {
 public:
  explicit WrappedEmbedder(std::uint32_t dimension)
      : inner_(make_test_embedder(dimension).value()) {}

  [[nodiscard]] const Space& space() const override { return inner_->space(); }
  std::size_t count_tokens(std::string_view text) override { return inner_->count_tokens(text); }
  [[nodiscard]] std::size_t special_tokens() const override { return inner_->special_tokens(); }
  Result<std::vector<float>> embed_documents(std::span<const std::string> texts) override {
    return inner_->embed_documents(texts);
  }
  Result<std::vector<float>> embed_queries(std::span<const std::string> texts) override {
    return inner_->embed_queries(texts);
  }
  [[nodiscard]] std::string document_input(std::string_view text) const override {
    return inner_->document_input(text);
  }
  [[nodiscard]] EmbedUsage usage() const override { return inner_->usage(); }

 private:
  std::unique_ptr<Embedder> inner_;
};

}  // namespace kedge::test
