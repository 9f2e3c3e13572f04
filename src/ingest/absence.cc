#include "ingest/absence.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "ingest/compare.h"

namespace kedge {
namespace {

constexpr std::size_t kProofBatch = 256;
constexpr std::size_t kDeleteBatch = 16'384;

ObjectInfo info_of(const std::string& key, Timestamp time) {
  ObjectInfo info;
  info.key = key;
  info.last_modified = time;
  return info;
}

}  // namespace

bool deletes_allowed(std::uint64_t proven, std::uint64_t live,
                     std::optional<std::uint64_t> approved, std::uint64_t let_go,
                     std::uint64_t gone) {
  if (proven == 0 || approved == proven) return true;
  const std::uint64_t lost = proven + gone;
  const std::uint64_t were = live + let_go;
  const bool all = lost >= were;
  const bool many = lost > kGuardObjects && lost * 100 > were * kGuardPercent;
  return !all && !many;
}

Absence::Absence(const SyncEnvironment& environment, const SyncOptions& options,
                 std::uint32_t source, std::uint64_t live_before)
    : environment_(environment),
      options_(options),
      source_(source),
      live_before_(live_before),
      candidates_(environment.scratch_folder, options.memory_bytes / 16),
      proven_(environment.scratch_folder, options.memory_bytes / 16) {}

Status Absence::add_unlisted(const std::string& key) { return candidates_.add(info_of(key, {})); }

Status Absence::add_out_of_scope(const std::string& key, Timestamp decided_at) {
  ++proven_count_;
  // Decided, not proven: nothing that was read by now is to be asked for.
  return proven_.add(info_of(key, decided_at + kReadOrderMargin + Duration(1)));
}

Status Absence::prove_batch(const std::vector<std::string>& keys, SyncReport& report,
                            Deadline deadline) {
  // Asked before the stats: the proof is at least as old as it says.
  const Timestamp asked = KEDGE_TRY(environment_.source.now(deadline));
  std::vector<ReadRequest> requests;
  for (const std::string& key : keys) {
    requests.push_back({.key = key, .offset = 0, .length = {}, .if_match = {}, .version_id = {}});
  }
  const std::vector<Result<Stat>> stats = environment_.source.stat(requests, deadline);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!stats[i].ok() && stats[i].code() == Code::kNotFound) {
      ++proven_count_;
      KEDGE_TRY(proven_.add(info_of(keys[i], asked)));
      continue;
    }
    ++report.unproven;
    listing_lied_ |= stats[i].ok();
    const std::string why = stats[i].ok() ? "it is there, though the listing did not show it"
                                          : stats[i].error().message;
    if (report.problems.size() < kMaxProblems)
      report.problems.push_back({keys[i], "not proven absent: " + why});
  }
  return {};
}

Status Absence::settle(SyncReport& report, Deadline deadline) {
  KEDGE_TRY(candidates_.seal());
  const std::unique_ptr<Spill::Reader> reader = candidates_.read();
  std::vector<std::string> keys;
  while (true) {
    std::optional<ObjectInfo> info = KEDGE_TRY(reader->next());
    if (info) keys.push_back(std::move(info->key));
    if (keys.size() == kProofBatch || (!info && !keys.empty())) {
      KEDGE_TRY(prove_batch(keys, report, deadline));
      keys.clear();
    }
    if (!info) break;
  }
  KEDGE_TRY(proven_.seal());
  // A listing that leaves out what is there (an empty answer, a stale page) is no ground to delete
  // anything on.
  if (listing_lied_) {
    report.unproven += proven_count_;
    environment_.log.warning(
        "the listing left out objects that are there: nothing is deleted on account of it");
    return {};
  }
  if (deletes_allowed(proven_count_, live_before_, options_.approve_deletes, let_go_,
                      let_go_and_gone_))
    return commit_all(report, deadline);
  report.withheld = proven_count_;
  environment_.log.warning(
      str_cat(proven_count_, " of ", live_before_,
              " indexed objects are gone from the source; deletes are withheld: look, then run "
              "again with --approve ",
              proven_count_));
  return {};
}

Status Absence::commit_all(SyncReport& report, Deadline deadline) {
  const std::unique_ptr<Spill::Reader> reader = proven_.read();
  std::vector<Intent> intents;
  const Settle settle = ask_source(environment_.source, deadline);
  while (true) {
    std::optional<ObjectInfo> info = KEDGE_TRY(reader->next());
    if (info) {
      intents.emplace_back(
          AbsentIntent{.key = {source_, std::move(info->key)}, .proven_at = info->last_modified});
    }
    if (intents.size() == kDeleteBatch || (!info && !intents.empty())) {
      if (options_.dry_run) {
        report.deleted += intents.size();
        intents.clear();
      } else {
        const CommitReport done =
            KEDGE_TRY(environment_.index.commit(std::exchange(intents, {}), {}, settle, deadline));
        report.deleted += done.deletes;
        report.generation = done.generation;
        ++report.commits;
      }
    }
    if (!info) return {};
  }
}

}  // namespace kedge
