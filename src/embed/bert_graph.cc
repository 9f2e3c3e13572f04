#include "embed/bert_graph.h"

#if KEDGE_OPENVINO

#include <cmath>
#include <cstdint>
#include <limits>
#include <openvino/core/model.hpp>
#include <openvino/opsets/opset13.hpp>
#include <string>
#include <vector>

#include "base/strings.h"

namespace kedge {
namespace {

namespace op = ov::opset13;
using Value = ov::Output<ov::Node>;

template <typename T>
Value constant(ov::element::Type type, ov::Shape shape, const std::vector<T>& values) {
  return std::make_shared<op::Constant>(type, std::move(shape), values);
}
Value numbers(const std::vector<std::int64_t>& values) {
  return constant(ov::element::i64, {values.size()}, values);
}
Value number(float value) { return constant<float>(ov::element::f32, {}, {value}); }

template <typename Operation, typename... Arguments>
Value make(const Arguments&... arguments) {
  return std::make_shared<Operation>(arguments...)->output(0);
}

// The divisor of an empty or zero vector, as in the reference.
constexpr float kTiny = 1e-9F;
constexpr float kTinyNorm = 1e-12F;

Value pool(Value tokens, const Value& mask, Pooling pooling) {
  if (pooling == Pooling::kCls) return make<op::Gather>(tokens, numbers({0}), numbers({1}));
  const Value weights =
      make<op::Unsqueeze>(make<op::Convert>(mask, ov::element::f32), numbers({2}));
  const Value sum = make<op::ReduceSum>(make<op::Multiply>(tokens, weights), numbers({1}), true);
  const Value count = make<op::ReduceSum>(weights, numbers({1}), true);
  return make<op::Divide>(sum, make<op::Maximum>(count, number(kTiny)));
}

Value normalise(const Value& vectors) {
  const Value squares =
      make<op::ReduceSum>(make<op::Multiply>(vectors, vectors), numbers({1}), true);
  return make<op::Divide>(vectors, make<op::Maximum>(make<op::Sqrt>(squares), number(kTinyNorm)));
}

std::shared_ptr<ov::Model> finish(const ModelFiles& files, Value sentence,
                                  const ov::ParameterVector& inputs) {
  if (files.normalise) sentence = normalise(sentence);
  auto result = std::make_shared<op::Result>(sentence);
  result->output(0).get_tensor().set_names({"sentence"});
  return std::make_shared<ov::Model>(ov::ResultVector{result}, inputs, "kedge_text");
}

std::shared_ptr<op::Parameter> input(const char* name) {
  auto parameter = std::make_shared<op::Parameter>(ov::element::i32, ov::PartialShape{-1, -1});
  parameter->set_friendly_name(name);
  parameter->output(0).get_tensor().set_names({name});
  return parameter;
}

class BertGraph {
 public:
  BertGraph(const ModelFiles& files, const Safetensors& weights, const std::shared_ptr<void>& owner)
      : files_(files), shape_(files.shape), weights_(weights), owner_(owner) {}

  Result<std::shared_ptr<ov::Model>> build() {
    // Saved from BertModel the names have no prefix, from a model with a head "bert.".
    if (weights_.find("embeddings.word_embeddings.weight") == nullptr) prefix_ = "bert.";
    const auto ids = input("input_ids");
    const auto mask = input("attention_mask");
    Value state = KEDGE_TRY(embeddings(ids));
    // What is added to the scores: 0 for a token, the lowest number for padding.
    const Value padding = make<op::Subtract>(
        number(1.F),
        make<op::Convert>(make<op::Unsqueeze>(mask, numbers({1, 2})), ov::element::f32));
    const Value bias = make<op::Multiply>(padding, number(std::numeric_limits<float>::lowest()));
    for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
      state = KEDGE_TRY(encoder_layer(str_cat("encoder.layer.", layer, "."), state, bias));
    }
    Value sentence = pool(state, mask, files_.pooling);
    sentence = make<op::Squeeze>(sentence, numbers({1}));
    return finish(files_, sentence, {ids, mask});
  }

 private:
  Result<const Tensor*> tensor(const std::string& name, const std::vector<std::uint64_t>& shape) {
    const Tensor* found = weights_.find(prefix_ + name);
    if (found == nullptr) {
      return {Code::kCorrupt, str_cat("model.safetensors: no tensor '", prefix_, name, "'")};
    }
    if (found->shape != shape || found->type == TensorType::kOther) {
      return {Code::kCorrupt, str_cat("model.safetensors: tensor '", prefix_, name,
                                      "' has not the shape of config.json")};
    }
    return found;
  }

  Result<Value> weight(const std::string& name, const std::vector<std::uint64_t>& shape) {
    const Tensor* found = KEDGE_TRY(tensor(name, shape));
    const ov::Shape dims(shape.begin(), shape.end());
    const bool aligned = reinterpret_cast<std::uintptr_t>(found->data.data()) % sizeof(float) == 0;
    if (found->type == TensorType::kF32 && aligned) {
      const void* data = found->data.data();
      return Value(std::make_shared<op::Constant>(ov::element::f32, dims, data, owner_));
    }
    return constant(ov::element::f32, dims, to_f32(*found));
  }

  Result<Value> embeddings(const Value& ids) {
    const std::uint64_t hidden = shape_.hidden;
    const Value words =
        KEDGE_TRY(weight("embeddings.word_embeddings.weight", {shape_.vocabulary, hidden}));
    // One text is one segment, so the vector of token type 0 belongs to every position.
    std::vector<float> places = to_f32(
        *KEDGE_TRY(tensor("embeddings.position_embeddings.weight", {shape_.positions, hidden})));
    const std::vector<float> types = to_f32(*KEDGE_TRY(
        tensor("embeddings.token_type_embeddings.weight", {shape_.token_types, hidden})));
    for (std::size_t i = 0; i < places.size(); ++i) places[i] += types[i % hidden];
    const Value table = constant(ov::element::f32, {shape_.positions, shape_.hidden}, places);
    const Value columns = make<op::Gather>(make<op::ShapeOf>(ids), numbers({1}), numbers({0}));
    const Value used = make<op::Slice>(table, numbers({0}), columns, numbers({1}), numbers({0}));
    const Value looked_up =
        make<op::Gather>(words, ids, constant<std::int64_t>(ov::element::i64, {}, {0}));
    return layer_norm("embeddings.LayerNorm", make<op::Add>(looked_up, used));
  }

  Result<Value> layer_norm(const std::string& name, const Value& x) {
    const Value scaled =
        std::make_shared<op::MVN>(x, numbers({-1}), true, static_cast<float>(shape_.epsilon),
                                  ov::op::MVNEpsMode::INSIDE_SQRT);
    const Value gain = KEDGE_TRY(weight(name + ".weight", {shape_.hidden}));
    const Value shift = KEDGE_TRY(weight(name + ".bias", {shape_.hidden}));
    return make<op::Add>(make<op::Multiply>(scaled, gain), shift);
  }

  Result<Value> linear(const std::string& name, const Value& x, std::uint64_t from,
                       std::uint64_t to) {
    const Value matrix = KEDGE_TRY(weight(name + ".weight", {to, from}));
    const Value bias = KEDGE_TRY(weight(name + ".bias", {to}));
    return make<op::Add>(make<op::MatMul>(x, matrix, false, true), bias);
  }

  // [rows, columns, hidden] to [rows, heads, columns, hidden / heads].
  Result<Value> head_view(const std::string& name, const Value& x) {
    const Value flat = KEDGE_TRY(linear(name, x, shape_.hidden, shape_.hidden));
    const Value split =
        make<op::Reshape>(flat, numbers({0, 0, shape_.heads, shape_.hidden / shape_.heads}), true);
    return make<op::Transpose>(split, numbers({0, 2, 1, 3}));
  }

  Result<Value> encoder_layer(const std::string& name, const Value& x, const Value& bias) {
    const Value query = KEDGE_TRY(head_view(name + "attention.self.query", x));
    const Value key = KEDGE_TRY(head_view(name + "attention.self.key", x));
    const Value value = KEDGE_TRY(head_view(name + "attention.self.value", x));
    const Value mixed = attend(query, key, value, bias);
    const Value joined = make<op::Reshape>(make<op::Transpose>(mixed, numbers({0, 2, 1, 3})),
                                           numbers({0, 0, shape_.hidden}), true);
    const Value attended =
        KEDGE_TRY(linear(name + "attention.output.dense", joined, shape_.hidden, shape_.hidden));
    const Value middle =
        KEDGE_TRY(layer_norm(name + "attention.output.LayerNorm", make<op::Add>(attended, x)));
    const Value wide =
        KEDGE_TRY(linear(name + "intermediate.dense", middle, shape_.hidden, shape_.intermediate));
    const Value active =
        std::make_shared<op::Gelu>(wide, shape_.tanh_gelu ? ov::op::GeluApproximationMode::TANH
                                                          : ov::op::GeluApproximationMode::ERF);
    const Value narrow =
        KEDGE_TRY(linear(name + "output.dense", active, shape_.intermediate, shape_.hidden));
    return layer_norm(name + "output.LayerNorm", make<op::Add>(narrow, middle));
  }

  [[nodiscard]] Value attend(const Value& query, const Value& key, const Value& value,
                             const Value& bias) const {
    const float scale = 1.F / std::sqrt(static_cast<float>(shape_.hidden / shape_.heads));
    return std::make_shared<op::ScaledDotProductAttention>(query, key, value, bias, number(scale),
                                                           false);
  }

  const ModelFiles& files_;
  const BertShape& shape_;
  const Safetensors& weights_;
  const std::shared_ptr<void>& owner_;
  std::string prefix_;
};

// Gives the graph a new i32 input in place of one of whatever integer type.
std::shared_ptr<op::Parameter> replace_input(const std::shared_ptr<op::Parameter>& old,
                                             const char* name) {
  auto fresh = input(name);
  old->output(0).replace(make<op::Convert>(fresh, old->get_element_type()));
  return fresh;
}

// The output that holds a vector a token, else the one that holds a vector a text.
Value find_output(const ov::Model& model) {
  Value pooled;
  for (const ov::Output<const ov::Node>& output : model.outputs()) {
    const auto rank = output.get_partial_shape().rank();
    Value value = output.get_node()->input_value(0);
    if (rank.is_static() && rank.get_length() == 3) return value;
    if (rank.is_static() && rank.get_length() == 2 && !pooled.get_node_shared_ptr()) pooled = value;
  }
  return pooled;
}

}  // namespace

Result<std::shared_ptr<ov::Model>> build_bert_graph(const ModelFiles& files,
                                                    const Safetensors& weights,
                                                    const std::shared_ptr<void>& owner) {
  return BertGraph(files, weights, owner).build();
}

Result<std::shared_ptr<ov::Model>> add_pooling(const ModelFiles& files,
                                               const std::shared_ptr<ov::Model>& model) {
  std::shared_ptr<op::Parameter> ids;
  std::shared_ptr<op::Parameter> mask;
  std::shared_ptr<op::Parameter> types;
  for (const auto& parameter : model->get_parameters()) {
    const std::string& name = parameter->get_friendly_name();
    if (name == "input_ids") {
      ids = parameter;
    } else if (name == "attention_mask") {
      mask = parameter;
    } else if (name == "token_type_ids") {
      types = parameter;
    } else {
      return {Code::kUnsupported, str_cat("model.onnx: unknown input '", printable(name), "'")};
    }
  }
  if (!ids || !mask) return {Code::kUnsupported, "model.onnx: no input_ids or attention_mask"};
  Value output = find_output(*model);
  if (!output.get_node_shared_ptr()) {
    return {Code::kUnsupported, "model.onnx: no output of rank 3 or 2"};
  }
  const bool pooled = output.get_partial_shape().rank().get_length() == 2;
  const auto new_ids = replace_input(ids, "input_ids");
  const auto new_mask = replace_input(mask, "attention_mask");
  if (types) {
    const Value zero = constant<std::int32_t>(types->get_element_type(), {}, {0});
    types->output(0).replace(make<op::Broadcast>(zero, make<op::ShapeOf>(new_ids)));
  }
  if (!pooled) {
    output = make<op::Squeeze>(pool(output, new_mask, files.pooling), numbers({1}));
  }
  return finish(files, output, {new_ids, new_mask});
}

}  // namespace kedge

#endif  // KEDGE_OPENVINO
