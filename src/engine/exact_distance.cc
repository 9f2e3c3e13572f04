#include "engine/exact_distance.h"

#include <cmath>
#include <limits>
#include <vector>

#include "simd/kernels.h"

namespace kedge {
namespace {

float sound(float distance) {
  return std::isnan(distance) ? std::numeric_limits<float>::infinity() : distance;
}

// A dot product over the length of the row.
float cosine(float dot, const std::uint16_t* values, std::size_t dimension) {
  std::vector<float> row(dimension);
  kernels().f16_to_f32(values, row.data(), row.size());
  double norm = 0;
  for (const float value : row) norm += double{value} * double{value};
  return norm == 0 ? 0 : static_cast<float>(double{dot} / std::sqrt(norm));
}

}  // namespace

float ExactDistance::of(const std::uint16_t* values) const {
  if (space_.metric == Metric::kL2)
    return sound(kernels().l2_f16(query_.data(), values, query_.size()));
  return of_dot(kernels().dot_f16(query_.data(), values, query_.size()), values);
}

float ExactDistance::of_dot(float dot, const std::uint16_t* values) const {
  if (space_.metric == Metric::kDot) return sound(-dot);
  return sound(1 - (space_.normalised ? dot : cosine(dot, values, query_.size())));
}

}  // namespace kedge
