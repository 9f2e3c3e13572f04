#include "ann/rotation.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kRounds = 4;

}  // namespace

Rotation::Rotation(std::uint32_t dimension, std::uint64_t seed)
    : dimension_(dimension),
      padded_(padded_dimension(dimension)),
      log2_transform_(static_cast<std::size_t>(std::bit_width(padded_)) - 1),
      signs_(kRounds * padded_ / 64) {
  SeededRandom random(seed);
  for (std::uint64_t& word : signs_) word = random.next();
}

void Rotation::apply(const float* in, float* out) const {
  const Kernels& simd = kernels();
  std::memcpy(out, in, dimension_ * sizeof(float));
  std::memset(out + dimension_, 0, (padded_ - dimension_) * sizeof(float));
  const std::size_t transform = std::size_t{1} << log2_transform_;
  const bool whole = transform == padded_;
  // A transform multiplies lengths by the root of its size; a step of the walk by that of two.
  const auto shrink = static_cast<float>(1 / std::sqrt(static_cast<double>(transform)));
  for (std::size_t round = 0; round < kRounds; ++round) {
    simd.flip_signs(out, signs_.data() + round * padded_ / 64, padded_);
    float* part = round % 2 == 0 ? out : out + (padded_ - transform);
    simd.fht(part, log2_transform_);
    if (whole) continue;
    simd.scale(part, shrink, transform);
    // Two rounds bring every value into a transform. A walk before the second would put half of
    // what the first has left out where the second does not reach, and so on: a spike would stay.
    if (round > 0) simd.kac_walk(out, padded_);
  }
  // What was left out above, at once: four transforms, or three walks of root 2 each.
  const float rest = whole ? shrink * shrink * shrink * shrink : 0.353553391F;
  simd.scale(out, rest, padded_);
}

}  // namespace kedge
