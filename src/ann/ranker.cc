#include "ann/ranker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kChunk = 256;  // leaves a call of the kernel
constexpr float kMiddle = 127.5F;
constexpr std::size_t kLanes = 16;
// Leaves looked at for each one that is wanted, above kExactRanking.
constexpr std::size_t kOversample = 32;
constexpr std::size_t kLeastGroups = 8;

bool before(const Ranked& a, const Ranked& b) {
  return a.value < b.value || (a.value == b.value && a.leaf < b.leaf);
}

void keep_best(std::vector<Ranked>& out, std::size_t count) {
  if (out.size() <= count) return;
  std::nth_element(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count), out.end(),
                   before);
  out.resize(count);
}

}  // namespace

// value = base + the centroid's own part - <q - mean, d>, twice for L2.
struct Ranker::Query {
  bool dot = false;
  float scale = 0;   // of the small query
  float middle = 0;  // what the codes' zero point adds, in steps
  float base = 0;
  std::int8_t small[kMaxDimension];
};

Ranker::Ranker(const Tree& tree)
    : padded_(tree.padded()),
      leaf_count_(tree.leaf_count()),
      mean_(tree.padded()),
      first_(tree.first_leaf().begin(), tree.first_leaf().end()) {
  // From halves, a leaf at a time: who only searches needs no others.
  std::vector<float> centroid(padded_);
  std::vector<double> sum(padded_);
  for (std::uint32_t leaf = 0; leaf < leaf_count_; ++leaf) {
    kernels().f16_to_f32(tree.centroid_f16(leaf), centroid.data(), padded_);
    for (std::size_t i = 0; i < padded_; ++i) sum[i] += double{centroid[i]};
  }
  for (std::size_t i = 0; i < padded_; ++i) mean_[i] = static_cast<float>(sum[i] / leaf_count_);
  const std::size_t groups = leaf_count_ > kExactRanking ? first_.size() - 1 : 0;
  for (const auto& [level, count] : {std::pair<Level*, std::size_t>{&leaves_, leaf_count_},
                                     std::pair<Level*, std::size_t>{&groups_, groups}}) {
    level->count = count;
    level->codes = AlignedArray<std::uint8_t>(count * padded_);
    level->step.resize(count);
    level->offset.resize(count);
    level->centre.resize(count);
  }
  for (std::uint32_t leaf = 0; leaf < leaf_count_; ++leaf) {
    kernels().f16_to_f32(tree.centroid_f16(leaf), centroid.data(), padded_);
    add(leaves_, centroid.data(), leaf);
    leaves_.offset[leaf] += tree.penalties()[leaf];
  }
  for (std::size_t g = 0; g < groups; ++g) {
    add(groups_, tree.parent_f32(g), g);
    const std::span<const float> of_leaves =
        tree.penalties().subspan(first_[g], first_[g + 1] - first_[g]);
    groups_.offset[g] += std::accumulate(of_leaves.begin(), of_leaves.end(), 0.0F) /
                         static_cast<float>(of_leaves.size());
  }
}

// Written in lanes, since opening an index waits for it.
void Ranker::add(Level& level, const float* centroid, std::size_t i) const {
  static_assert(64 % kLanes == 0, "rows are padded to 64");
  float largest[kLanes] = {};
  float squared[kLanes] = {};
  float centre[kLanes] = {};
  for (std::size_t j = 0; j < padded_; j += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float d = centroid[j + l] - mean_[j + l];
      const float size = std::abs(d);
      largest[l] = size > largest[l] ? size : largest[l];
      squared[l] += d * d;
      centre[l] += d * mean_[j + l];
    }
  }
  level.offset[i] = std::accumulate(squared, squared + kLanes, 0.0F);
  level.centre[i] = std::accumulate(centre, centre + kLanes, 0.0F);
  const float most = *std::max_element(largest, largest + kLanes);
  const float step = most > 0 ? 2 * most / 255 : 1;
  level.step[i] = step;
  const float steps = 1 / step;
  std::uint8_t* codes = level.codes.data() + i * padded_;
  for (std::size_t j = 0; j < padded_; ++j) {
    // Not below zero but for rounding, so that the cast rounds to nearest.
    const auto code = static_cast<int>((centroid[j] - mean_[j]) * steps + (kMiddle + 0.5F));
    codes[j] = static_cast<std::uint8_t>(std::clamp(code, 0, 255));
  }
}

void Ranker::scan(const Level& level, const Query& query, std::size_t begin, std::size_t end,
                  std::size_t count, std::vector<Ranked>& out) const {
  std::int32_t products[kChunk];
  float limit = std::numeric_limits<float>::infinity();
  const auto refresh = [&] {
    keep_best(out, count);
    if (out.size() == count) limit = std::max_element(out.begin(), out.end(), before)->value;
  };
  if (out.size() >= count) refresh();
  for (; begin < end; begin += kChunk) {
    const std::size_t width = std::min(kChunk, end - begin);
    kernels().dots_u8_i8(level.codes.data() + begin * padded_, padded_, width, query.small, padded_,
                         products);
    for (std::size_t j = 0; j < width; ++j) {
      const std::size_t i = begin + j;
      const float product =
          query.scale * level.step[i] * (static_cast<float>(products[j]) - query.middle);
      const float value = query.dot ? query.base - level.centre[i] - product
                                    : query.base + level.offset[i] - 2 * product;
      if (value <= limit) out.push_back({static_cast<std::uint32_t>(i), value});
    }
    if (out.size() >= 2 * count || (out.size() >= count && std::isinf(limit))) refresh();
  }
}

void Ranker::rank(const QueryCodes& query, std::size_t count, std::vector<Ranked>& out) const {
  out.clear();
  count = std::min<std::size_t>(count, leaf_count_);
  if (count == 0) return;
  const Kernels& simd = kernels();
  float centred[kMaxDimension];
  for (std::size_t i = 0; i < padded_; ++i) centred[i] = query.rotated()[i] - mean_[i];
  Query prepared;
  const SmallScale small = to_int8(centred, padded_, prepared.small);
  prepared.scale = small.scale;
  prepared.middle = kMiddle * static_cast<float>(small.sum);
  prepared.dot = query.metric() == Metric::kDot;
  prepared.base = prepared.dot ? -simd.dot_f32(query.rotated(), mean_.data(), padded_)
                               : simd.dot_f32(centred, centred, padded_);
  if (groups_.count == 0) {
    scan(leaves_, prepared, 0, leaf_count_, count, out);
  } else {
    scan(groups_, prepared, 0, groups_.count, groups_.count, out);
    std::sort(out.begin(), out.end(), before);
    // The groups' own entries make way for their leaves.
    const std::vector<Ranked> groups = out;
    out.clear();
    std::size_t seen = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (g >= kLeastGroups && seen >= kOversample * count) break;
      const std::uint32_t group = groups[g].leaf;
      scan(leaves_, prepared, first_[group], first_[group + 1], count, out);
      seen += first_[group + 1] - first_[group];
    }
  }
  keep_best(out, count);
  std::sort(out.begin(), out.end(), before);
}

}  // namespace kedge
