#include "engine/segment.h"

namespace kedge {

SegmentFile::~SegmentFile() {
  for (const auto& image : images) delete image.load(std::memory_order_acquire);
}

void SegmentFile::keep_image(Plane plane, std::unique_ptr<PlaneImage> image) const {
  const PlaneImage* none = nullptr;
  auto& slot = images[static_cast<std::size_t>(plane)];
  if (slot.compare_exchange_strong(none, image.get(), std::memory_order_acq_rel))
    (void)image.release();
}

}  // namespace kedge
