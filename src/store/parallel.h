// One result a request, computed on an executor.
#pragma once

#include <vector>

#include "base/executor.h"
#include "base/result.h"

namespace kedge {

// results[i] = body(i), in parallel. `body` must not throw.
template <typename T, typename Body>
std::vector<Result<T>> parallel_results(Executor& executor, std::size_t count, const Body& body) {
  std::vector<Result<T>> results(count, Result<T>(Code::kInternal, "request was not run"));
  executor.parallel_for(count, [&](std::size_t i) { results[i] = body(i); });
  return results;
}

}  // namespace kedge
