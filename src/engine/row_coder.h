// Codes of the rows of one space: rotation and RaBitQ (src/ann) between the vectors and the planes
// of a segment.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ann/rabitq.h"
#include "ann/rotation.h"
#include "format/segment_builder.h"
#include "format/space.h"

namespace kedge {

// The rotation of a space; made once and shared.
std::shared_ptr<const Rotation> rotation_of(const Space& space);

// Row as rotated space has it: made f32, brought to length 1 where the space is cosine and not
// normalised, rotated. `out`: padded floats. Threads: one at a time.
class RowRotation {
 public:
  RowRotation(const Space& space, std::shared_ptr<const Rotation> rotation);
  void apply(const std::uint16_t* values, float* out);
  [[nodiscard]] std::uint32_t padded() const { return rotation_->padded(); }

 private:
  std::shared_ptr<const Rotation> rotation_;
  bool unit_;  // rows are brought to length 1
  std::vector<float> values_;
};

// Threads: one at a time.
class SpaceCoder final : public RowCoder {
 public:
  SpaceCoder(const Space& space, std::shared_ptr<const Rotation> rotation);

  std::vector<std::uint16_t> centroid(std::span<const std::uint16_t* const> rows) override;
  void encode(const std::uint16_t* values, const std::uint16_t* centroid, CodedRow& row) override;
  // Of a row that is rotated already, about a centroid as f32; into memory of the caller.
  void encode(const float* rotated, const float* centroid, EncodedRow& out);

 private:
  RowRotation rotation_;
  RowEncoder encoder_;
  std::vector<float> rotated_;
  std::vector<float> centroid_;
  const std::uint16_t* centroid_of_ = nullptr;  // whose f32 centroid_ holds
  EncodedRow code_;
};

// The centroid of `count` rows whose sum is given, as it is stored.
std::vector<std::uint16_t> mean_centroid(const std::vector<double>& sums, std::size_t count);

// Fills codes and factors of `row`, borrowing from `code`.
void set_code(CodedRow& row, const EncodedRow& code);

}  // namespace kedge
