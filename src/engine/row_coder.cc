#include "engine/row_coder.h"

#include <algorithm>
#include <cmath>

#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr float kLargestCentroid = 60'000;  // f16 ends at 65,504
constexpr std::size_t kRowsPerSum = 4096;
constexpr std::size_t kRowsPerTask = 256;

}  // namespace

std::shared_ptr<const Rotation> rotation_of(const Space& space) {
  return std::make_shared<const Rotation>(space.dimension, space.rotation_seed);
}

// ---- RowFloats and RowRotation

RowFloats::RowFloats(const Space& space)
    : unit_(space.metric == Metric::kCosine && !space.normalised), values_(space.dimension) {}

std::span<const float> RowFloats::of(const std::uint16_t* values) {
  const Kernels& simd = kernels();
  simd.f16_to_f32(values, values_.data(), values_.size());
  if (unit_) {
    const double norm =
        std::sqrt(double{simd.dot_f32(values_.data(), values_.data(), values_.size())});
    if (norm > 0) simd.scale(values_.data(), static_cast<float>(1 / norm), values_.size());
  }
  return values_;
}

RowRotation::RowRotation(const Space& space, std::shared_ptr<const Rotation> rotation)
    : rotation_(std::move(rotation)), floats_(space) {}

void RowRotation::apply(const std::uint16_t* values, float* out) {
  rotation_->apply(floats_.of(values).data(), out);
}

// ---- RowSum

RowSum::RowSum(const Space& space) : floats_(space), sums_(space.dimension) {}

void RowSum::add(const std::uint16_t* values) {
  const std::span<const float> floats = floats_.of(values);
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += double{floats[i]};
  ++count_;
}

void RowSum::add(const RowSum& other) {
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
  count_ += other.count_;
}

std::vector<std::uint16_t> RowSum::centroid(const Rotation& rotation) const {
  std::vector<float> mean(sums_.size());
  for (std::size_t i = 0; i < mean.size(); ++i)
    mean[i] = static_cast<float>(sums_[i] / static_cast<double>(count_));
  std::vector<float> rotated(rotation.padded());
  rotation.apply(mean.data(), rotated.data());
  for (float& value : rotated) value = std::clamp(value, -kLargestCentroid, kLargestCentroid);
  std::vector<std::uint16_t> halves(rotated.size());
  kernels().f32_to_f16(rotated.data(), halves.data(), rotated.size());
  return halves;
}

// ---- SpaceCoder

SpaceCoder::SpaceCoder(const Space& space, std::shared_ptr<const Rotation> rotation,
                       Executor& executor)
    : space_(space), rotation_(std::move(rotation)), executor_(executor) {}

// Parts have one size and are added in order: the sum does not depend on the threads.
std::vector<std::uint16_t> SpaceCoder::centroid(std::span<const std::uint16_t* const> rows) {
  std::vector<RowSum> parts((rows.size() + kRowsPerSum - 1) / kRowsPerSum, RowSum(space_));
  parallel_ranges(executor_, rows.size(), kRowsPerSum, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) parts[begin / kRowsPerSum].add(rows[i]);
  });
  for (std::size_t part = 1; part < parts.size(); ++part) parts.front().add(parts[part]);
  return parts.front().centroid(*rotation_);
}

void SpaceCoder::encode(const std::uint16_t* centroid, std::span<CodedRow> rows) {
  std::vector<float> centre(rotation_->padded());
  kernels().f16_to_f32(centroid, centre.data(), centre.size());
  codes_.resize(std::max(codes_.size(), rows.size()));
  parallel_ranges(executor_, rows.size(), kRowsPerTask, [&](std::size_t begin, std::size_t end) {
    RowRotation rotation(space_, rotation_);
    RowEncoder encoder(rotation_->padded(), space_.metric);
    std::vector<float> rotated(rotation_->padded());
    for (std::size_t i = begin; i < end; ++i) {
      rotation.apply(rows[i].values, rotated.data());
      encoder.encode(rotated.data(), centre.data(), codes_[i]);
      set_code(rows[i], codes_[i]);
    }
  });
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
