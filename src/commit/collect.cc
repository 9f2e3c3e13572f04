#include "commit/collect.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "commit/head_log.h"
#include "commit/history.h"

namespace kedge {
namespace {

constexpr std::string_view kHeadKey = "head";

// The names that must stay, and which of them the listing has shown.
class Marks {
 public:
  Status add(const std::vector<FileRef>& files) {
    names_.insert(names_.end(), files.begin(), files.end());
    // Generations name mostly the same files: sorting when half may be repeats keeps both the time
    // and the memory in proportion to the names.
    if (names_.size() > 2 * settled_ + kMaxFiles) settle();
    if (names_.size() > kMaxMarkedNames)
      return {Code::kExhausted, "the retained generations name too many files"};
    return {};
  }
  Status finish() {
    settle();
    for (std::size_t i = 1; i < names_.size(); ++i) {
      if (names_[i].key == names_[i - 1].key)
        return {Code::kCorrupt, str_cat("two retained generations name '", printable(names_[i].key),
                                        "' with different sizes")};
    }
    seen_.assign(names_.size(), false);
    return {};
  }
  // The named file, noted as seen.
  const FileRef* see(std::string_view key) {
    const auto at = std::lower_bound(
        names_.begin(), names_.end(), key,
        [](const FileRef& file, std::string_view wanted) { return file.key < wanted; });
    if (at == names_.end() || at->key != key) return nullptr;
    seen_[static_cast<std::size_t>(at - names_.begin())] = true;
    return &*at;
  }
  [[nodiscard]] std::vector<std::string> unseen() const {
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (!seen_[i]) keys.push_back(names_[i].key);
    }
    return keys;
  }

 private:
  void settle() {
    std::sort(names_.begin(), names_.end());
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
    settled_ = names_.size();
  }

  std::vector<FileRef> names_;
  std::vector<bool> seen_;
  std::size_t settled_ = 0;
};

struct Candidate {
  std::string key;  // relative
  std::uint64_t size = 0;
};

class Collection {
 public:
  Collection(HeadLog& log, const CollectOptions& options, Deadline deadline)
      : log_(log), options_(options), deadline_(deadline) {}

  Result<CollectReport> run() {
    KEDGE_TRY(raise_fence());
    KEDGE_TRY(mark());
    bool explaining = true;
    std::string after;
    while (true) {
      const std::uint64_t removed_before = report_.removed;
      const bool complete = KEDGE_TRY(sweep_listing(explaining, after));
      if (explaining) KEDGE_TRY(check_missing());
      explaining = false;
      if (options_.dry_run || candidates_.empty()) break;
      KEDGE_TRY(remove_candidates());
      if (complete || !report_.stopped.empty()) break;
      if (report_.removed == removed_before) {
        report_.stopped = "nothing could be removed";
        break;
      }
    }
    if (report_.stopped.empty()) sweep();
    return report_;
  }

 private:
  // Rule 5, (a) and (b).
  Status raise_fence() {
    const Timestamp now = KEDGE_TRY(log_.store().now(deadline_));
    if (options_.dry_run) {
      KEDGE_TRY(imagine_fence(now));
    } else {
      const CommitOutcome outcome = log_.fence(now, deadline_);
      if (const auto* refused = std::get_if<NotCommitted>(&outcome)) return refused->reason;
      if (const auto* unknown = std::get_if<UnknownOutcome>(&outcome))
        return {Code::kUnavailable, str_cat("it is not known whether the fence was committed: ",
                                            unknown->last.message)};
      fence_ = std::get<Committed>(outcome).head->envelope;
    }
    report_.gc_floor = fence_.gc_floor;
    report_.retained_from = fence_.retained_from;
    return {};
  }

  Status imagine_fence(Timestamp now) {
    const HeadPtr head = KEDGE_TRY(log_.read(deadline_));
    if (head->recovered)
      return {Code::kCorrupt, "the head does not parse: nothing is collected before its repair"};
    const auto entries = KEDGE_TRY(list_history(log_.store(), log_.prefix(), deadline_));
    fence_ = head->envelope;
    fence_.gc_floor = std::max(fence_.gc_floor, now - fence_.grace);
    fence_.retained_from = std::max(
        fence_.retained_from, retained_from_at(now, head->envelope, head->last_modified, entries));
    return {};
  }

  // Rule 5, (c). Every retained body must be there and parse: without one of them nothing tells
  // what it named.
  Status mark() {
    KEDGE_TRY(marks_.add(fence_.files));
    std::vector<HistoryEntry> wanted;
    for (const HistoryEntry& entry :
         KEDGE_TRY(list_history(log_.store(), log_.prefix(), deadline_))) {
      if (entry.generation < fence_.generation && fence_.retains(entry.generation))
        wanted.push_back(entry);
    }
    std::map<Id128, std::pair<std::uint64_t, Id128>> parents;  // by id: the parent's generation, id
    const auto note_parent = [&](const Envelope& e) {
      parents[e.commit_id] =
          e.recent.size() > 1 ? e.recent[1] : std::pair<std::uint64_t, Id128>{0, Id128{}};
    };
    note_parent(fence_);
    for (std::size_t at = 0; at < wanted.size(); at += kBodiesAtOnce) {
      const std::size_t count = std::min(kBodiesAtOnce, wanted.size() - at);
      for (const auto& body : log_.read_bodies(std::span(wanted).subspan(at, count), deadline_)) {
        if (!body.ok()) return lost_body(body.error());
        note_parent((*body)->envelope);
        KEDGE_TRY(marks_.add((*body)->envelope.files));
      }
    }
    KEDGE_TRY(check_lineage(parents));
    return marks_.finish();
  }

  static Error lost_body(const Error& error) {
    if (error.code == Code::kNotFound)
      return {Code::kCorrupt, str_cat("a retained generation's history is lost: ", error.message)};
    return error;
  }

  Status check_lineage(const std::map<Id128, std::pair<std::uint64_t, Id128>>& parents) const {
    Id128 id = fence_.commit_id;
    std::uint64_t generation = fence_.generation;
    while (generation >= fence_.retained_from && generation > 0) {
      const auto at = parents.find(id);
      if (at == parents.end())
        return {Code::kCorrupt, str_cat("history is lost: ", history_key(generation, id))};
      std::tie(generation, id) = at->second;
    }
    for (const Pin& pin : fence_.pins) {
      if (!parents.contains(pin.commit_id))
        return {Code::kCorrupt,
                str_cat("history is lost: ", history_key(pin.generation, pin.commit_id),
                        ", held by pin '", pin.name, "'")};
    }
    return {};
  }

  // Rule 5, (d), the choice: lists from `after` and holds what goes, as much as fits. Whether the
  // listing was seen to its end.
  Result<bool> sweep_listing(bool explaining, std::string& after) {
    candidates_.clear();
    const auto listing = log_.store().list(log_.prefix(), after);
    bool complete = true;
    while (true) {
      const std::vector<ObjectInfo> page = KEDGE_TRY(listing->next(deadline_));
      if (page.empty()) break;
      for (const ObjectInfo& info : page) {
        if (!info.key.starts_with(log_.prefix())) continue;
        const std::string_view relative = std::string_view(info.key).substr(log_.prefix().size());
        if (!KEDGE_TRY(goes(info, relative, explaining))) continue;
        if (options_.dry_run) continue;
        if (candidates_.size() < options_.held_names) {
          candidates_.push_back({std::string(relative), info.size});
          if (listing->ordered()) next_after_ = info.key;
        } else {
          complete = false;
        }
      }
      // The first listing goes to its end, to see every named file.
      if (!complete && !explaining) break;
    }
    after = next_after_;
    return complete;
  }

  Result<bool> goes(const ObjectInfo& info, std::string_view relative, bool explaining) {
    const Verdict verdict = KEDGE_TRY(judge(info, relative));
    const bool removed = verdict.fate == Fate::kGoes;
    if (!explaining) return removed;
    if (verdict.fate == Fate::kKept) ++report_.kept;
    if (verdict.fate == Fate::kYoung) ++report_.young;
    if (verdict.fate == Fate::kForeign) ++report_.foreign;
    if (removed && options_.dry_run) count_removed(relative, info.size);
    if (options_.explain) options_.explain(relative, info.size, removed, verdict.why);
    return removed;
  }

  enum class Fate { kKept, kYoung, kForeign, kGoes };
  struct Verdict {
    Fate fate = Fate::kKept;
    std::string_view why;
  };

  Result<Verdict> judge(const ObjectInfo& info, std::string_view relative) {
    if (relative == kHeadKey) return Verdict{Fate::kKept, "the head"};
    const bool young = info.last_modified >= fence_.gc_floor;
    if (const auto entry = parse_history_key(relative)) {
      if (entry->generation >= fence_.generation || fence_.retains(entry->generation))
        return Verdict{Fate::kKept, "history of a retained generation"};
      if (young) return Verdict{Fate::kYoung, "history, younger than the floor"};
      return Verdict{Fate::kGoes, "history of a generation that is not retained any more"};
    }
    if (const FileRef* file = marks_.see(relative)) {
      if (file->size == info.size) return Verdict{Fate::kKept, "named by a retained generation"};
      return {Code::kCorrupt, str_cat(printable(info.key), ": has ", info.size,
                                      " bytes, named with ", file->size, "; nothing was removed")};
    }
    const bool standing = !options_.standing.empty() && relative == options_.standing;
    if (standing && !fence_.dropped)
      return Verdict{Fate::kKept, "stays while the index is not dropped"};
    if (relative.starts_with(kHistoryFolder) || !(standing || options_.is_ours(relative)))
      return Verdict{Fate::kForeign, "not a file of this index: left alone"};
    if (young) return Verdict{Fate::kYoung, "named by none, younger than the floor"};
    return Verdict{Fate::kGoes, "named by no retained generation"};
  }

  void count_removed(std::string_view relative, std::uint64_t size) {
    ++report_.removed;
    report_.removed_bytes += size;
    if (relative.starts_with(kHistoryFolder)) ++report_.history_removed;
  }

  // I4: a file that is named and not there means that something else deletes; better to stop.
  Status check_missing() {
    const std::vector<std::string> unseen = marks_.unseen();
    if (unseen.empty()) return {};
    for (std::size_t at = 0; at < unseen.size(); at += kMaxRemoveBatch) {
      std::vector<ReadRequest> requests(std::min(kMaxRemoveBatch, unseen.size() - at));
      for (std::size_t i = 0; i < requests.size(); ++i) requests[i].key = log_.path(unseen[at + i]);
      for (const auto& stat : log_.store().stat(requests, deadline_)) {
        if (stat.ok()) continue;  // there, although the listing did not show it
        if (stat.code() != Code::kNotFound) return stat.error();
        const std::string message =
            str_cat("a retained generation names a file that is missing: ", stat.error().message,
                    "; nothing was removed");
        log_.log().error(message);
        return {Code::kCorrupt, message};
      }
    }
    return {};
  }

  // Rule 5, (d), the deed: the head is read again before every batch.
  Status remove_candidates() {
    const std::size_t batch = std::clamp<std::size_t>(options_.batch, 1, kMaxRemoveBatch);
    for (std::size_t at = 0; at < candidates_.size(); at += batch) {
      const auto chosen =
          std::span(candidates_).subspan(at, std::min(batch, candidates_.size() - at));
      KEDGE_TRY(look_again(chosen));
      if (!report_.stopped.empty()) return {};
      std::vector<std::string> keys;
      keys.reserve(chosen.size());
      for (const Candidate& candidate : chosen) keys.push_back(log_.path(candidate.key));
      const auto results = log_.store().remove(keys, deadline_);
      for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i].ok()) {
          count_removed(chosen[i].key, chosen[i].size);
        } else if (report_.stopped.empty()) {
          report_.stopped = str_cat("a removal failed: ", results[i].error().message);
        }
      }
      if (!report_.stopped.empty()) return {};
    }
    return {};
  }

  // What a versioned bucket keeps of removed and replaced files. Only of keys that are the index's
  // own: others lie beside it, in its folders too. It comes last, when every named file was seen to
  // be there, so that a version that could still heal a loss is never swept.
  void sweep() {
    std::vector<std::string> prefixes = {std::string(kHistoryFolder)};
    prefixes.insert(prefixes.end(), options_.folders.begin(), options_.folders.end());
    prefixes.emplace_back(kHeadKey);
    SweepRequest request{.prefix = {},
                         .before = fence_.gc_floor,
                         .dry_run = options_.dry_run,
                         .ours = [this](std::string_view key) { return leaves(key); }};
    for (const std::string& prefix : prefixes) {
      request.prefix = log_.path(prefix);
      const Result<Leftovers> swept = log_.store().sweep(request, deadline_);
      if (!swept.ok()) {
        report_.not_swept = swept.error().message;
        return;
      }
      report_.swept.versions += swept->versions;
      report_.swept.markers += swept->markers;
      report_.swept.uploads += swept->uploads;
      report_.swept.bytes += swept->bytes;
    }
  }

  // Whether what is left over of this key is the index's own.
  bool leaves(std::string_view key) const {
    if (!key.starts_with(log_.prefix())) return false;
    const std::string_view relative = key.substr(log_.prefix().size());
    if (relative == kHeadKey || parse_history_key(relative)) return true;
    if (!options_.standing.empty() && relative == options_.standing) return true;
    return options_.is_ours(relative) || (options_.is_passing && options_.is_passing(relative));
  }

  Status look_again(std::span<const Candidate> chosen) {
    const HeadPtr head = KEDGE_TRY(log_.read(deadline_));
    const Envelope& e = head->envelope;
    if (head->recovered) {
      report_.stopped = "the head does not parse any more";
    } else if (e.gc_floor != fence_.gc_floor || e.generation < fence_.generation) {
      report_.stopped = "the floor moved: another collection took over";
    } else if (e.dropped && !fence_.dropped) {
      report_.stopped = "the index was dropped";
    }
    if (!report_.stopped.empty()) return {};
    for (const Candidate& candidate : chosen) {
      const auto named = [&](const FileRef& file) { return file.key == candidate.key; };
      const auto at = std::lower_bound(
          e.files.begin(), e.files.end(), candidate.key,
          [](const FileRef& file, const std::string& key) { return file.key < key; });
      if (at == e.files.end() || !named(*at)) continue;
      return {Code::kCorrupt,
              str_cat("generation ", e.generation, " names ", printable(candidate.key),
                      ", which was older than the floor and named by none")};
    }
    return {};
  }

  HeadLog& log_;
  const CollectOptions& options_;
  Deadline deadline_;
  Envelope fence_;
  Marks marks_;
  std::vector<Candidate> candidates_;
  std::string next_after_;
  CollectReport report_;
};

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Result<CollectReport> collect(HeadLog& log, const CollectOptions& options, Deadline deadline) {
  KEDGE_CHECK(options.is_ours != nullptr);
  return Collection(log, options, deadline).run();
}

bool matches_shape(std::string_view relative, std::string_view pattern) {
  while (!pattern.empty()) {
    if (pattern.front() != '{') {
      if (relative.empty() || relative.front() != pattern.front()) return false;
      relative.remove_prefix(1);
      pattern.remove_prefix(1);
      continue;
    }
    const std::size_t close = pattern.find('}');
    KEDGE_CHECK(close != std::string_view::npos);
    const std::string_view inside = pattern.substr(1, close - 1);
    pattern.remove_prefix(close + 1);
    std::size_t digits = 2;
    if (inside != "hh") std::from_chars(inside.data(), inside.data() + inside.size(), digits);
    if (relative.size() < digits || !is_hex(relative.substr(0, digits))) return false;
    if (inside == "hh" && (relative.size() < 5 || relative.substr(3, 2) != relative.substr(0, 2)))
      return false;
    relative.remove_prefix(digits);
  }
  return relative.empty();
}

}  // namespace kedge
