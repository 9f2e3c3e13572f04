// The container of a model's weights: named arrays in one file.
//
//   offset  size  field
//   0       8     n, the bytes of the header, little-endian
//   8       n     the header, a JSON object: name -> {"dtype", "shape", "data_offsets": [begin,
//   end]}
//                 and "__metadata__" -> {name: text}
//   8 + n         the data; offsets count from here
//
// The arrays cover the data without a gap or an overlap, as the format demands: a reader that did
// not check it could be made to read one array as another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace kedge {

// What Kedge computes with; files may hold arrays of other types beside them.
enum class TensorType { kF32, kF16, kBf16, kOther };

struct Tensor {
  std::string name;
  TensorType type = TensorType::kOther;
  std::vector<std::uint64_t> shape;  // empty: one value
  ByteView data;                     // into the file's bytes
  [[nodiscard]] std::uint64_t values() const;
};

class Safetensors {
 public:
  static constexpr std::size_t kMaxHeaderBytes = std::size_t{8} << 20;
  static constexpr std::size_t kMaxTensors = 65'536;
  static constexpr std::size_t kMaxDimensions = 8;
  static constexpr std::size_t kMaxDepth = 4;  // of the JSON

  // The tensors point into `file`, which must outlive them. kCorrupt: a rule above is broken, with
  // the tensor's name; kUnsupported: a dtype that is not known.
  static Result<Safetensors> parse(ByteView file);

  // Null if there is none.
  [[nodiscard]] const Tensor* find(std::string_view name) const;
  // By name.
  [[nodiscard]] const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  std::vector<Tensor> tensors_;
};

// The values as f32, widened exactly. Precondition: the type is not kOther.
std::vector<float> to_f32(const Tensor& tensor);

}  // namespace kedge
