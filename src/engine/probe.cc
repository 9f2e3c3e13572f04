#include "engine/probe.h"

#include <utility>

#include "engine/probe_steps.h"

namespace kedge {

ProbeScratchPool::~ProbeScratchPool() {
  for (auto& slot : slots_) delete slot.load(std::memory_order_acquire);
}

std::unique_ptr<ProbeScratch> ProbeScratchPool::take(
    const std::shared_ptr<const Rotation>& rotation, Metric metric) {
  for (auto& slot : slots_) {
    if (slot.load(std::memory_order_relaxed) == nullptr) continue;
    std::unique_ptr<ProbeScratch> scratch(slot.exchange(nullptr, std::memory_order_acq_rel));
    if (scratch == nullptr) continue;
    if (scratch->rotation == rotation && scratch->query.metric() == metric) return scratch;
  }
  return std::make_unique<ProbeScratch>(rotation, metric);
}

void ProbeScratchPool::give(std::unique_ptr<ProbeScratch> scratch) {
  for (auto& slot : slots_) {
    ProbeScratch* none = nullptr;
    if (slot.compare_exchange_strong(none, scratch.get(), std::memory_order_acq_rel)) {
      (void)scratch.release();
      return;
    }
  }
}

ProbeResult probe_segments(PageReader& reader, const Snapshot& snapshot,
                           std::span<const ScanSegment> segments, const ProbePlan& plan,
                           ProbeScratch& scratch, SearchTrace* trace, Deadline deadline) {
  return Probe(reader, snapshot, segments, plan, scratch, trace, deadline).run();
}

}  // namespace kedge
