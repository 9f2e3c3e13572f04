// A plane of rows of one segment whole in memory, every page of it checked: searches read it in
// place, without a look-up or a lock. Immutable.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "format/segment.h"

namespace kedge {

class PlaneImage {
 public:
  // Room for the plane, to be filled before anybody else sees it.
  explicit PlaneImage(Extent extent);
  ~PlaneImage();
  PlaneImage(const PlaneImage&) = delete;
  PlaneImage& operator=(const PlaneImage&) = delete;

  [[nodiscard]] std::byte* data() { return data_; }
  [[nodiscard]] const Extent& extent() const { return extent_; }
  // Where the byte of the file lies. Precondition: it is in the plane.
  [[nodiscard]] const std::byte* at(std::uint64_t offset) const {
    return data_ + (offset - extent_.offset);
  }

 private:
  Extent extent_;
  std::byte* data_ = nullptr;
  std::uint64_t mapped_bytes_ = 0;
};

}  // namespace kedge
