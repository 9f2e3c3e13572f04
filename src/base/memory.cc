#include "base/memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace kedge {

void release_free_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

void prefer_huge_pages(std::byte* begin, std::size_t size) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  const std::uintptr_t first = (at + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  const std::uintptr_t last = (at + size) / kHugePageBytes * kHugePageBytes;
  // What it cannot have it does not get: no error is of interest.
  if (first < last) (void)::madvise(begin + (first - at), last - first, MADV_HUGEPAGE);
}

}  // namespace kedge
