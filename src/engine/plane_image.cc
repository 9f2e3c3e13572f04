#include "engine/plane_image.h"

#include <sys/mman.h>

#include "base/memory.h"

namespace kedge {

PlaneImage::PlaneImage(Extent extent) : extent_(extent) {
  mapped_bytes_ = (extent.size + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  void* at =
      ::mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  KEDGE_CHECK(at != MAP_FAILED);
  // A scan touches thousands of small pages otherwise, and each costs a walk of the page table.
  data_ = static_cast<std::byte*>(at);
  prefer_huge_pages(data_, mapped_bytes_);
}

PlaneImage::~PlaneImage() { ::munmap(data_, mapped_bytes_); }

}  // namespace kedge
