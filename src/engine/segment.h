// A segment as readers hold it: what never changes (SegmentFile, shared by all generations that
// name it) and which of its objects are dead in one generation (Segment). Immutable.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/plane_image.h"
#include "format/segment.h"

namespace kedge {

struct SegmentFile {
  SegmentFile() = default;
  ~SegmentFile();
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  Id128 id;
  std::string key;  // under the index's prefix
  std::uint64_t bytes = 0;
  SegmentDirectory directory;

  // A plane that is whole in memory, or nullptr. Once there it stays as long as this does.
  [[nodiscard]] const PlaneImage* image(Plane plane) const {
    return images[static_cast<std::size_t>(plane)].load(std::memory_order_acquire);
  }
  // Whether searches by codes find all that they read there.
  [[nodiscard]] bool codes_in_memory() const {
    return image(Plane::kCodes) != nullptr && image(Plane::kRefine) != nullptr;
  }
  // Takes the image unless there is one.
  void keep_image(Plane plane, std::unique_ptr<PlaneImage> image) const;

 private:
  mutable std::array<std::atomic<const PlaneImage*>, kPlaneCount> images{};
};
using SegmentFilePtr = std::shared_ptr<const SegmentFile>;

class Segment {
 public:
  // `dead`: object numbers, sorted, distinct, each below the count of objects.
  Segment(SegmentEntry entry, SegmentFilePtr file, std::vector<std::uint32_t> dead)
      : entry_(std::move(entry)), file_(std::move(file)), dead_(std::move(dead)) {
    bits_.resize((std::size_t{file_->directory.objects} + 63) / 64);
    for (const std::uint32_t number : dead_)
      bits_[number / 64] |= std::uint64_t{1} << (number % 64);
  }
  // One whose directory or del file is damaged or lost: has an entry, and nothing can be read.
  Segment(SegmentEntry entry, Error damage) : entry_(std::move(entry)), damage_(std::move(damage)) {
    auto file = std::make_shared<SegmentFile>();
    file->id = entry_.id;
    file->key = entry_.file_key();
    file->bytes = entry_.bytes;
    file_ = std::move(file);
  }

  [[nodiscard]] const SegmentEntry& entry() const { return entry_; }
  [[nodiscard]] const std::optional<Error>& damage() const { return damage_; }
  // Of a damaged one the directory is empty.
  [[nodiscard]] const SegmentFilePtr& file() const { return file_; }
  [[nodiscard]] const SegmentDirectory& directory() const { return file_->directory; }
  [[nodiscard]] const Id128& id() const { return file_->id; }
  [[nodiscard]] const std::vector<std::uint32_t>& dead() const { return dead_; }
  // A bit an object, set for dead ones; of a damaged one nullptr.
  [[nodiscard]] const std::uint64_t* dead_bits() const { return bits_.data(); }
  // Precondition: not damaged, and below the count of objects.
  [[nodiscard]] bool is_dead(std::uint32_t number) const {
    return (bits_[number / 64] >> (number % 64) & 1) != 0;
  }

 private:
  SegmentEntry entry_;
  std::optional<Error> damage_;
  SegmentFilePtr file_;
  std::vector<std::uint32_t> dead_;
  std::vector<std::uint64_t> bits_;
};
using SegmentPtr = std::shared_ptr<const Segment>;

}  // namespace kedge
