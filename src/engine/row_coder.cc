#include "engine/row_coder.h"

#include <algorithm>
#include <cmath>

#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr double kLargestCentroid = 60'000;  // f16 ends at 65,504

}  // namespace

std::shared_ptr<const Rotation> rotation_of(const Space& space) {
  return std::make_shared<const Rotation>(space.dimension, space.rotation_seed);
}

RowRotation::RowRotation(const Space& space, std::shared_ptr<const Rotation> rotation)
    : rotation_(std::move(rotation)),
      unit_(space.metric == Metric::kCosine && !space.normalised),
      values_(space.dimension) {}

void RowRotation::apply(const std::uint16_t* values, float* out) {
  const Kernels& simd = kernels();
  simd.f16_to_f32(values, values_.data(), values_.size());
  if (unit_) {
    const double norm =
        std::sqrt(double{simd.dot_f32(values_.data(), values_.data(), values_.size())});
    if (norm > 0) simd.scale(values_.data(), static_cast<float>(1 / norm), values_.size());
  }
  rotation_->apply(values_.data(), out);
}

SpaceCoder::SpaceCoder(const Space& space, std::shared_ptr<const Rotation> rotation)
    : rotation_(space, rotation),
      encoder_(rotation->padded(), space.metric),
      rotated_(rotation->padded()),
      centroid_(rotation->padded()) {}

std::vector<std::uint16_t> SpaceCoder::centroid(std::span<const std::uint16_t* const> rows) {
  std::vector<double> sums(rotated_.size());
  for (const std::uint16_t* row : rows) {
    rotation_.apply(row, rotated_.data());
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += double{rotated_[i]};
  }
  centroid_of_ = nullptr;
  return mean_centroid(sums, rows.size());
}

std::vector<std::uint16_t> mean_centroid(const std::vector<double>& sums, std::size_t count) {
  std::vector<float> mean(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double value = sums[i] / static_cast<double>(count);
    mean[i] = static_cast<float>(std::clamp(value, -kLargestCentroid, kLargestCentroid));
  }
  std::vector<std::uint16_t> halves(mean.size());
  kernels().f32_to_f16(mean.data(), halves.data(), mean.size());
  return halves;
}

void SpaceCoder::encode(const std::uint16_t* values, const std::uint16_t* centroid, CodedRow& row) {
  if (centroid_of_ != centroid) {
    kernels().f16_to_f32(centroid, centroid_.data(), centroid_.size());
    centroid_of_ = centroid;
  }
  rotation_.apply(values, rotated_.data());
  encode(rotated_.data(), centroid_.data(), code_);
  set_code(row, code_);
}

void SpaceCoder::encode(const float* rotated, const float* centroid, EncodedRow& out) {
  encoder_.encode(rotated, centroid, out);
}

void set_code(CodedRow& row, const EncodedRow& code) {
  row.bits = code.bits.data();
  row.extra = code.extra.data();
  row.add = code.add;
  row.rescale = code.rescale;
  row.error = code.error;
  row.refine_add = code.refine_add;
  row.refine_rescale = code.refine_rescale;
}

}  // namespace kedge
