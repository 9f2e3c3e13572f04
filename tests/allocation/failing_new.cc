#include "tests/allocation/failing_new.h"

#include <cstdlib>
#include <new>
#include <pugixml.hpp>

namespace kedge::test {
namespace {

thread_local FailingNew* t_failing = nullptr;

void* allocate_or_null(std::size_t size) {
  return allocation_fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
}

// The library asks its own allocator, and throws nothing.
const bool kPugixmlAsks = [] {
  pugi::set_memory_management_functions(allocate_or_null, std::free);
  return true;
}();

}  // namespace

bool allocation_fails() { return t_failing != nullptr && t_failing->count_++ == t_failing->fails_; }

FailingNew::FailingNew(std::size_t fails) : fails_(fails) { t_failing = this; }
FailingNew::~FailingNew() { t_failing = nullptr; }

}  // namespace kedge::test

// Not thrown by a sanitizer's own operator new, which aborts: malloc is the sanitizer's still.
void* operator new(std::size_t size) {
  void* memory = kedge::test::allocate_or_null(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return kedge::test::allocate_or_null(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return kedge::test::allocate_or_null(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
