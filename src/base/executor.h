// Where parallel loops run. A component that wants threads takes an Executor; a simulation gives it
// InlineExecutor, which runs the same loop in order, so that one seed is one trace.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace kedge {

class Executor {
 public:
  virtual ~Executor() = default;
  // Calls body(0) .. body(count - 1), each once, in any order and on any threads; returns when all
  // have returned. `body` must not throw. May be called from inside a body: the caller's thread
  // always takes part.
  virtual void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) = 0;
  // How many bodies can run at once, at least 1.
  [[nodiscard]] virtual std::size_t width() const = 0;
};

// In order, on the caller's thread.
Executor& inline_executor();

// `threads` counts the caller: 1 makes no thread. Ends its threads when destroyed.
std::unique_ptr<Executor> make_thread_pool(std::size_t threads);

}  // namespace kedge
