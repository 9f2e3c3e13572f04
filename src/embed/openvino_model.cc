// A TextModel on OpenVINO. All of its calls that throw are in this file and bert_graph.cc.
#include "embed/local_embedder.h"

#if KEDGE_OPENVINO

#include <exception>
#include <openvino/openvino.hpp>
#include <utility>

#include "base/strings.h"
#include "embed/bert_graph.h"
#include "embed/mapped_file.h"
#include "embed/safetensors.h"

namespace kedge {
namespace {

class OpenVinoModel final : public TextModel {
 public:
  OpenVinoModel(ov::CompiledModel compiled, std::size_t dimension)
      : request_(compiled.create_infer_request()),
        compiled_(std::move(compiled)),
        dimension_(dimension) {}

  Status run(std::size_t count, const std::function<TokenBatch(std::size_t)>& make,
             const std::function<void(std::size_t, std::span<const float>)>& take) override {
    try {
      for (std::size_t i = 0; i < count; ++i) KEDGE_TRY(run_one(make(i), i, take));
    } catch (const std::exception& error) {
      return {Code::kInternal, str_cat("OpenVINO: ", error.what())};
    }
    return {};
  }

 private:
  Status run_one(const TokenBatch& batch, std::size_t number,
                 const std::function<void(std::size_t, std::span<const float>)>& take) {
    const ov::Shape shape{batch.rows(), batch.columns};
    ov::Tensor ids(ov::element::i32, shape);
    ov::Tensor mask(ov::element::i32, shape);
    std::copy(batch.ids.begin(), batch.ids.end(), ids.data<std::int32_t>());
    auto* masked = mask.data<std::int32_t>();
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      for (std::size_t column = 0; column < batch.columns; ++column) {
        *masked++ = column < batch.lengths[row] ? 1 : 0;
      }
    }
    request_.set_tensor("input_ids", ids);
    request_.set_tensor("attention_mask", mask);
    request_.infer();
    const ov::Tensor out = request_.get_output_tensor(0);
    const std::size_t wanted = batch.rows() * dimension_;
    if (out.get_size() != wanted) {
      return {Code::kInternal,
              str_cat("the model gave ", out.get_size(), " numbers where ", wanted, " were due")};
    }
    take(number, {out.data<const float>(), wanted});
    return {};
  }

  ov::InferRequest request_;
  ov::CompiledModel compiled_;
  std::size_t dimension_;
};

}  // namespace

Result<std::unique_ptr<TextModel>> load_openvino_model(const ModelFiles& files,
                                                       std::size_t threads) {
  if (files.onnx)
    return {Code::kUnsupported,
            "ONNX files are not read by this version: name a folder with model.safetensors"};
  try {
    auto file = std::make_shared<MappedFile>(KEDGE_TRY(MappedFile::open(files.weights_path)));
    const Safetensors weights = KEDGE_TRY(Safetensors::parse(file->bytes()));
    const std::shared_ptr<void> owner = file;
    const std::shared_ptr<ov::Model> graph = KEDGE_TRY(build_bert_graph(files, weights, owner));
    ov::Core core;
    ov::AnyMap settings{ov::hint::inference_precision(ov::element::f32),
                        ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                        ov::num_streams(1)};
    if (threads > 0)
      settings.emplace(ov::inference_num_threads(static_cast<std::int32_t>(threads)));
    return std::unique_ptr<TextModel>(std::make_unique<OpenVinoModel>(
        core.compile_model(graph, "CPU", settings), files.shape.hidden));
  } catch (const std::exception& error) {
    return {Code::kInternal,
            str_cat("OpenVINO cannot load ", files.weights_path, ": ", error.what())};
  }
}

}  // namespace kedge

#else

namespace kedge {

Result<std::unique_ptr<TextModel>> load_openvino_model(const ModelFiles&, std::size_t) {
  return {Code::kUnsupported,
          "this program was built without OpenVINO: it has only the embedder of tests (test:64)"};
}

}  // namespace kedge

#endif  // KEDGE_OPENVINO
