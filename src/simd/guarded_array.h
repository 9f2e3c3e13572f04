// For the tests of the kernels: ASan does not see what a masked load reads.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include "simd/kernels.h"

namespace kedge {

// `size` bytes that end where an unreadable page begins.
class GuardedArray {
 public:
  explicit GuardedArray(std::size_t size) : size_(size) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    inside_ = (size + page - 1) / page * page;
    mapped_ = inside_ + page;
    void* at = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) std::abort();
    begin_ = static_cast<std::byte*>(at);
    if (mprotect(begin_ + inside_, page, PROT_NONE) != 0) std::abort();
  }
  ~GuardedArray() { munmap(begin_, mapped_); }
  GuardedArray(const GuardedArray&) = delete;
  GuardedArray& operator=(const GuardedArray&) = delete;
  // Where `size` bytes end at the guard; of floats and halves this is as aligned as they are.
  [[nodiscard]] std::byte* data() const { return begin_ + inside_ - size_; }
  template <typename T>
  [[nodiscard]] T* as() const {
    return reinterpret_cast<T*>(data());
  }

 private:
  std::size_t size_;
  std::size_t inside_ = 0;
  std::size_t mapped_ = 0;
  std::byte* begin_ = nullptr;
};

// Around each vector width, and dimensions that models have.
inline std::vector<std::size_t> kernel_sizes() {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i <= 70; ++i) all.push_back(i);
  for (const std::size_t i : {95, 96, 127, 128, 129, 383, 384, 385, 768, 1024, 1536}) {
    all.push_back(i);
  }
  return all;
}

inline const Kernels& scalar_kernels() { return *available_kernels().front(); }

}  // namespace kedge
