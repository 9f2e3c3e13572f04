// What the matrix products of the tables share: rows that a tile reads side by side.
#pragma once

#include <cstddef>

namespace kedge {

// Four rows of b; where `columns` < 4 are there, the last of them stands for the rest.
template <typename Value>
struct Columns {
  const Value* at0;
  const Value* at1;
  const Value* at2;
  const Value* at3;
};

// Precondition: columns is 1 to 4.
template <typename Value>
Columns<Value> columns_of(const Value* b, std::size_t columns, std::size_t dimension) noexcept {
  return {b, b + (columns > 1 ? 1 : 0) * dimension, b + (columns > 2 ? 2 : columns - 1) * dimension,
          b + (columns > 3 ? 3 : columns - 1) * dimension};
}

}  // namespace kedge
