// How many lists a search has to look into: learned while a tree's segments are built, from rows of
// the index that stand for questions. Each is compared with every row; the lists of its nearest
// rows, and their places in the order in which a search would look into them, give the number of
// lists for a share of the nearest.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ann/tree.h"
#include "base/executor.h"
#include "format/index_state.h"
#include "format/space.h"

namespace kedge {

// How many of the best rows to measure on the vectors plane, for a recall in thousandths: none
// where five bits are enough.
std::uint32_t rerank_for(std::uint32_t recall, std::uint32_t padded);

// Threads: one at a time.
class Calibration {
 public:
  // `questions`: rotated rows, `count` of `padded` floats each.
  Calibration(std::vector<float> questions, std::uint32_t padded, Metric metric);

  // Rotated rows of the index and the list of each, a leaf of `tree`. A row that equals a question
  // is the question itself, and is left out.
  void add(const Tree& tree, const float* rows, const std::uint32_t* lists, std::size_t count,
           Executor& executor);
  // Empty where there were too few rows.
  [[nodiscard]] std::vector<ProbePoint> points(const Tree& tree) const;
  // The share, 0 to 1, of the nearest rows that lie in the first `probes` lists; 1 where there were
  // none.
  [[nodiscard]] double share_within(const Tree& tree, std::uint32_t probes) const;

  // Of the nearest rows of a question how many, 0 to 1, are still the nearest by estimates of five
  // bits: what these err by about a row's centroid is known (RowEncoder), and is drawn.
  [[nodiscard]] double five_bits(const Tree& tree) const;
  // Of penalties in proportion to `spreads` (of each leaf the mean squared distance of its rows
  // from the centroid) those with which the fewest lists have to be looked into. Zeros for dot.
  [[nodiscard]] std::vector<float> best_penalties(const Tree& tree,
                                                  std::span<const float> spreads) const;

  static constexpr std::size_t kQuestions = 256;
  static constexpr std::size_t kNearest = 10;
  static constexpr std::size_t kRivals = 40;  // what may be taken for one of them, and they

 private:
  struct Near {
    float distance = 0;
    float residual = 0;  // from its list's centroid, not squared
    std::uint32_t list = 0;
  };
  // Of each question the kRivals nearest so far.
  struct Nearest {
    std::vector<std::vector<Near>> heaps;  // the farthest first
    std::vector<float> limits;             // what a row has to beat
    void offer(std::size_t question, const Near& near);
  };
  using Ranks = std::vector<std::uint32_t>;
  // The kNearest of a question, nearest first, and behind them their rivals.
  [[nodiscard]] std::vector<Near> nearest(std::size_t question) const;
  // Of every nearest row, in how many lists a search looks until it has it; in order. With each of
  // `penalties`, which are those of the tree or others.
  [[nodiscard]] std::vector<Ranks> ranks(const Tree& tree,
                                         std::span<const std::vector<float>> penalties) const;
  [[nodiscard]] Ranks ranks(const Tree& tree) const;

  std::vector<float> questions_;
  std::uint32_t padded_;
  Metric metric_;
  std::size_t count_;
  std::vector<float> norms_;  // of the questions, squared
  Nearest nearest_;
};

}  // namespace kedge
