// A set of the objects of one segment, a bit each.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "base/result.h"

namespace kedge {

// Objects [begin, end) by number.
struct ObjectRun {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool operator==(const ObjectRun&) const = default;
};

class ObjectBitmap {
 public:
  ObjectBitmap() = default;
  // Of `size` objects, none or all of them in it.
  explicit ObjectBitmap(std::uint32_t size, bool all = false)
      : size_(size), words_((std::size_t{size} + 63) / 64, all ? ~std::uint64_t{0} : 0) {
    trim();
  }

  [[nodiscard]] std::uint32_t size() const { return size_; }
  // Bits behind the last object are zero.
  [[nodiscard]] const std::vector<std::uint64_t>& words() const { return words_; }
  // Precondition: below size().
  [[nodiscard]] bool test(std::uint32_t object) const {
    return (words_[object / 64] >> (object % 64) & 1) != 0;
  }
  // Precondition: not beyond size().
  void add(const ObjectRun& run) {
    for (std::uint32_t at = run.begin; at < run.end;) {
      const std::uint32_t count = std::min(64 - at % 64, run.end - at);
      words_[at / 64] |= (~std::uint64_t{0} >> (64 - count)) << (at % 64);
      at += count;
    }
  }
  // Preconditions: of the same size.
  void unite(const ObjectBitmap& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  void intersect(const ObjectBitmap& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  void invert() {
    for (std::uint64_t& word : words_) word = ~word;
    trim();
  }
  [[nodiscard]] std::uint32_t count() const {
    std::uint32_t sum = 0;
    for (const std::uint64_t word : words_) sum += static_cast<std::uint32_t>(std::popcount(word));
    return sum;
  }
  // Increasing, with gaps between them.
  [[nodiscard]] std::vector<ObjectRun> runs() const {
    std::vector<ObjectRun> out;
    for (std::uint32_t at = next(0, false); at < size_;) {
      const std::uint32_t end = next(at, true);
      out.push_back({at, end});
      at = next(end, false);
    }
    return out;
  }
  bool operator==(const ObjectBitmap&) const = default;

 private:
  // The first object from `at` on that is in the set, or with `out` that is not; size() if none is.
  [[nodiscard]] std::uint32_t next(std::uint32_t at, bool out) const {
    while (at < size_) {
      const std::uint64_t word = (out ? ~words_[at / 64] : words_[at / 64]) >> (at % 64);
      if (word != 0)
        return std::min(size_, at + static_cast<std::uint32_t>(std::countr_zero(word)));
      at = (at / 64 + 1) * 64;
    }
    return size_;
  }
  void trim() {
    if (size_ % 64 != 0) words_.back() &= ~std::uint64_t{0} >> (64 - size_ % 64);
  }

  std::uint32_t size_ = 0;
  std::vector<std::uint64_t> words_;
};

}  // namespace kedge
