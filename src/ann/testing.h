// Made data for the tests of this layer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace kedge {

class Normal {
 public:
  explicit Normal(std::uint64_t seed) : random_(seed) {}
  float operator()() { return static_cast<float>(random_.normal()); }
  std::vector<float> vector(std::size_t count, float deviation = 1, float mean = 0) {
    std::vector<float> values(count);
    for (float& value : values) value = mean + deviation * (*this)();
    return values;
  }
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }

 private:
  SeededRandom random_;
};

// n rows around `centres` centres, whose sizes differ by a few times.
inline std::vector<float> clustered(Normal& normal, std::size_t n, std::size_t dimension,
                                    std::size_t centres, float spread) {
  const std::vector<float> middle = normal.vector(centres * dimension);
  std::vector<float> rows(n * dimension);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t a = normal.below(centres);
    const std::uint64_t b = normal.below(centres);
    const std::size_t centre = std::min(a, b);
    for (std::size_t j = 0; j < dimension; ++j) {
      rows[i * dimension + j] = middle[centre * dimension + j] + spread * normal();
    }
  }
  return rows;
}

}  // namespace kedge
