// Memory of the process as a whole.
#pragma once

#include <cstddef>

namespace kedge {

// Gives pages that the allocator keeps for later back to the system. For the seams of long work
// that has a limit of memory: what one part let go of would count against the next. Takes about a
// millisecond for 100 MiB. Does nothing where the C library cannot.
void release_free_memory();

inline constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

// Asks for huge pages for those that lie whole in these bytes, before they are touched: each small
// one is a fault of its own. Does nothing where the system has none to give. Of what is smaller the
// kernel is told nothing: each call may split a mapping in three, and it has only so many.
void prefer_huge_pages(std::byte* begin, std::size_t size);

}  // namespace kedge
