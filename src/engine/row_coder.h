// Codes of the rows of one space: rotation and RaBitQ (src/ann) between the vectors and the planes
// of a segment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "ann/rabitq.h"
#include "ann/rotation.h"
#include "base/executor.h"
#include "format/segment_builder.h"
#include "format/space.h"

namespace kedge {

// The rotation of a space; made once and shared.
std::shared_ptr<const Rotation> rotation_of(const Space& space);

// Rows as floats: brought to length 1 where the space is cosine and not normalised.
// Threads: one at a time.
class RowFloats {
 public:
  explicit RowFloats(const Space& space);
  // `dimension` floats, until the next call.
  std::span<const float> of(const std::uint16_t* values);

 private:
  bool unit_;
  std::vector<float> values_;
};

// A row as rotated space has it. Threads: one at a time.
class RowRotation {
 public:
  RowRotation(const Space& space, std::shared_ptr<const Rotation> rotation);
  // `out`: padded floats.
  void apply(const std::uint16_t* values, float* out);

 private:
  std::shared_ptr<const Rotation> rotation_;
  RowFloats floats_;
};

// The sum of rows. Threads: one at a time.
class RowSum {
 public:
  explicit RowSum(const Space& space) : floats_(space), values_(space.dimension) {}
  void add(const std::uint16_t* values);

  [[nodiscard]] std::span<const double> values() const { return values_; }

 private:
  RowFloats floats_;
  std::vector<double> values_;
};

// The mean of `count` rows, rotated, as a centroid is stored: `padded` halves, finite. `add` adds
// rows [begin, end) to the sum, on any thread; its first error is the result. Precondition: a row.
Result<std::vector<std::uint16_t>> mean_centroid(
    const Space& space, const Rotation& rotation, std::size_t count, Executor& executor,
    const std::function<Status(std::size_t begin, std::size_t end, RowSum& sum)>& add);

// Threads: one, which uses the executor.
class SpaceCoder final : public RowCoder {
 public:
  // All outlive the coder.
  SpaceCoder(const Space& space, std::shared_ptr<const Rotation> rotation, Executor& executor);

  std::vector<std::uint16_t> centroid(std::span<const std::uint16_t* const> rows) override;
  void encode(const std::uint16_t* centroid, std::span<CodedRow> rows) override;

 private:
  const Space& space_;
  std::shared_ptr<const Rotation> rotation_;
  Executor& executor_;
  std::vector<EncodedRow> codes_;
};

// Fills codes and factors of `row`, borrowing from `code`.
void set_code(CodedRow& row, const EncodedRow& code);

}  // namespace kedge
