// The distance of a row of the vectors plane: what `exact` means.
#pragma once

#include <cstdint>
#include <span>

#include "format/space.h"

namespace kedge {

// Borrows the query, which is of length 1 for cosine. Threads: any.
class ExactDistance {
 public:
  ExactDistance(std::span<const float> query, const Space& space) : query_(query), space_(space) {}
  // L2: squared; cosine: 1 less the cosine; dot: less the dot product. Never NaN.
  [[nodiscard]] float of(const std::uint16_t* values) const;
  // Of a dot product that is known already.
  [[nodiscard]] float of_dot(float dot, const std::uint16_t* values) const;

 private:
  std::span<const float> query_;
  const Space& space_;
};

}  // namespace kedge
