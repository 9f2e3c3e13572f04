// An array that begins at a cache line, for what the kernels read again and again.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

namespace kedge {

// `count` zeroed values of a plain type. Moving keeps the address.
template <typename T>
class AlignedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedArray() = default;
  explicit AlignedArray(std::size_t count)
      : count_(count), lines_((count * sizeof(T) + sizeof(Line) - 1) / sizeof(Line)) {}

  [[nodiscard]] T* data() { return reinterpret_cast<T*>(lines_.data()); }
  [[nodiscard]] const T* data() const { return reinterpret_cast<const T*>(lines_.data()); }
  [[nodiscard]] std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }

 private:
  struct alignas(64) Line {
    std::byte bytes[64] = {};
  };
  std::size_t count_ = 0;
  std::vector<Line> lines_;
};

}  // namespace kedge
