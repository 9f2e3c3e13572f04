// Allocations that fail on purpose, for tests of what a parser does without memory: failing_new.cc
// replaces operator new of this program, and gives libraries that take one an allocator like it.
// Only the thread that has made a FailingNew meets it.
#pragma once

#include <cstddef>

namespace kedge::test {

class FailingNew {
 public:
  static constexpr std::size_t kNever = static_cast<std::size_t>(-1);

  // The allocation `fails`, counted from 0, fails, and those after it do not. One at a time.
  explicit FailingNew(std::size_t fails);
  ~FailingNew();
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;

  // Allocations so far.
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  friend bool allocation_fails();
  std::size_t fails_;
  std::size_t count_ = 0;
};

// Counts an allocation of this thread, and says whether it is the one to fail.
bool allocation_fails();

}  // namespace kedge::test
