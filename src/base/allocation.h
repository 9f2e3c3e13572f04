// What a parser of foreign bytes answers where memory does not suffice. It throws nothing itself,
// but its strings and vectors may; so that nothing leaves it, its body is a handler's:
//
//   Result<Page> parse_page(ByteView bytes) try {
//     ...
//   } catch (...) {
//     return memory_error("page");
//   }
#pragma once

#include <string_view>

#include "base/result.h"

namespace kedge {

// Within a handler of exceptions only. kExhausted, "WHAT: no memory", for std::bad_alloc and for
// std::length_error; where there is none for the message either, it is just "no memory". Any other
// exception goes on.
Error memory_error(std::string_view what);

// Whether an error is one of memory_error(): the same bytes may be read where there is more memory,
// which cannot be said of the other limits of kExhausted.
bool is_memory_error(const Error& error);

}  // namespace kedge
