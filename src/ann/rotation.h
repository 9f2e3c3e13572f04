// The random rotation of a space: everything of src/ann lives in rotated space, where the error of
// a sign code does not depend on the data's axes. FHT-Kac, four rounds: random sign flips, then an
// orthonormal Walsh-Hadamard transform of all P values where P is a power of two, else of the
// first (rounds 0 and 2) or the last (1 and 3) 2^floor(log2 P), after which rounds 1 to 3 replace
// each (a, b), P / 2 apart, by (a + b, a - b) / sqrt(2). It is part of the format: the same seed
// gives the same rotation on every machine, to rounding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "format/space.h"

namespace kedge {

// Threads: immutable.
class Rotation {
 public:
  // dimension: 1 to 8192. Signs: word w of round r, each of P / 64 words, is number r * P / 64 + w
  // of SeededRandom(seed); a set bit i flips dimension 64 w + i.
  Rotation(std::uint32_t dimension, std::uint64_t seed);

  [[nodiscard]] std::uint32_t dimension() const { return dimension_; }
  [[nodiscard]] std::uint32_t padded() const { return padded_; }
  [[nodiscard]] std::span<const std::uint64_t> signs() const { return signs_; }

  // `in` has dimension() values, `out` padded(); they must not overlap. Keeps norms and inner
  // products, to rounding.
  void apply(const float* in, float* out) const;

 private:
  std::uint32_t dimension_;
  std::uint32_t padded_;
  std::size_t log2_transform_;  // of the largest power of two in P
  std::vector<std::uint64_t> signs_;
};

}  // namespace kedge
