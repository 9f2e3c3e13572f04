// Memory of the process as a whole.
#pragma once

namespace kedge {

// Gives pages that the allocator keeps for later back to the system. For the seams of long work
// that has a limit of memory: what one part let go of would count against the next. Takes about a
// millisecond for 100 MiB. Does nothing where the C library cannot.
void release_free_memory();

}  // namespace kedge
