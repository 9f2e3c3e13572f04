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

// ---- the mean

void RowSum::add(const std::uint16_t* values) {
  const std::span<const float> floats = floats_.of(values);
  for (std::size_t i = 0; i < values_.size(); ++i) values_[i] += double{floats[i]};
}

// Rotations are linear: it is the mean that is rotated, once, not every row. Parts have one size
// and are added in order, so that the sum does not depend on the threads.
Result<std::vector<std::uint16_t>> mean_centroid(
    const Space& space, const Rotation& rotation, std::size_t count, Executor& executor,
    const std::function<Status(std::size_t begin, std::size_t end, RowSum& sum)>& add) {
  std::vector<RowSum> parts((count + kRowsPerSum - 1) / kRowsPerSum, RowSum(space));
  KEDGE_TRY(try_ranges(executor, count, kRowsPerSum, [&](std::size_t begin, std::size_t end) {
    return add(begin, end, parts[begin / kRowsPerSum]);
  }));
  std::vector<float> mean(space.dimension);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    double sum = 0;
    for (const RowSum& part : parts) sum += part.values()[i];
    mean[i] = static_cast<float>(sum / static_cast<double>(count));
  }
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

std::vector<std::uint16_t> SpaceCoder::centroid(std::span<const std::uint16_t* const> rows) {
  // Rows in memory fail in nothing.
  return *mean_centroid(space_, *rotation_, rows.size(), executor_,
                        [&](std::size_t begin, std::size_t end, RowSum& sum) -> Status {
                          for (std::size_t i = begin; i < end; ++i) sum.add(rows[i]);
                          return {};
                        });
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
