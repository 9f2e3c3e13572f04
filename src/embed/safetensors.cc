#include "embed/safetensors.h"

#include <algorithm>
#include <bit>
#include <boost/json.hpp>
#include <cstring>
#include <limits>
#include <optional>

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {
namespace {

namespace json = boost::json;

struct TypeName {
  std::string_view name;
  TensorType type;
  std::uint64_t bits;
};
constexpr TypeName kTypes[] = {
    {"F32", TensorType::kF32, 32},     {"F16", TensorType::kF16, 16},
    {"BF16", TensorType::kBf16, 16},   {"F64", TensorType::kOther, 64},
    {"I64", TensorType::kOther, 64},   {"I32", TensorType::kOther, 32},
    {"I16", TensorType::kOther, 16},   {"I8", TensorType::kOther, 8},
    {"U64", TensorType::kOther, 64},   {"U32", TensorType::kOther, 32},
    {"U16", TensorType::kOther, 16},   {"U8", TensorType::kOther, 8},
    {"BOOL", TensorType::kOther, 8},   {"F8_E4M3", TensorType::kOther, 8},
    {"F8_E5M2", TensorType::kOther, 8}};

Error corrupt(std::string_view name, std::string_view what) {
  return {Code::kCorrupt, str_cat("safetensors: tensor '", printable(name), "': ", what)};
}

std::optional<std::uint64_t> to_unsigned(const json::value& value) {
  if (value.is_uint64()) return value.get_uint64();
  if (value.is_int64() && value.get_int64() >= 0) {
    return static_cast<std::uint64_t>(value.get_int64());
  }
  return std::nullopt;
}

// nullopt where the product does not fit.
std::optional<std::uint64_t> product(const std::vector<std::uint64_t>& factors) {
  std::uint64_t result = 1;
  for (const std::uint64_t factor : factors) {
    if (__builtin_mul_overflow(result, factor, &result)) return std::nullopt;
  }
  return result;
}

Result<std::vector<std::uint64_t>> read_numbers(std::string_view name, const json::value* value,
                                                std::string_view field, std::size_t max_count) {
  const json::array* array = value != nullptr ? value->if_array() : nullptr;
  if (array == nullptr || array->size() > max_count) {
    return corrupt(name, str_cat("bad ", field));
  }
  std::vector<std::uint64_t> numbers;
  for (const json::value& item : *array) {
    const auto number = to_unsigned(item);
    if (!number) return corrupt(name, str_cat("bad ", field));
    numbers.push_back(*number);
  }
  return numbers;
}

Result<Tensor> read_tensor(std::string_view name, const json::value& described, ByteView data) {
  const json::object* object = described.if_object();
  if (object == nullptr) return corrupt(name, "not an object");
  if (object->size() != 3) return corrupt(name, "not dtype, shape and data_offsets");
  const json::value* dtype = object->if_contains("dtype");
  if (dtype == nullptr || !dtype->is_string()) return corrupt(name, "bad dtype");
  const std::string_view type_name = dtype->get_string();
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const TypeName& t) { return t.name == type_name; });
  if (type == std::end(kTypes)) {
    return {Code::kUnsupported, str_cat("safetensors: tensor '", printable(name),
                                        "': unknown dtype '", printable(type_name), "'")};
  }
  Tensor tensor;
  tensor.name = std::string(name);
  tensor.type = type->type;
  tensor.shape = KEDGE_TRY(
      read_numbers(name, object->if_contains("shape"), "shape", Safetensors::kMaxDimensions));
  const auto offsets =
      KEDGE_TRY(read_numbers(name, object->if_contains("data_offsets"), "data_offsets", 2));
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size()) {
    return corrupt(name, "data_offsets out of range");
  }
  const auto values = product(tensor.shape);
  const std::uint64_t bytes = offsets[1] - offsets[0];
  const std::uint64_t value_bytes = type->bits / 8;
  if (!values || *values > std::numeric_limits<std::uint64_t>::max() / value_bytes ||
      *values * value_bytes != bytes) {
    return corrupt(name, "shape and data_offsets differ in size");
  }
  tensor.data = data.subspan(offsets[0], bytes);
  return tensor;
}

// Sorted by place, each tensor begins where the one before it ends, and the last one ends the file.
Status check_cover(const std::vector<Tensor>& tensors, ByteView data) {
  std::vector<const Tensor*> placed;
  for (const Tensor& tensor : tensors) placed.push_back(&tensor);
  std::sort(placed.begin(), placed.end(), [](const Tensor* a, const Tensor* b) {
    if (a->data.data() != b->data.data()) return a->data.data() < b->data.data();
    return a->data.size() < b->data.size();
  });
  const std::byte* end = data.data();
  for (const Tensor* tensor : placed) {
    if (tensor->data.data() != end) {
      return corrupt(tensor->name, "overlaps another, or leaves a gap before it");
    }
    end += tensor->data.size();
  }
  if (end != data.data() + data.size()) {
    return {Code::kCorrupt, "safetensors: bytes that belong to no tensor at the end"};
  }
  return {};
}

Result<json::value> parse_header(std::string_view text) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = Safetensors::kMaxDepth;
  json::value header = json::parse(text, error, {}, options);
  if (error) return {Code::kCorrupt, "safetensors: the header is not JSON"};
  return header;
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16U;
  const std::uint32_t exponent = (half >> 10U) & 0x1FU;
  const std::uint32_t fraction = half & 0x3FFU;
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1.0p-24F;
    return sign != 0 ? -value : value;
  }
  const std::uint32_t widened = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (widened << 23U) | (fraction << 13U));
}

}  // namespace

std::uint64_t Tensor::values() const { return product(shape).value_or(0); }

Result<Safetensors> Safetensors::parse(ByteView file) try {
  ByteReader reader(file);
  const auto header_size = reader.get<std::uint64_t>();
  if (!reader.ok()) return {Code::kCorrupt, "safetensors: shorter than its first field"};
  if (header_size > kMaxHeaderBytes || header_size > reader.remaining()) {
    return {Code::kCorrupt, str_cat("safetensors: a header of ", header_size, " bytes")};
  }
  const std::string_view text = as_text(reader.get_bytes(header_size));
  const ByteView data = file.subspan(reader.offset());
  const json::value header = KEDGE_TRY(parse_header(text));
  const json::object* object = header.if_object();
  if (object == nullptr) return {Code::kCorrupt, "safetensors: the header is not an object"};
  if (object->size() > kMaxTensors) {
    return {Code::kCorrupt, str_cat("safetensors: over ", kMaxTensors, " tensors")};
  }
  Safetensors result;
  for (const auto& [key, described] : *object) {
    const std::string_view name = key;
    if (name == "__metadata__") {
      if (!described.is_object()) return corrupt(name, "not an object");
      continue;
    }
    result.tensors_.push_back(KEDGE_TRY(read_tensor(name, described, data)));
  }
  KEDGE_TRY(check_cover(result.tensors_, data));
  std::sort(result.tensors_.begin(), result.tensors_.end(),
            [](const Tensor& a, const Tensor& b) { return a.name < b.name; });
  return result;
} catch (...) {
  return memory_error("safetensors");
}

const Tensor* Safetensors::find(std::string_view name) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const Tensor& t, std::string_view n) { return t.name < n; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

std::vector<float> to_f32(const Tensor& tensor) {
  KEDGE_CHECK(tensor.type != TensorType::kOther);
  std::vector<float> values(tensor.values());
  const std::byte* from = tensor.data.data();
  if (tensor.type == TensorType::kF32) {
    if (!values.empty()) std::memcpy(values.data(), from, tensor.data.size());
    return values;
  }
  for (float& value : values) {
    std::uint16_t narrow = 0;
    std::memcpy(&narrow, from, sizeof narrow);
    from += sizeof narrow;
    value = tensor.type == TensorType::kF16
                ? half_to_float(narrow)
                : std::bit_cast<float>(static_cast<std::uint32_t>(narrow) << 16U);
  }
  return values;
}

}  // namespace kedge
