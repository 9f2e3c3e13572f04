#include "engine/probe_units.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/calibrate.h"
#include "engine/open_tree.h"

namespace kedge {
namespace {

constexpr std::uint32_t kExactRows = 100;  // to measure exactly, where every list is looked into

class Choice {
 public:
  Choice(const Snapshot& snapshot, std::span<const ScanSegment> segments, const ProbePlan& plan,
         ProbeScratch& scratch)
      : snapshot_(snapshot), segments_(segments), plan_(plan), scratch_(scratch) {}

  ChosenUnits run(std::uint32_t padded) {
    if (plan_.probes != 0) {
      out_.rerank = plan_.rerank;
    } else {
      want_rerank(rerank_for(plan_.recall, padded));
    }
    for (std::uint32_t s = 0; s < segments_.size(); ++s) {
      const SegmentEntry& entry = segments_[s].segment->entry();
      if (entry.tree.is_zero() || snapshot_.tree(entry.tree) == nullptr) {
        const auto lists =
            static_cast<std::uint32_t>(segments_[s].segment->directory().lists.size());
        for (std::uint32_t l = 0; l < lists; ++l) add_unit({s, l, false});
      }
    }
    for (const TreeEntry& tree : snapshot_.state().trees) {
      const OpenTreePtr open = snapshot_.tree(tree.id);
      if (open == nullptr || tree.space != plan_.space_id) continue;
      choose_lists(tree, *open);
    }
    return std::move(out_);
  }

 private:
  // More of them where more rows are wanted.
  void want_rerank(std::uint32_t rows) {
    if (rows == 0) return;
    const std::size_t least = plan_.want + plan_.want / 2;
    out_.rerank =
        std::max(out_.rerank, static_cast<std::uint32_t>(std::max<std::size_t>(rows, least)));
  }

  void choose_lists(const TreeEntry& entry, const OpenTree& tree) {
    std::vector<std::uint32_t> on_tree;
    for (std::uint32_t s = 0; s < segments_.size(); ++s) {
      if (segments_[s].segment->entry().tree == entry.id) on_tree.push_back(s);
    }
    if (on_tree.empty()) return;
    const std::uint32_t probes = probes_of(entry);
    if (probes < entry.leaves) {
      out_.all = false;
      double rows = 0;
      for (const SegmentPtr& segment : snapshot_.segments()) {
        const SegmentEntry& of = segment->entry();
        if (of.tree == entry.id && !segment->damage())
          rows += of.rows * (1.0 - 1.0 * of.dead_objects() / of.objects);
      }
      out_.enough += probes * plan_.share * rows / entry.leaves;
    }
    tree.ranker.rank(scratch_.query, probes, scratch_.ranked);
    for (const Ranked& ranked : scratch_.ranked) {
      for (const std::uint32_t s : on_tree) {
        if (ranked.leaf < segments_[s].segment->directory().lists.size())
          add_unit({s, ranked.leaf, true});
      }
    }
  }

  void add_unit(const ProbeUnit& unit) {
    if (segments_[unit.segment].segment->directory().lists[unit.list].rows > 0)
      out_.units.push_back(unit);
  }

  // Lists enough for the recall wanted; more of them for more rows, and for a filter as many as
  // hold the rows in its scope that would have been looked at without one.
  std::uint32_t probes_of(const TreeEntry& tree) {
    double probes = plan_.probes;
    if (plan_.probes == 0) {
      ProbePoint point{.recall = 1000, .probes = tree.leaves, .rerank = kExactRows};
      const ProbePoint* below = nullptr;
      for (const ProbePoint& known : tree.points) {
        if (known.recall >= plan_.recall) {
          point = known;
          break;
        }
        below = &known;
      }
      probes = point.probes;
      // Between two points, so much of the way between their logarithms.
      if (below != nullptr && point.recall > plan_.recall) {
        const double way = static_cast<double>(plan_.recall - below->recall) /
                           static_cast<double>(point.recall - below->recall);
        probes = below->probes * std::pow(probes / below->probes, way);
      }
      probes *= std::pow(std::max(1.0, static_cast<double>(plan_.want) / 10), 0.4);
      want_rerank(point.rerank);
    }
    probes = std::ceil(probes / std::max(plan_.share, 1e-6));
    return static_cast<std::uint32_t>(std::clamp<double>(probes, 1, tree.leaves));
  }

  const Snapshot& snapshot_;
  std::span<const ScanSegment> segments_;
  const ProbePlan& plan_;
  ProbeScratch& scratch_;
  ChosenUnits out_;
};

}  // namespace

ChosenUnits choose_units(const Snapshot& snapshot, std::span<const ScanSegment> segments,
                         const ProbePlan& plan, std::uint32_t padded, ProbeScratch& scratch) {
  return Choice(snapshot, segments, plan, scratch).run(padded);
}

}  // namespace kedge
