#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "engine/probe_steps.h"

namespace kedge {
namespace {

// Lists that each search of a batch scans first, its nearest: they make the bound that all others
// of its lists are scanned with.
constexpr std::size_t kFirstLists = 8;
// Searches a list, on average, from which it pays to scan list by list and not search by search.
constexpr double kSharedScans = 2;

using Probes = std::vector<std::unique_ptr<Probe>>;

// The searches of one thread over planes in memory. A list that several of them look into is
// scanned for one after the other, so that only the first waits for memory.
void scan_together(const std::map<const Segment*, std::uint32_t>& places,
                   std::span<Probe* const> probes) {
  struct Visit {
    std::uint32_t segment = 0;
    std::uint32_t list = 0;
    std::uint32_t probe = 0;
    std::uint32_t unit = 0;
    auto operator<=>(const Visit&) const = default;
  };
  std::vector<Visit> visits;
  for (std::uint32_t p = 0; p < probes.size(); ++p) {
    const std::span<const ProbeUnit> units = probes[p]->units();
    for (std::uint32_t u = 0; u < units.size(); ++u) {
      if (u < kFirstLists) {
        probes[p]->scan_in_place(units[u]);
      } else {
        visits.push_back({places.at(&probes[p]->segment_of(units[u])), units[u].list, p, u});
      }
    }
  }
  std::vector<Visit> by_list = visits;
  std::sort(by_list.begin(), by_list.end());
  std::size_t lists = 0;
  for (std::size_t v = 0; v < by_list.size(); ++v) {
    lists += v == 0 || by_list[v].segment != by_list[v - 1].segment ||
             by_list[v].list != by_list[v - 1].list;
  }
  const bool shared =
      static_cast<double>(visits.size()) >= kSharedScans * static_cast<double>(lists);
  for (const Visit& visit : shared ? by_list : visits)
    probes[visit.probe]->scan_in_place(probes[visit.probe]->units()[visit.unit]);
}

// One round of requests for all of them: what several want is read once. The trace of each counts
// the round, that of the first what it cost.
template <typename Wanted, typename Take>
void read_together(PageReader& reader, const Snapshot& snapshot, std::span<ProbeJob* const> jobs,
                   std::span<Probe* const> probes, const Wanted& wanted, const Take& take,
                   Executor& executor, Deadline deadline) {
  std::vector<PageWant> wants;
  std::vector<std::size_t> begins;
  for (const Probe* probe : probes) {
    begins.push_back(wants.size());
    const std::vector<PageWant> own = wanted(*probe);
    wants.insert(wants.end(), own.begin(), own.end());
  }
  begins.push_back(wants.size());
  SearchTrace cost;
  const std::vector<Result<BlockPtr>> blocks =
      reader.read(*snapshot.head(), wants, &cost, deadline);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    SearchTrace& trace = *jobs[i]->trace;
    trace.rounds += cost.rounds;
    if (i > 0) continue;
    trace.requests += cost.requests;
    trace.bytes += cost.bytes;
    trace.hedges += cost.hedges;
    trace.disk_blocks += cost.disk_blocks;
    trace.disk_bytes += cost.disk_bytes;
  }
  executor.parallel_for(probes.size(), [&](std::size_t i) {
    take(*probes[i], std::span(blocks).subspan(begins[i], begins[i + 1] - begins[i]));
  });
}

}  // namespace

void probe_together(PageReader& reader, const Snapshot& snapshot, std::span<ProbeJob> jobs,
                    Executor& executor, Deadline deadline) {
  Probes probes(jobs.size());
  executor.parallel_for(jobs.size(), [&](std::size_t i) {
    ProbeJob& job = jobs[i];
    probes[i] = std::make_unique<Probe>(reader, snapshot, job.segments, job.plan, *job.scratch,
                                        job.trace, deadline, jobs.size());
    probes[i]->begin();
  });
  std::vector<Probe*> in_memory;
  std::vector<Probe*> on_store;
  std::vector<ProbeJob*> waiting;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    (probes[i]->in_memory() ? in_memory : on_store).push_back(probes[i].get());
    if (!probes[i]->in_memory()) waiting.push_back(&jobs[i]);
  }
  std::map<const Segment*, std::uint32_t> places;
  for (const SegmentPtr& segment : snapshot.segments())
    places.emplace(segment.get(), static_cast<std::uint32_t>(places.size()));
  const std::size_t threads = std::min(executor.width(), in_memory.size());
  executor.parallel_for(threads, [&](std::size_t t) {
    const std::size_t begin = in_memory.size() * t / threads;
    const std::size_t end = in_memory.size() * (t + 1) / threads;
    scan_together(places, std::span(in_memory).subspan(begin, end - begin));
  });
  const auto any = [&](bool (Probe::*wants)() const) {
    return std::any_of(on_store.begin(), on_store.end(),
                       [&](const Probe* probe) { return (probe->*wants)(); });
  };
  while (any(&Probe::wants_codes)) {
    read_together(
        reader, snapshot, waiting, on_store,
        [](const Probe& probe) { return probe.codes_wanted(); },
        [](Probe& probe, std::span<const Result<BlockPtr>> runs) { probe.take_codes(runs); },
        executor, deadline);
  }
  while (any(&Probe::wants_refine)) {
    read_together(
        reader, snapshot, waiting, on_store,
        [](const Probe& probe) { return probe.refine_wanted(); },
        [](Probe& probe, std::span<const Result<BlockPtr>> blocks) { probe.take_refine(blocks); },
        executor, deadline);
  }
  executor.parallel_for(jobs.size(), [&](std::size_t i) { jobs[i].result = probes[i]->end(); });
}

}  // namespace kedge
