#include "embed/openvino_model.h"

#include "base/strings.h"

#if KEDGE_OPENVINO

#include <algorithm>
#include <exception>
#include <mutex>
#include <new>
#include <openvino/runtime/core.hpp>
#include <openvino/runtime/properties.hpp>
#include <optional>
#include <vector>

#include "embed/bert_graph.h"
#include "embed/mapped_file.h"
#include "embed/safetensors.h"

namespace kedge {
namespace {

// Calls `body`, and turns what it throws into an error.
template <typename Body>
auto guarded(std::string_view what, const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return {Code::kExhausted, str_cat(what, ": out of memory")};
  } catch (const std::exception& error) {
    return {Code::kInternal, str_cat(what, ": ", printable(error.what()))};
  }
}

class OpenVinoModel final : public TextModel {
 public:
  OpenVinoModel(ov::CompiledModel compiled, std::size_t streams, std::size_t dimension)
      : compiled_(std::move(compiled)), dimension_(dimension) {
    // Two a stream, so that a stream finds its next batch when it ends one.
    for (std::size_t i = 0; i < 2 * streams; ++i) slots_.emplace_back();
  }

  Status run(std::size_t count, const std::function<TokenBatch(std::size_t)>& make,
             const std::function<void(std::size_t, std::span<const float>)>& take) override {
    const std::lock_guard lock(mutex_);
    Status status = guarded("openvino", [&]() -> Status {
      for (std::size_t i = 0; i < count + slots_.size(); ++i) {
        Slot& slot = slots_[i % slots_.size()];
        KEDGE_TRY(finish(slot, take));
        if (i < count) start(slot, i, make(i));
      }
      return {};
    });
    if (!status.ok()) abandon();
    return status;
  }

 private:
  struct Slot {
    ov::InferRequest request;
    std::optional<std::size_t> batch;  // what it computes now
    std::size_t rows = 0;
  };

  void start(Slot& slot, std::size_t index, const TokenBatch& batch) {
    const ov::Shape shape = {batch.rows(), batch.columns};
    ov::Tensor ids(ov::element::i32, shape);
    ov::Tensor mask(ov::element::i32, shape);
    std::copy(batch.ids.begin(), batch.ids.end(), ids.data<std::int32_t>());
    std::fill_n(mask.data<std::int32_t>(), mask.get_size(), 0);
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      std::fill_n(mask.data<std::int32_t>() + row * batch.columns, batch.lengths[row], 1);
    }
    if (!slot.request) slot.request = compiled_.create_infer_request();
    slot.request.set_tensor("input_ids", ids);
    slot.request.set_tensor("attention_mask", mask);
    slot.rows = batch.rows();
    slot.request.start_async();
    slot.batch = index;
  }

  Status finish(Slot& slot, const std::function<void(std::size_t, std::span<const float>)>& take) {
    if (!slot.batch) return {};
    slot.request.wait();
    const std::size_t batch = *slot.batch;
    slot.batch.reset();
    const ov::Tensor output = slot.request.get_output_tensor(0);
    if (output.get_element_type() != ov::element::f32 ||
        output.get_shape() != ov::Shape{slot.rows, dimension_}) {
      return {Code::kUnsupported, str_cat("the model's vectors are not f32 of ", dimension_,
                                          " dimensions, as its config.json says")};
    }
    take(batch, {output.data<const float>(), output.get_size()});
    return {};
  }

  // Nothing may still write into a request when the next run uses it.
  void abandon() noexcept {
    for (Slot& slot : slots_) {
      if (!slot.batch) continue;
      try {
        slot.request.wait();
      } catch (const std::exception&) {  // the first error was reported
      }
      slot.batch.reset();
    }
  }

  std::mutex mutex_;
  ov::CompiledModel compiled_;
  const std::size_t dimension_;
  std::vector<Slot> slots_;
};

Result<std::unique_ptr<TextModel>> compile(const ModelFiles& files, std::size_t threads) {
  auto mapped = std::make_shared<MappedFile>(KEDGE_TRY(MappedFile::open(files.weights_path)));
  ov::Core core;
  std::shared_ptr<ov::Model> graph;
  if (files.onnx) {
    graph = KEDGE_TRY(add_pooling(files, core.read_model(files.weights_path)));
  } else {
    const Safetensors weights = KEDGE_TRY(Safetensors::parse(mapped->bytes()));
    graph = KEDGE_TRY(build_bert_graph(files, weights, mapped));
  }
  // Each stream computes a batch on one core: faster than one batch on all of them, and the same
  // numbers on any number of cores.
  ov::CompiledModel compiled =
      core.compile_model(graph, "CPU", ov::hint::inference_precision(ov::element::f32),
                         ov::num_streams(static_cast<std::int32_t>(threads)),
                         ov::inference_num_threads(static_cast<std::int32_t>(threads)),
                         ov::hint::enable_cpu_pinning(false));
  // The network keeps packed copies of its matrices; of the file only rows of the word table are
  // read again.
  mapped->forget();
  return std::unique_ptr<TextModel>(
      std::make_unique<OpenVinoModel>(std::move(compiled), threads, files.shape.hidden));
}

}  // namespace

Result<std::unique_ptr<TextModel>> open_openvino_model(const ModelFiles& files,
                                                       std::size_t threads) {
  return guarded(str_cat("cannot load ", printable(files.weights_path)),
                 [&]() -> Result<std::unique_ptr<TextModel>> { return compile(files, threads); });
}

}  // namespace kedge

#else

namespace kedge {

Result<std::unique_ptr<TextModel>> open_openvino_model(const ModelFiles& files, std::size_t) {
  return {Code::kUnsupported, str_cat("cannot load ", printable(files.weights_path),
                                      ": this program was built without OpenVINO")};
}

}  // namespace kedge

#endif
