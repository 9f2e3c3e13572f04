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
      count_(questions_.size() / padded),
      nearest_(count_) {
  for (std::size_t q = 0; q < count_; ++q) {
    const float* row = questions_.data() + q * padded_;
    norms_.push_back(kernels().dot_f32(row, row, padded_));
  }
}

void Calibration::add(const float* rows, const std::uint32_t* lists, std::size_t count,
                      Executor& executor) {
  if (count_ == 0) return;
  const std::size_t tasks = (count + kRowsPerTask - 1) / kRowsPerTask;
  std::vector<std::vector<float>> dots(tasks);
  std::vector<std::vector<float>> norms(tasks);
  executor.parallel_for(tasks, [&](std::size_t t) {
    const std::size_t begin = t * kRowsPerTask;
    const std::size_t size = std::min(kRowsPerTask, count - begin);
    dots[t].resize(size * count_);
    kernels().dot_matrix(rows + begin * padded_, size, questions_.data(), count_, padded_,
                         dots[t].data(), count_);
    for (std::size_t i = 0; i < size; ++i) {
      const float* row = rows + (begin + i) * padded_;
      norms[t].push_back(kernels().dot_f32(row, row, padded_));
    }
  });
  const auto farther = [](const Near& a, const Near& b) { return a.distance < b.distance; };
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t t = i / kRowsPerTask;
    const std::size_t in_task = i % kRowsPerTask;
    for (std::size_t q = 0; q < count_; ++q) {
      const float dot = dots[t][in_task * count_ + q];
      const float square = norms[t][in_task] + norms_[q] - 2 * dot;
      // The question itself, to rounding.
      if (square <= 1e-5F * norms_[q]) continue;
      const float distance = metric_ == Metric::kDot ? -dot : square;
      std::vector<Near>& heap = nearest_[q];
      if (heap.size() == kNearest) {
        if (!(distance < heap.front().distance)) continue;
        std::pop_heap(heap.begin(), heap.end(), farther);
        heap.pop_back();
      }
      heap.push_back({distance, lists[i]});
      std::push_heap(heap.begin(), heap.end(), farther);
    }
  }
}

std::vector<std::uint32_t> Calibration::ranks(const Tree& tree) const {
  std::vector<std::uint32_t> out;
  std::vector<float> values(tree.leaf_count());
  for (std::size_t q = 0; q < count_; ++q) {
    if (nearest_[q].empty()) continue;
    const float* question = questions_.data() + q * padded_;
    for (std::uint32_t leaf = 0; leaf < tree.leaf_count(); ++leaf) {
      const float* centroid = tree.centroid_f32(leaf);
      values[leaf] = metric_ == Metric::kDot ? -kernels().dot_f32(question, centroid, padded_)
                                             : kernels().l2_f32(question, centroid, padded_);
    }
    for (const Near& near : nearest_[q]) {
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
