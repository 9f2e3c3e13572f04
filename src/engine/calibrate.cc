#include "engine/calibrate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kRowsPerTask = 512;
constexpr std::uint32_t kTargets[] = {500, 700, 800, 900, 925, 950, 970, 980, 990, 995, 999};
// What five bits find of the nearest rows in the lists that were looked into, in thousandths: above
// this the best are measured on the vectors plane, below it the lists have to make up for the rest.
constexpr std::uint32_t kFiveBits = 985;
constexpr std::uint32_t kRerank = 40;
constexpr std::uint32_t kFewDimensions = 256;

}  // namespace

std::uint32_t rerank_for(std::uint32_t recall, std::uint32_t padded) {
  // Below 256 dimensions five bits err more, and a vector is as small as its codes are elsewhere.
  return recall > 960 || (padded < kFewDimensions && recall >= 900) ? kRerank : 0;
}

Calibration::Calibration(std::vector<float> questions, std::uint32_t padded, Metric metric)
    : questions_(std::move(questions)),
      padded_(padded),
      metric_(metric),
      count_(questions_.size() / padded) {
  nearest_.heaps.resize(count_);
  nearest_.limits.assign(count_, std::numeric_limits<float>::infinity());
  for (std::size_t q = 0; q < count_; ++q) {
    const float* row = questions_.data() + q * padded_;
    norms_.push_back(kernels().dot_f32(row, row, padded_));
  }
}

void Calibration::Nearest::offer(std::size_t question, const Near& near) {
  if (!(near.distance < limits[question])) return;
  const auto farther = [](const Near& a, const Near& b) { return a.distance < b.distance; };
  std::vector<Near>& heap = heaps[question];
  if (heap.size() == kNearest) {
    std::pop_heap(heap.begin(), heap.end(), farther);
    heap.pop_back();
  }
  heap.push_back(near);
  std::push_heap(heap.begin(), heap.end(), farther);
  if (heap.size() == kNearest) limits[question] = heap.front().distance;
}

void Calibration::add(const float* rows, const std::uint32_t* lists, std::size_t count,
                      Executor& executor) {
  if (count_ == 0) return;
  const bool dot_metric = metric_ == Metric::kDot;
  const float factor = dot_metric ? -1 : -2;
  const std::vector<float> base = dot_metric ? std::vector<float>(count_) : norms_;
  const std::size_t tasks = (count + kRowsPerTask - 1) / kRowsPerTask;
  std::vector<Nearest> found(tasks);
  executor.parallel_for(tasks, [&](std::size_t t) {
    const std::size_t begin = t * kRowsPerTask;
    const std::size_t size = std::min(kRowsPerTask, count - begin);
    Nearest& mine = found[t];
    mine.heaps.resize(count_);
    mine.limits = nearest_.limits;
    std::vector<float> dots(size * count_);
    kernels().dot_matrix(rows + begin * padded_, size, questions_.data(), count_, padded_,
                         dots.data(), count_);
    std::vector<float> distances(count_);
    for (std::size_t i = 0; i < size; ++i) {
      const float* row = rows + (begin + i) * padded_;
      const float norm = kernels().dot_f32(row, row, padded_);
      const float own = dot_metric ? 0 : norm;
      const float* dot = dots.data() + i * count_;
      // Hardly a row is near to any, once some thousands were seen.
      bool any = false;
      for (std::size_t q = 0; q < count_; ++q) {
        distances[q] = own + base[q] + factor * dot[q];
        any |= distances[q] < mine.limits[q];
      }
      for (std::size_t q = 0; any && q < count_; ++q) {
        // The question itself, to rounding, is left out.
        if (norm + norms_[q] - 2 * dot[q] <= 1e-5F * norms_[q]) continue;
        mine.offer(q, {distances[q], lists[begin + i]});
      }
    }
  });
  for (const Nearest& part : found) {
    for (std::size_t q = 0; q < count_; ++q) {
      for (const Near& near : part.heaps[q]) nearest_.offer(q, near);
    }
  }
}

std::vector<std::uint32_t> Calibration::ranks(const Tree& tree) const {
  std::vector<std::uint32_t> out;
  std::vector<float> values(tree.leaf_count());
  for (std::size_t q = 0; q < count_; ++q) {
    if (nearest_.heaps[q].empty()) continue;
    const float* question = questions_.data() + q * padded_;
    for (std::uint32_t leaf = 0; leaf < tree.leaf_count(); ++leaf) {
      const float* centroid = tree.centroid_f32(leaf);
      values[leaf] = metric_ == Metric::kDot ? -kernels().dot_f32(question, centroid, padded_)
                                             : kernels().l2_f32(question, centroid, padded_);
    }
    for (const Near& near : nearest_.heaps[q]) {
      const float own = values[near.list];
      const auto before =
          std::count_if(values.begin(), values.end(), [&](float value) { return value < own; });
      out.push_back(1 + static_cast<std::uint32_t>(before));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

double Calibration::share_within(const Tree& tree, std::uint32_t probes) const {
  const std::vector<std::uint32_t> all = ranks(tree);
  if (all.empty()) return 1;
  const auto within = std::upper_bound(all.begin(), all.end(), probes) - all.begin();
  return static_cast<double>(within) / static_cast<double>(all.size());
}

std::vector<ProbePoint> Calibration::points(const Tree& tree) const {
  const std::vector<std::uint32_t> ranks = this->ranks(tree);
  std::vector<ProbePoint> out;
  if (ranks.empty()) return out;
  for (const std::uint32_t target : kTargets) {
    const std::uint32_t rerank = rerank_for(target, padded_);
    // Lists and codes lose rows apart from each other.
    const double share =
        std::min(1.0, rerank > 0 ? target / 1000.0 : static_cast<double>(target) / kFiveBits);
    const auto needed =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(ranks.size())));
    ProbePoint point;
    point.recall = target;
    point.probes = ranks[std::max<std::size_t>(needed, 1) - 1];
    point.rerank = rerank;
    out.push_back(point);
  }
  return out;
}

}  // namespace kedge
