// What the system's error numbers say, and the limit that a process meets most often as one.
#pragma once

#include <cstdint>
#include <string>

namespace kedge {

// How many files, sockets among them, this process may have open (`ulimit -n`); UINT64_MAX: any.
std::uint64_t open_files_limit();

// "Permission denied"; where files ran out also how many there may be, and what to do.
std::string errno_text(int error);

}  // namespace kedge
