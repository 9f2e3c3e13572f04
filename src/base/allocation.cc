#include "base/allocation.h"

#include <new>
#include <stdexcept>

#include "base/strings.h"

namespace kedge {
namespace {

// Kept within the string itself, without an allocation.
constexpr std::string_view kNoMemory = "no memory";
static_assert(kNoMemory.size() <= 15);

}  // namespace

Error memory_error(std::string_view what) {
  try {
    throw;
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  try {
    return {Code::kExhausted, str_cat(what, ": ", kNoMemory)};
  } catch (const std::bad_alloc&) {
    return {Code::kExhausted, std::string(kNoMemory)};
  }
}

bool is_memory_error(const Error& error) {
  return error.code == Code::kExhausted && error.message.ends_with(kNoMemory);
}

}  // namespace kedge
