// The best rows of a search so far: at most `want` of them, and the distance that a further one has
// to beat. Optionally one row an object, its nearest.
#pragma once

#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "format/segment.h"

namespace kedge {

struct RowHit {
  float distance = 0;         // never NaN
  std::uint32_t segment = 0;  // position among the segments of the search
  std::uint32_t row = 0;
  std::uint32_t object = 0;
  std::uint32_t chunk = 0;
  // The chunk's bytes in its object, where the search has met its refine row.
  std::uint64_t begin = kUnknownBegin;
  std::uint32_t length = kUnknownLength;
  // Order of results whose distances are equal: objects are numbered in key order.
  bool operator<(const RowHit& other) const;
};

class TopRows {
 public:
  void reset(std::size_t want, bool by_object);
  // Beyond this nothing is taken: infinity until there are `want`.
  [[nodiscard]] float limit() const { return limit_; }
  // Precondition: hit.distance < limit().
  void add(const RowHit& hit);
  [[nodiscard]] bool full() const { return heap_.size() >= want_; }
  // Best first; empties it.
  void take(std::vector<RowHit>& out);

 private:
  // Above this many rows objects are looked up in a table, below one by one.
  static constexpr std::size_t kFew = 64;
  static std::uint64_t key(const RowHit& hit) {
    return std::uint64_t{hit.segment} << 32 | hit.object;
  }
  bool replace_same(const RowHit& hit);
  void sift_down(std::size_t i);

  std::size_t want_ = 0;
  bool by_object_ = false;
  float limit_ = std::numeric_limits<float>::infinity();
  std::vector<RowHit> heap_;                       // the worst first
  std::unordered_map<std::uint64_t, float> best_;  // of each object in the heap
};

// Moves the best `count` out of the pool, and of those that are as good as the last of them as
// many of each segment as could be among the best by key: objects of a segment are in key order.
std::vector<RowHit> take_nearest(std::vector<RowHit>& pool, std::size_t count);

}  // namespace kedge
