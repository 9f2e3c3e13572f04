#include "engine/places.h"

#include <algorithm>
#include <utility>

namespace kedge {

static_assert(std::is_trivially_copyable_v<Place>);

Places::Places(std::uint64_t memory_bytes, std::string folder)
    : most_(std::max<std::uint64_t>(1, memory_bytes / sizeof(Place))),
      scratch_(0, std::move(folder)) {}

void Places::start(std::size_t lists, std::size_t rows) {
  rows_of_list_.assign(lists, 0);
  held_.reserve(std::min(rows, most_));
}

Status Places::add(const Place& place) {
  if (held_.size() == most_) KEDGE_TRY(move_out());
  held_.push_back(place);
  ++rows_of_list_[place.list];
  ++rows_;
  return {};
}

Status Places::move_out() {
  KEDGE_TRY(scratch_.write(moved_ * sizeof(Place), std::as_bytes(std::span(held_))));
  moved_ += held_.size();
  held_.clear();
  return {};
}

Result<std::span<const Place>> Places::next(Executor& executor) {
  const std::size_t first = next_list_;
  if (moved_ == 0) {
    next_list_ = rows_of_list_.size();
  } else {
    if (first == 0) KEDGE_TRY(move_out());
    std::size_t rows = 0;
    while (next_list_ < rows_of_list_.size() &&
           (rows == 0 || rows + rows_of_list_[next_list_] <= most_))
      rows += rows_of_list_[next_list_++];
    KEDGE_TRY(read_back(first, next_list_));
  }
  if (first == next_list_) {
    held_ = {};
    return std::span<const Place>();
  }
  sort(first, next_list_, executor);
  return std::span<const Place>(held_);
}

// The rows of lists [first, end), in the order they came.
Status Places::read_back(std::size_t first, std::size_t end) {
  constexpr std::size_t kAtOnce = 4096;
  std::vector<Place> some(kAtOnce);
  held_.clear();
  for (std::size_t row = 0; row < moved_; row += some.size()) {
    some.resize(std::min(kAtOnce, moved_ - row));
    KEDGE_TRY(scratch_.read(row * sizeof(Place), std::as_writable_bytes(std::span(some))));
    for (const Place& place : some) {
      if (place.list >= first && place.list < end) held_.push_back(place);
    }
  }
  return {};
}

// By list, in a list by object, and of an object by chunk: so the rows of a segment of one list are
// in the order of its chunks. All rows of an object come from one input; in a list that is copied
// they are in this order already.
void Places::sort(std::size_t first, std::size_t end, Executor& executor) {
  const std::size_t lists = end - first;
  std::vector<std::size_t> starts(lists + 1);
  for (std::size_t l = 0; l < lists; ++l) starts[l + 1] = starts[l] + rows_of_list_[first + l];
  // In place, since there may be many: each is swapped to where its list is, until the one that
  // comes back belongs here.
  std::vector<std::size_t> next(starts.begin(), starts.end() - 1);
  for (std::size_t l = 0; l < lists; ++l) {
    while (next[l] < starts[l + 1]) {
      Place& here = held_[next[l]];
      if (here.list == first + l) {
        ++next[l];
      } else {
        std::swap(here, held_[next[here.list - first]++]);
      }
    }
  }
  executor.parallel_for(lists, [&](std::size_t l) {
    std::sort(held_.begin() + static_cast<std::ptrdiff_t>(starts[l]),
              held_.begin() + static_cast<std::ptrdiff_t>(starts[l + 1]),
              [](const Place& a, const Place& b) {
                return a.object != b.object ? a.object < b.object : a.order < b.order;
              });
  });
}

}  // namespace kedge
