#include "engine/top_rows.h"

#include <algorithm>
#include <tuple>

namespace kedge {

bool RowHit::operator<(const RowHit& other) const {
  return std::tie(distance, segment, object, chunk) <
         std::tie(other.distance, other.segment, other.object, other.chunk);
}

void TopRows::reset(std::size_t want, bool by_object) {
  want_ = std::max<std::size_t>(want, 1);
  by_object_ = by_object;
  limit_ = std::numeric_limits<float>::infinity();
  heap_.clear();
  best_.clear();
}

void TopRows::sift_down(std::size_t i) {
  while (true) {
    std::size_t worst = i;
    for (std::size_t child = 2 * i + 1; child < std::min(heap_.size(), 2 * i + 3); ++child) {
      if (heap_[worst] < heap_[child]) worst = child;
    }
    if (worst == i) return;
    std::swap(heap_[i], heap_[worst]);
    i = worst;
  }
}

// Whether the hit's object is there already; a better row takes the place of its own.
bool TopRows::replace_same(const RowHit& hit) {
  if (want_ > kFew) {
    const auto known = best_.find(key(hit));
    if (known == best_.end()) return false;
    if (known->second <= hit.distance) return true;
  }
  const auto same = std::find_if(heap_.begin(), heap_.end(),
                                 [&](const RowHit& other) { return key(other) == key(hit); });
  if (same == heap_.end()) return false;
  if (!(hit < *same)) return true;
  *same = hit;
  if (want_ > kFew) best_[key(hit)] = hit.distance;
  // Better than before: it may only move towards the leaves.
  sift_down(static_cast<std::size_t>(same - heap_.begin()));
  if (full()) limit_ = heap_.front().distance;
  return true;
}

void TopRows::add(const RowHit& hit) {
  if (by_object_ && replace_same(hit)) return;
  if (full()) {
    if (by_object_ && want_ > kFew) best_.erase(key(heap_.front()));
    heap_.front() = hit;
    sift_down(0);
  } else {
    heap_.push_back(hit);
    std::push_heap(heap_.begin(), heap_.end());
  }
  if (by_object_ && want_ > kFew) best_[key(hit)] = hit.distance;
  if (full()) limit_ = heap_.front().distance;
}

void TopRows::take(std::vector<RowHit>& out) {
  std::sort(heap_.begin(), heap_.end());
  out.assign(heap_.begin(), heap_.end());
  heap_.clear();
}

std::vector<RowHit> take_nearest(std::vector<RowHit>& pool, std::size_t count) {
  if (pool.size() <= count) return std::exchange(pool, {});
  const auto nearer = [](const RowHit& a, const RowHit& b) { return a.distance < b.distance; };
  const auto last = pool.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(pool.begin(), last, pool.end(), nearer);
  const float limit = last->distance;
  const auto ties = std::partition(pool.begin(), pool.end(),
                                   [&](const RowHit& hit) { return hit.distance < limit; });
  const auto worse =
      std::partition(ties, pool.end(), [&](const RowHit& hit) { return hit.distance == limit; });
  std::sort(ties, worse);
  const std::size_t open = count - static_cast<std::size_t>(ties - pool.begin());
  std::vector<RowHit> batch(pool.begin(), ties);
  std::vector<RowHit> rest(worse, pool.end());
  std::size_t of_segment = 0;
  for (auto tie = ties; tie != worse; ++tie) {
    of_segment = tie != ties && (tie - 1)->segment == tie->segment ? of_segment + 1 : 0;
    (of_segment < open ? batch : rest).push_back(*tie);
  }
  pool = std::move(rest);
  return batch;
}

}  // namespace kedge
