// Where parallel loops run. A component that wants threads takes an Executor; a simulation gives it
// InlineExecutor, which runs the same loop in order, so that one seed is one trace.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/result.h"

namespace kedge {

class Executor {
 public:
  virtual ~Executor() = default;
  // Calls body(0) .. body(count - 1), each once, in any order and on any threads; returns when all
  // have returned. `body` must not throw. May be called from inside a body: the caller's thread
  // always takes part.
  virtual void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) = 0;
  // Calls both, at once where a thread is free, else in this order; returns when both have
  // returned. For two long pieces of work with loops of their own: whoever has ended helps with
  // loops until the other has, so that the caller may be kept by a body of another's loop.
  virtual void run_both(const std::function<void()>& first,
                        const std::function<void()>& second) = 0;
  // How many bodies can run at once, at least 1.
  [[nodiscard]] virtual std::size_t width() const = 0;
};

// Calls body(begin, end) for ranges that make up [0, count), of `step` each but for the last.
void parallel_ranges(Executor& executor, std::size_t count, std::size_t step,
                     const std::function<void(std::size_t begin, std::size_t end)>& body);
// The same of what may fail; the error of the first range that did. All of them are called.
Status try_ranges(Executor& executor, std::size_t count, std::size_t step,
                  const std::function<Status(std::size_t begin, std::size_t end)>& body);

// In order, on the caller's thread.
Executor& inline_executor();

// `threads` counts the caller: 1 makes no thread. Ends its threads when destroyed.
std::unique_ptr<Executor> make_thread_pool(std::size_t threads);

}  // namespace kedge
