#include "embed/open_model.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <thread>
#include <utility>

#include "base/strings.h"
#include "embed/local_embedder.h"
#include "embed/mapped_file.h"
#include "embed/model_files.h"
#include "embed/openvino_model.h"
#include "embed/test_embedder.h"

namespace kedge {
namespace {

constexpr std::string_view kTest = "test:";

Result<std::unique_ptr<Embedder>> open_test_model(std::string_view name) {
  std::string_view digits = name.substr(kTest.size());
  std::string gate;
  if (const std::size_t colon = digits.find(':'); colon != std::string_view::npos) {
    gate = digits.substr(colon + 1);
    digits = digits.substr(0, colon);
  }
  std::uint32_t dimension = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), dimension);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return {Code::kInvalid, str_cat("model '", printable(name),
                                    "': test:N or test:N:GATE needs a number of dimensions")};
  }
  return make_test_embedder(dimension, std::move(gate));
}

Result<Space> describe(const ModelFiles& files, const ModelOptions& options) {
  Space space;
  space.provider = "local";
  space.model = files.name;
  space.revision = KEDGE_TRY(model_revision(files));
  space.dimension = files.shape.hidden;
  space.metric = files.metric;
  space.normalised = files.normalise;
  space.pooling = files.pooling == Pooling::kCls ? "cls" : "mean";
  space.query_prefix = options.query_prefix.value_or(files.query_prefix);
  space.document_prefix = options.document_prefix.value_or(files.document_prefix);
  space.max_tokens = files.max_tokens;
  for (const std::string* prefix : {&space.query_prefix, &space.document_prefix}) {
    if (prefix->size() > kMaxSpaceString) {
      return {Code::kInvalid, str_cat("a prefix is over ", kMaxSpaceString, " bytes")};
    }
  }
  return space;
}

}  // namespace

Result<std::unique_ptr<Embedder>> open_model(const std::string& name, const ModelOptions& options,
                                             Clock& clock) {
  if (name.starts_with(kTest)) return open_test_model(name);
  const ModelFiles files = KEDGE_TRY(read_model_files(name));
  const MappedFile vocabulary = KEDGE_TRY(MappedFile::open(files.vocabulary_path()));
  WordPiece tokenizer =
      KEDGE_TRY(WordPiece::make(std::string(as_text(vocabulary.bytes())), files.tokenizer));
  if (tokenizer.size() > files.shape.vocabulary) {
    return {Code::kCorrupt, str_cat("model: vocab.txt has ", tokenizer.size(),
                                    " tokens, config.json only ", files.shape.vocabulary)};
  }
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t threads =
      std::clamp<std::size_t>(options.threads == 0 ? cores : options.threads, 1, kMaxModelThreads);
  LocalEmbedderOptions local;
  local.space = KEDGE_TRY(describe(files, options));
  local.open = [files, threads] { return open_openvino_model(files, threads); };
  local.batch_tokens = options.batch_tokens;
  return make_local_embedder(std::move(tokenizer), std::move(local), clock);
}

}  // namespace kedge
