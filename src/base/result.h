// Result and its codes are part of the public API (kedge/result.h); here are the macros that the
// inside adds.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "kedge/result.h"

namespace kedge {

// For a programmer's error only, never for input: prints and aborts.
[[noreturn]] inline void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expression);
  std::abort();
}

}  // namespace kedge

// The value of a Result, or return its error from the enclosing function: `auto x =
// KEDGE_TRY(f());`
#define KEDGE_TRY(...)                                                      \
  __extension__({                                                           \
    auto kedge_try_result = (__VA_ARGS__);                                  \
    if (!kedge_try_result.ok()) return std::move(kedge_try_result).error(); \
    std::move(kedge_try_result).value();                                    \
  })

#define KEDGE_CHECK(expression) \
  (static_cast<bool>(expression) ? void(0) : ::kedge::check_failed(#expression, __FILE__, __LINE__))
