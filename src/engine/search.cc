// Searches, one or many at once.
#include <algorithm>
#include <memory>
#include <utility>

#include "engine/query.h"

namespace kedge {
namespace {

// Searches that are taken through their steps together: enough that a list is looked into by many.
constexpr std::size_t kSearchedTogether = 128;

// Whether searches of the snapshot by codes wait for nothing.
bool all_in_memory(const Snapshot& snapshot) {
  return std::all_of(snapshot.segments().begin(), snapshot.segments().end(),
                     [](const SegmentPtr& segment) {
                       return segment->damage() || segment->directory().rows == 0 ||
                              segment->file()->codes_in_memory();
                     });
}

}  // namespace

Result<SearchResult> IndexImpl::search(const SnapshotPtr& snapshot, const SearchRequest& request,
                                       Deadline deadline) {
  Query query(*this, snapshot, request, deadline);
  KEDGE_TRY(query.prepare());
  Result<SearchResult> found = query.run();
  if (found.ok() && !request.exact) load_if_used(snapshot, 1, found->trace.rows_scanned, deadline);
  return found;
}

// In memory each thread has searches of its own, since to wait for each other at every step would
// take longer than a step does. What is on the store is read for all of them at once.
std::vector<Result<SearchResult>> IndexImpl::search_many(const SnapshotPtr& snapshot,
                                                         std::span<const SearchRequest> requests,
                                                         Deadline deadline) {
  std::vector<Result<SearchResult>> out(requests.size(), Error{Code::kUnavailable, "not run"});
  Executor& executor = environment_.executor;
  const bool apart = all_in_memory(*snapshot);
  const std::size_t least = (requests.size() + kSearchedTogether - 1) / kSearchedTogether;
  const std::size_t parts =
      apart ? std::max(least, std::min(executor.width(), requests.size())) : least;
  const auto search_part = [&](std::size_t part, Executor& threads) {
    const std::size_t begin = requests.size() * part / parts;
    const std::size_t end = requests.size() * (part + 1) / parts;
    search_together(snapshot, requests.subspan(begin, end - begin),
                    std::span(out).subspan(begin, end - begin), threads, deadline);
  };
  if (apart) {
    executor.parallel_for(parts, [&](std::size_t p) { search_part(p, inline_executor()); });
  } else {
    for (std::size_t p = 0; p < parts; ++p) search_part(p, executor);
  }
  std::uint64_t rows = 0;
  for (const Result<SearchResult>& one : out) rows += one.ok() ? one->trace.rows_scanned : 0;
  load_if_used(snapshot, requests.size(), rows, deadline);
  return out;
}

void IndexImpl::search_together(const SnapshotPtr& snapshot,
                                std::span<const SearchRequest> requests,
                                std::span<Result<SearchResult>> out, Executor& executor,
                                Deadline deadline) {
  std::vector<std::unique_ptr<Query>> queries(requests.size());
  std::vector<Status> prepared(requests.size());
  executor.parallel_for(requests.size(), [&](std::size_t i) {
    queries[i] = std::make_unique<Query>(*this, snapshot, requests[i], deadline);
    prepared[i] = queries[i]->prepare();
  });
  std::vector<ProbeJob> jobs;
  std::vector<std::size_t> job_of;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!prepared[i].ok() || !queries[i]->by_codes()) continue;
    jobs.push_back(queries[i]->job());
    job_of.push_back(i);
  }
  probe_together(reader_, *snapshot, jobs, executor, deadline);
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    queries[job_of[j]]->set_probe(std::move(jobs[j].result));
    scratch_.give(std::move(jobs[j].scratch));
  }
  executor.parallel_for(requests.size(), [&](std::size_t i) {
    out[i] = prepared[i].ok() ? queries[i]->run() : prepared[i].error();
  });
}

}  // namespace kedge
