// A neural network that turns token ids into vectors, whatever computes it. LocalEmbedder puts
// tokens in front of it; tests put a fake in its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"

namespace kedge {

// Texts of similar length as a rectangle, row-major: row r has lengths[r] tokens, then padding.
struct TokenBatch {
  std::size_t columns = 0;
  std::vector<std::size_t> lengths;  // 1 to columns each
  std::vector<std::int32_t> ids;     // rows x columns

  [[nodiscard]] std::size_t rows() const { return lengths.size(); }
};

// Threads: any method, from any thread; calls wait for each other.
class TextModel {
 public:
  virtual ~TextModel() = default;

  // Calls make(i) for i = 0 .. count - 1 in order, and take(i, vectors) once each in any order,
  // with rows x dimension values; both on the caller's thread. Several batches are computed at
  // once. kExhausted, kInternal: from the runtime.
  virtual Status run(std::size_t count, const std::function<TokenBatch(std::size_t)>& make,
                     const std::function<void(std::size_t, std::span<const float>)>& take) = 0;
};

}  // namespace kedge
