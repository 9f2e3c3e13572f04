// One sync that writes down what it asks of the model before it asks: for bench/kill.py, which
// kills it.
//
//   counted_sync_bench SOURCE INDEX MODEL LEDGER
//
// MODEL: "test:64", a folder, or "" for the default. LEDGER: a file; one line a text is appended,
// 16 hexadecimal digits of its hash, before the model sees it. So what a killed sync has paid for,
// or was about to, is known whatever moment it died at.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/environment.h"
#include "base/hash.h"
#include "base/strings.h"
#include "kedge/client.h"

namespace {

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "counted_sync_bench: %s\n", message.c_str());
  std::exit(1);
}

class LedgerEmbedder final : public kedge::Embedder {
 public:
  LedgerEmbedder(std::unique_ptr<kedge::Embedder> inner, int ledger)
      : inner_(std::move(inner)), ledger_(ledger) {}

  [[nodiscard]] const kedge::Space& space() const override { return inner_->space(); }
  std::size_t count_tokens(std::string_view text) override { return inner_->count_tokens(text); }
  [[nodiscard]] std::size_t special_tokens() const override { return inner_->special_tokens(); }
  [[nodiscard]] std::string document_input(std::string_view text) const override {
    return inner_->document_input(text);
  }
  kedge::Result<std::vector<float>> embed_documents(std::span<const std::string> texts) override {
    std::string lines;
    for (const std::string& text : texts)
      lines += kedge::sha256_128(kedge::as_bytes(text)).hex().substr(0, 16) + "\n";
    // One write: a kill leaves all of the lines or none.
    if (write(ledger_, lines.data(), lines.size()) != static_cast<ssize_t>(lines.size()))
      fail("the ledger cannot be written");
    return inner_->embed_documents(texts);
  }
  kedge::Result<std::vector<float>> embed_queries(std::span<const std::string> texts) override {
    return inner_->embed_queries(texts);
  }
  [[nodiscard]] kedge::EmbedUsage usage() const override { return inner_->usage(); }

 private:
  std::unique_ptr<kedge::Embedder> inner_;
  int ledger_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) fail("usage: counted_sync_bench SOURCE INDEX MODEL LEDGER");
  const int ledger = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (ledger < 0) fail(std::string("cannot open ") + argv[4]);
  kedge::ClientOptions options;
  options.index = argv[2];
  options.model = argv[3];
  options.create = true;
  auto environment = kedge::make_environment(options);
  if (!environment.ok()) fail(environment.error().message);
  environment->open_embedder = [open = environment->open_embedder,
                                ledger](const std::optional<kedge::Space>& space)
      -> kedge::Result<std::unique_ptr<kedge::Embedder>> {
    return std::unique_ptr<kedge::Embedder>(
        std::make_unique<LedgerEmbedder>(KEDGE_TRY(open(space)), ledger));
  };
  auto client = kedge::open_client(options, *std::move(environment));
  if (!client.ok()) fail(client.error().message);
  kedge::SyncRequest request;
  request.sources = {argv[1]};
  const auto done = (*client)->sync(request);
  if (!done.ok()) fail(done.error().message);
  return 0;
}
