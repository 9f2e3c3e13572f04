#include "engine/calibrate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "ann/rabitq.h"
#include "base/random.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kRowsPerTask = 512;
constexpr std::uint32_t kTargets[] = {500, 700, 800, 900, 925, 950, 970, 980, 990, 995, 999};
constexpr std::uint32_t kRerank = 40;
// More of the nearest than that the lists cannot make up for what five bits lose.
constexpr double kLargestShare = 0.998;
constexpr int kDraws = 8;
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
  if (heap.size() == kRivals) {
    std::pop_heap(heap.begin(), heap.end(), farther);
    heap.pop_back();
  }
  heap.push_back(near);
  std::push_heap(heap.begin(), heap.end(), farther);
  if (heap.size() == kRivals) limits[question] = heap.front().distance;
}

void Calibration::add(const Tree& tree, const float* rows, const std::uint32_t* lists,
                      std::size_t count, Executor& executor) {
  if (count_ == 0) return;
  const bool dot_metric = metric_ == Metric::kDot;
  const float factor = dot_metric ? -1 : -2;
  const std::vector<float> base = dot_metric ? std::vector<float>(count_) : norms_;
  std::vector<Nearest> found((count + kRowsPerTask - 1) / kRowsPerTask);
  parallel_ranges(executor, count, kRowsPerTask, [&](std::size_t begin, std::size_t end) {
    const std::size_t size = end - begin;
    Nearest& mine = found[begin / kRowsPerTask];
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
        if (!(distances[q] < mine.limits[q])) continue;
        const std::uint32_t list = lists[begin + i];
        const float residual = kernels().l2_f32(row, tree.centroid_f32(list), padded_);
        mine.offer(q, {distances[q], std::sqrt(residual), list});
      }
    }
  });
  for (const Nearest& part : found) {
    for (std::size_t q = 0; q < count_; ++q) {
      for (const Near& near : part.heaps[q]) nearest_.offer(q, near);
    }
  }
}

std::vector<Calibration::Near> Calibration::nearest(std::size_t question) const {
  std::vector<Near> out = nearest_.heaps[question];
  std::sort(out.begin(), out.end(),
            [](const Near& a, const Near& b) { return a.distance < b.distance; });
  return out;
}

double Calibration::five_bits(const Tree& tree) const {
  // What a code errs by grows with the residual and the distance from the question to the centroid;
  // by how much depends on the dimension, and hardly on the row.
  RowEncoder encoder(padded_, metric_);
  EncodedRow code;
  double error = 0;
  double residuals = 0;
  std::vector<std::uint32_t> own(count_);
  tree.assign(questions_.data(), count_, own.data(), inline_executor());
  for (std::size_t q = 0; q < count_; ++q) {
    const float* row = questions_.data() + q * padded_;
    const float* centroid = tree.centroid_f32(own[q]);
    encoder.encode(row, centroid, code);
    error += double{code.refine_error};
    residuals += std::sqrt(double{kernels().l2_f32(row, centroid, padded_)});
  }
  if (residuals == 0) return 1;
  SeededRandom random(count_);
  std::size_t kept = 0;
  std::size_t all = 0;
  for (std::size_t q = 0; q < count_; ++q) {
    const std::vector<Near> rows = nearest(q);
    const std::size_t wanted = std::min(rows.size(), kNearest);
    std::vector<double> deviations;
    for (const Near& near : rows) {
      const float away =
          kernels().l2_f32(questions_.data() + q * padded_, tree.centroid_f32(near.list), padded_);
      deviations.push_back(error / residuals * double{near.residual} * std::sqrt(double{away}));
    }
    std::vector<std::pair<double, std::size_t>> estimates(rows.size());
    for (int draw = 0; draw < kDraws && wanted > 0; ++draw) {
      for (std::size_t i = 0; i < rows.size(); ++i)
        estimates[i] = {double{rows[i].distance} + deviations[i] * random.normal(), i};
      std::sort(estimates.begin(), estimates.end());
      for (std::size_t i = 0; i < wanted; ++i) kept += estimates[i].second < wanted ? 1 : 0;
      all += wanted;
    }
  }
  return all == 0 ? 1 : static_cast<double>(kept) / static_cast<double>(all);
}

std::vector<Calibration::Ranks> Calibration::ranks(
    const Tree& tree, std::span<const std::vector<float>> penalties) const {
  std::vector<Ranks> out(penalties.size());
  std::vector<float> distances(tree.leaf_count());
  std::vector<float> values(tree.leaf_count());
  for (std::size_t q = 0; q < count_; ++q) {
    if (nearest_.heaps[q].empty()) continue;
    const float* question = questions_.data() + q * padded_;
    for (std::uint32_t leaf = 0; leaf < tree.leaf_count(); ++leaf) {
      const float* centroid = tree.centroid_f32(leaf);
      distances[leaf] = metric_ == Metric::kDot ? -kernels().dot_f32(question, centroid, padded_)
                                                : kernels().l2_f32(question, centroid, padded_);
    }
    std::vector<Near> nearest = this->nearest(q);
    nearest.resize(std::min(nearest.size(), kNearest));
    for (std::size_t p = 0; p < penalties.size(); ++p) {
      std::transform(distances.begin(), distances.end(), penalties[p].begin(), values.begin(),
                     std::plus<>());
      for (const Near& near : nearest) {
        const float own = values[near.list];
        const auto before =
            std::count_if(values.begin(), values.end(), [&](float value) { return value < own; });
        out[p].push_back(1 + static_cast<std::uint32_t>(before));
      }
    }
  }
  for (Ranks& of : out) std::sort(of.begin(), of.end());
  return out;
}

Calibration::Ranks Calibration::ranks(const Tree& tree) const {
  const bool dot = metric_ == Metric::kDot;
  const std::vector<float> penalties =
      dot ? std::vector<float>(tree.leaf_count())
          : std::vector<float>(tree.penalties().begin(), tree.penalties().end());
  return std::move(ranks(tree, std::span(&penalties, 1)).front());
}

std::vector<float> Calibration::best_penalties(const Tree& tree,
                                               std::span<const float> spreads) const {
  // 1 would rank by the mean of a leaf's rows; its nearest are wanted. Where rows fill few of the
  // dimensions, wide leaves reach far, and 0 is best.
  constexpr float kFactors[] = {0, 0.25F, 0.5F, 0.75F};
  constexpr std::size_t kShares[] = {80, 90, 95, 98};  // in hundredths
  std::vector<std::vector<float>> penalties;
  for (const float factor : kFactors) {
    if (metric_ == Metric::kDot && factor > 0) continue;
    std::vector<float>& of = penalties.emplace_back();
    for (const float spread : spreads) of.push_back(factor * spread);
  }
  const std::vector<Ranks> ranks = this->ranks(tree, penalties);
  std::size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t p = 0; p < ranks.size(); ++p) {
    double lists = 0;  // the logarithm of their product
    for (const std::size_t share : kShares) {
      if (!ranks[p].empty())
        lists += std::log(static_cast<double>(ranks[p][(ranks[p].size() - 1) * share / 100]));
    }
    if (lists >= least) continue;
    least = lists;
    best = p;
  }
  return std::move(penalties[best]);
}

double Calibration::share_within(const Tree& tree, std::uint32_t probes) const {
  const Ranks all = ranks(tree);
  if (all.empty()) return 1;
  const auto within = std::upper_bound(all.begin(), all.end(), probes) - all.begin();
  return static_cast<double>(within) / static_cast<double>(all.size());
}

std::vector<ProbePoint> Calibration::points(const Tree& tree) const {
  const Ranks ranks = this->ranks(tree);
  std::vector<ProbePoint> out;
  if (ranks.empty()) return out;
  const double five_bits = this->five_bits(tree);
  for (const std::uint32_t target : kTargets) {
    std::uint32_t rerank = rerank_for(target, padded_);
    // Lists and codes lose rows apart from each other.
    double share = target / 1000.0;
    if (rerank == 0 && share / five_bits > kLargestShare) rerank = kRerank;
    if (rerank == 0) share /= five_bits;
    const auto needed =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(ranks.size())));
    ProbePoint point;
    point.recall = target;
    point.probes = ranks[std::max<std::size_t>(needed, 1) - 1];
    // Where the best begin to be measured, fewer lists would do than for the target before.
    if (!out.empty()) point.probes = std::max(point.probes, out.back().probes);
    point.rerank = rerank;
    out.push_back(point);
  }
  return out;
}

}  // namespace kedge
