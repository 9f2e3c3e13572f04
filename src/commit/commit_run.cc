#include "commit/commit_run.h"

#include <algorithm>

#include "base/strings.h"
#include "commit/history.h"
#include "commit/pace.h"

namespace kedge {
namespace {

constexpr Duration kDoubtPause = std::chrono::milliseconds(50);
constexpr int kMaxDoublings = 16;

// Whether the store may answer the same request differently soon. A conflict of a conditional write
// says only that this copy of it was refused.
bool may_change(Code code) { return code == Code::kUnavailable || code == Code::kConflict; }

Error past_deadline(std::string_view what, const Error& last) {
  return {Code::kUnavailable, str_cat("the deadline passed ", what,
                                      last.message.empty() ? "" : "; last: ", last.message)};
}

const FileRef* find_file(const std::vector<FileRef>& sorted, std::string_view key) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), key,
                                   [](const FileRef& f, std::string_view k) { return f.key < k; });
  return at != sorted.end() && at->key == key ? &*at : nullptr;
}

// Waits that are not worth a word: about the first two seconds.
constexpr int kWaitsUntold = 5;

}  // namespace

Backoff::Backoff(Clock& clock, std::function<std::uint64_t(std::uint64_t)> random_below,
                 Duration unit)
    : clock_(clock), random_below_(std::move(random_below)), unit_(unit) {}

bool Backoff::pause(Deadline deadline) {
  if (deadline.passed(clock_)) return false;
  const Duration window =
      std::min(kMaxPause, unit_ * (std::int64_t{1} << std::min(count_, kMaxDoublings)));
  ++count_;
  const auto drawn =
      static_cast<std::int64_t>(random_below_(static_cast<std::uint64_t>(window.count()) + 1));
  const Duration left =
      deadline.at == Duration::max() ? kMaxPause : deadline.at - clock_.monotonic();
  // At least a microsecond, so that a clock that only sleeping moves comes to its deadline.
  clock_.sleep(std::max(Duration(1), std::min(Duration(drawn), left)));
  return true;
}

CommitRun::CommitRun(HeadLog& log, CommitPlan plan, Deadline deadline)
    : log_(log), plan_(std::move(plan)), deadline_(deadline) {}

Backoff CommitRun::make_backoff(Duration unit) {
  return {log_.clock_, [this](std::uint64_t bound) { return log_.random_below(bound); }, unit};
}

CommitOutcome CommitRun::run(HeadPtr base) {
  while (true) {
    auto turn = wait_for_turn(std::move(base));
    if (!turn.ok()) return NotCommitted{turn.error()};
    base = *std::move(turn);
    const Duration began = log_.clock_.monotonic();
    auto attempt = prepare(base);
    if (!attempt.ok()) return NotCommitted{attempt.error()};
    if (const Status status = first_round(*attempt); !status.ok())
      return NotCommitted{status.error()};
    if (deadline_.passed(log_.clock_)) return NotCommitted{past_deadline("before the swap", {})};
    auto outcome = swap_until_known(*attempt);
    log_.pace_->took(log_.clock_.monotonic() - began);
    if (outcome) return *std::move(outcome);
    if (base == nullptr) {
      return NotCommitted{
          {Code::kConflict, str_cat("there is a head already: ", printable(log_.path("head")))}};
    }
    if (plan_.repairs)
      return NotCommitted{{Code::kConflict, "another commit has replaced the head"}};
    ++lost_;
  }
}

// A pause first, then the head, so that little time lies between reading a base and swapping it.
Result<HeadPtr> CommitRun::wait_for_turn(HeadPtr base) {
  if (base == nullptr || plan_.repairs) return base;
  if (lost_ == 0) log_.pace_->saw(base->envelope, log_.clock_.monotonic());
  const Duration window = log_.pace_->window(lost_, log_.clock_.monotonic());
  if (window.count() == 0) return base;
  Backoff pause = make_backoff(window);
  Error last{Code::kConflict, "other writers came first"};
  while (pause.pause(deadline_)) {
    auto head = log_.load(deadline_);
    if (head.ok()) log_.pace_->saw((*head)->envelope, log_.clock_.monotonic());
    if (head.ok() || head.code() != Code::kUnavailable) return head;
    last = head.error();
  }
  return past_deadline("while other writers committed", last);
}

// ---- the draft

Result<CommitRun::Attempt> CommitRun::prepare(const HeadPtr& base) {
  if (base != nullptr && base->recovered && !plan_.repairs)
    return {Code::kCorrupt, str_cat("the head does not parse and takes no commits: ",
                                    printable(log_.path("head")), "; repair it first")};
  if (base != nullptr && base->envelope.dropped && !plan_.on_dropped)
    return {Code::kNotFound, str_cat("the index was dropped: ", printable(log_.path("head")))};
  Draft draft = KEDGE_TRY(plan_.rebase(base));
  std::sort(draft.files.begin(), draft.files.end());
  KEDGE_TRY(check_names(base, draft));

  Attempt attempt;
  attempt.base = base;
  if (base != nullptr) attempt.expected = base->tag;
  attempt.next = successor(base, draft);
  KEDGE_TRY(apply_amend(base, draft, attempt.next));
  if (plan_.fence) KEDGE_TRY(plan_.fence(base, attempt.next));
  KEDGE_TRY(attempt.next.validate());
  for (auto& put : draft.puts) {
    if (!put_.contains(put.first.key)) attempt.puts.push_back(std::move(put));
  }
  const std::size_t size = attempt.next.encode().size();
  const std::size_t limit = std::min(log_.options_.max_head_bytes, kMaxHeadBytes);
  if (size > limit)
    return {Code::kExhausted, str_cat("the head would have ", size, " bytes, more than ", limit)};
  return attempt;
}

// Rule 5: a file is named only if nothing can be about to delete it.
Status CommitRun::check_names(const HeadPtr& base, const Draft& draft) const {
  const Envelope* parent = base == nullptr ? nullptr : &base->envelope;
  if (draft.named_by != nullptr) {
    const Envelope& other = draft.named_by->envelope;
    if (parent == nullptr || !parent->retains(other.generation))
      return {Code::kExpired,
              str_cat("generation ", other.generation, " is not retained any more")};
  }
  const Timestamp seen = newest_seen(base);
  const auto is_file = [&](const FileRef& file, const FileRef* found) {
    return found != nullptr && found->size == file.size;
  };
  for (const auto& [file, body] : draft.puts) {
    if (file.size != body.size() || !is_file(file, find_file(draft.files, file.key)))
      return {Code::kInvalid, str_cat("file '", printable(file.key), "' is put but not named")};
    const auto earlier = put_.find(file.key);
    if (earlier != put_.end() && earlier->second.second != xxh3_128(body))
      return {Code::kInvalid,
              str_cat("file '", printable(file.key), "' is put twice, differently")};
  }
  for (const FileRef& file : draft.files) {
    if (parent != nullptr && is_file(file, find_file(parent->files, file.key))) continue;
    if (draft.named_by != nullptr &&
        is_file(file, find_file(draft.named_by->envelope.files, file.key)))
      continue;
    const auto same = [&](const FileRef& other) { return other == file; };
    const auto uploaded = std::find_if(draft.uploaded.begin(), draft.uploaded.end(),
                                       [&](const Upload& u) { return same(u.file); });
    if (uploaded != draft.uploaded.end()) {
      KEDGE_TRY(check_upload(*uploaded, parent));
    } else if (const auto earlier = put_.find(file.key);
               earlier != put_.end() && same(earlier->second.first.file)) {
      KEDGE_TRY(check_upload(earlier->second.first, parent));
    } else if (std::any_of(draft.puts.begin(), draft.puts.end(),
                           [&](const auto& put) { return same(put.first); })) {
      KEDGE_TRY(check_upload({.file = file, .began = seen}, parent));
    } else {
      return {Code::kInvalid,
              str_cat("file '", printable(file.key),
                      "' is named, but neither its parent names it nor was it put")};
    }
  }
  return {};
}

Timestamp CommitRun::newest_seen(const HeadPtr& base) const {
  const Timestamp seen{log_.newest_seen_micros_.load()};
  return base == nullptr ? seen : std::max(seen, base->store_time);
}

Status CommitRun::check_upload(const Upload& upload, const Envelope* parent) {
  if (parent == nullptr || parent->gc_floor.micros == 0) return {};
  if (upload.began >= parent->gc_floor + kFloorMargin) return {};
  return {Code::kExpired,
          str_cat("file '", printable(upload.file.key), "', uploaded at ", to_rfc3339(upload.began),
                  ", is too old to be named: the floor is ", to_rfc3339(parent->gc_floor),
                  "; upload it again under a new name")};
}

Envelope CommitRun::successor(const HeadPtr& base, const Draft& draft) const {
  Envelope next;
  next.commit_id = log_.commit_id();
  if (base == nullptr) {
    next.generation = 1;
    next.grace = std::max(log_.options_.grace, kMinGrace);
    next.retention = std::max(log_.options_.retention, next.grace);
  } else {
    const Envelope& parent = base->envelope;
    next.parent_id = parent.commit_id;
    // A repair leaves a number out: the head that is lost held it.
    next.generation = parent.generation + (plan_.repairs ? 2 : 1);
    next.gc_floor = parent.gc_floor;
    next.retained_from = parent.retained_from;
    next.retention = parent.retention;
    next.grace = parent.grace;
    next.pins = parent.pins;
    next.features = parent.features;
    next.recent = parent.recent;
    if (next.recent.size() == kRecentPairs) next.recent.pop_back();
  }
  next.recent.insert(next.recent.begin(), {next.generation, next.commit_id});
  next.dropped = draft.dropped;
  next.files = draft.files;
  next.payload = draft.payload;
  return next;
}

Status CommitRun::apply_amend(const HeadPtr& base, const Draft& draft, Envelope& next) const {
  if (!draft.amend) return {};
  Envelope before = next;
  draft.amend(next);
  before.pins = next.pins;
  before.retention = next.retention;
  before.grace = next.grace;
  before.features = next.features;
  if (before != next)
    return {Code::kInvalid, "a draft may amend pins, retention, grace and features only"};
  for (const Pin& pin : next.pins) {
    if (base == nullptr || !base->envelope.retains(pin.generation))
      return {Code::kExpired, str_cat("pin '", printable(pin.name), "': generation ",
                                      pin.generation, " is not retained")};
  }
  return {};
}

// ---- the first round

// Rules 3 and 7: the history body and the files in parallel, all there before the swap is sent.
Status CommitRun::first_round(Attempt& attempt) {
  Status statuses[2];
  Timestamp times[2];
  log_.executor_.parallel_for(2, [&](std::size_t i) {
    statuses[i] = i == 0 ? keep_history(attempt, times[i]) : put_files(attempt, times[i]);
  });
  for (const Status& status : statuses) KEDGE_TRY(status);
  for (const auto& [file, body] : attempt.puts)
    put_.insert({file.key, {{.file = file, .began = times[1]}, xxh3_128(body)}});
  attempt.next.committed_at = std::max(times[0], newest_seen(attempt.base));
  attempt.body = attempt.next.encode();
  return {};
}

// History holds committed heads only: these are bytes that were read from the head, or that a swap
// was seen to have put there. Repeating the create is harmless, since every copy is the same.
Status CommitRun::keep_history(const Attempt& attempt, Timestamp& store_time) {
  if (attempt.base == nullptr || plan_.repairs) return {};
  const Envelope& e = attempt.base->envelope;
  const std::string key = log_.path(history_key(e.generation, e.commit_id));
  Backoff backoff = make_backoff(kDoubtPause);
  const Deadline patience = this->patience();
  while (true) {
    const auto written = log_.store_.create(key, attempt.base->raw, deadline_);
    if (written.ok()) {
      store_time = written->store_time;
      log_.saw(store_time);
      return {};
    }
    if (written.code() == Code::kConflict) return {};
    if (written.code() != Code::kUnavailable) return written.error();
    tell_of_waiting(written.error());
    if (!backoff.pause(patience))
      return past_deadline("while history was written", written.error());
  }
}

Status CommitRun::put_files(const Attempt& attempt, Timestamp& began) {
  began = newest_seen(attempt.base);
  if (attempt.puts.empty()) return {};
  std::vector<std::string> keys;
  std::vector<PutRequest> requests;
  keys.reserve(attempt.puts.size());
  for (const auto& [file, body] : attempt.puts) {
    keys.push_back(log_.path(file.key));
    requests.push_back({.key = keys.back(), .body = body});
  }
  for (const auto& written : log_.store_.put(requests, deadline_)) {
    if (!written.ok()) return written.error();
    log_.saw(written->store_time);
  }
  return {};
}

// Who waits for minutes is told why, once.
void CommitRun::tell_of_waiting(const Error& error) {
  if (++waits_ != kWaitsUntold) return;
  log_.log_.warning(
      str_cat("the store gives no definite answer to a commit, asking again: ", error.message));
}

// ---- the swap, and doubt about it

// A caller without a deadline is not kept waiting for ever by a store that answers nothing
// definite.
Deadline CommitRun::patience() const {
  if (deadline_.at != Duration::max()) return deadline_;
  return Deadline::after(log_.clock_, kPatience);
}

Result<Written> CommitRun::send(const Attempt& attempt) {
  const std::string key = log_.path("head");
  const bool absent = attempt.base == nullptr || (plan_.repairs && attempt.expected.value.empty());
  if (absent) return log_.store_.create(key, attempt.body, deadline_);
  return log_.store_.swap(key, attempt.expected, attempt.body, deadline_);
}

// Rule 4. Only a 2xx, or a read-back that shows who holds the generation, is definite; while nobody
// does, the same swap is sent again, since an earlier copy of it may still be under way.
std::optional<CommitOutcome> CommitRun::swap_until_known(Attempt& attempt) {
  Backoff backoff = make_backoff(kDoubtPause);
  const Deadline patience = this->patience();
  for (int refusals = 0;;) {
    const auto written = send(attempt);
    if (written.ok()) return committed(std::move(attempt), written->tag, written->store_time);
    Finding finding = look_until_clear(attempt, patience);
    switch (finding.holder) {
      case Holder::kMine: {
        const bool is_head =
            finding.head != nullptr && finding.head->envelope.commit_id == attempt.next.commit_id;
        if (is_head) return Committed{finding.head};
        return committed(std::move(attempt), {}, {});
      }
      case Holder::kOther:
        if (finding.head != nullptr)
          log_.pace_->saw(finding.head->envelope, log_.clock_.monotonic());
        return {};
      case Holder::kUnclear:
        return unknown(attempt, finding.error.message.empty() ? written.error() : finding.error);
      case Holder::kNobody:
        // The same state under another tag (a head that was copied): the condition follows it.
        if (finding.head != nullptr) attempt.expected = finding.head->tag;
        break;
    }
    if (!may_change(written.code()) && ++refusals >= kMaxRefusals)
      return unknown(attempt, written.error());
    tell_of_waiting(written.error());
    if (!backoff.pause(patience)) return unknown(attempt, written.error());
  }
}

CommitRun::Finding CommitRun::look_until_clear(const Attempt& attempt, Deadline patience) {
  Backoff backoff = make_backoff(kDoubtPause);
  const std::uint64_t base_generation = attempt.next.generation - (plan_.repairs ? 2 : 1);
  const Id128 base_id = attempt.base == nullptr ? Id128{} : attempt.base->envelope.commit_id;
  for (int unreadable = 0;;) {
    Finding finding = look(base_generation, base_id, attempt.next.commit_id);
    if (finding.holder != Holder::kUnclear || finding.error.code == Code::kExpired) return finding;
    if (finding.error.code != Code::kUnavailable && ++unreadable >= kMaxRefusals) return finding;
    if (!backoff.pause(patience)) return finding;
  }
}

CommitRun::Finding CommitRun::look(std::uint64_t base_generation, const Id128& base_id,
                                   const Id128& commit_id) {
  Finding finding;
  auto head = log_.load(deadline_, HeadLog::Features::kAny);
  if (!head.ok()) {
    finding.error = head.error();
    const Code code = head.code();
    if (code == Code::kNotFound && (base_generation == 0 || plan_.repairs)) {
      finding.holder = Holder::kNobody;
    } else if (code == Code::kCorrupt && plan_.repairs) {
      finding.holder = Holder::kNobody;
    } else if (code == Code::kCorrupt || code == Code::kUnsupported) {
      // The head cannot say; history can, if somebody has gone past us.
      finding.holder = look_in_history(base_generation + 1, commit_id, finding.error);
    }
    return finding;
  }
  finding.head = *head;
  const Envelope& e = finding.head->envelope;
  if (plan_.repairs) {
    finding.holder = e.commit_id == commit_id ? Holder::kMine : Holder::kOther;
    return finding;
  }
  if (e.generation <= base_generation) {
    if (e.commit_id == base_id) {
      finding.holder = Holder::kNobody;
    } else {
      finding.error = {Code::kCorrupt, str_cat("the head went back to generation ", e.generation,
                                               ", ", e.commit_id.hex())};
    }
    return finding;
  }
  for (const auto& [generation, id] : e.recent) {
    if (id == commit_id) finding.holder = Holder::kMine;
    if (id != commit_id && generation == base_generation + 1) finding.holder = Holder::kOther;
  }
  // Older than the pairs: its history body, while it is kept, has the id in its name.
  if (finding.holder == Holder::kUnclear)
    finding.holder = look_in_history(base_generation + 1, commit_id, finding.error);
  return finding;
}

CommitRun::Holder CommitRun::look_in_history(std::uint64_t generation, const Id128& commit_id,
                                             Error& error) {
  const auto entries = list_generation(log_.store_, log_.prefix_, generation, deadline_);
  if (!entries.ok()) {
    error = entries.error();
    return Holder::kUnclear;
  }
  if (entries->empty()) {
    if (error.message.empty())
      error = {Code::kExpired, str_cat("generation ", generation, " is not retained any more")};
    return Holder::kUnclear;
  }
  const bool mine = std::any_of(entries->begin(), entries->end(), [&](const HistoryEntry& entry) {
    return entry.commit_id == commit_id;
  });
  return mine ? Holder::kMine : Holder::kOther;
}

CommitOutcome CommitRun::committed(Attempt attempt, Tag tag, Timestamp store_time) {
  log_.saw(store_time);
  if (store_time.micros == 0) store_time = attempt.next.committed_at;
  auto head = std::make_shared<Head>();
  head->envelope = std::move(attempt.next);
  head->raw = std::move(attempt.body);
  head->tag = std::move(tag);
  head->last_modified = store_time;
  head->store_time = store_time;
  log_.pace_->saw(head->envelope, log_.clock_.monotonic());
  return Committed{std::move(head)};
}

CommitOutcome CommitRun::unknown(const Attempt& attempt, Error last) const {
  return UnknownOutcome{.commit_id = attempt.next.commit_id,
                        .base_generation = attempt.next.generation - 1,
                        .last = std::move(last)};
}

}  // namespace kedge
