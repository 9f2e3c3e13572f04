// Any bytes as a file of weights. What is accepted must lie inside it, tensor by tensor.
#include <cstdint>

#include "base/result.h"
#include "embed/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView file(reinterpret_cast<const std::byte*>(data), size);
  const auto parsed = kedge::Safetensors::parse(file);
  if (!parsed.ok()) return 0;
  std::size_t covered = 0;
  for (const kedge::Tensor& tensor : parsed->tensors()) {
    KEDGE_CHECK(parsed->find(tensor.name) != nullptr);
    KEDGE_CHECK(tensor.data.data() >= file.data());
    KEDGE_CHECK(tensor.data.data() + tensor.data.size() <= file.data() + file.size());
    covered += tensor.data.size();
    if (tensor.type != kedge::TensorType::kOther) {
      KEDGE_CHECK(kedge::to_f32(tensor).size() == tensor.values());
    }
  }
  KEDGE_CHECK(covered <= size);
  return 0;
}
