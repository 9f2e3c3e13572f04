#include "commit/head_log.h"

#include <algorithm>

#include "base/strings.h"
#include "commit/commit_run.h"
#include "commit/history.h"
#include "commit/pace.h"

namespace kedge {
namespace {

// The parent's contents, for commits that change the envelope alone.
Draft same_contents(const HeadPtr& base) {
  Draft draft;
  draft.payload = base->envelope.payload;
  draft.files = base->envelope.files;
  draft.dropped = base->envelope.dropped;
  return draft;
}

}  // namespace

HeadLog::HeadLog(ObjectStore& store, std::string prefix, Clock& clock, Random& random, Log& log,
                 HeadLogOptions options, Executor* executor)
    : store_(store),
      prefix_(std::move(prefix)),
      clock_(clock),
      random_(random),
      log_(log),
      options_(std::move(options)),
      executor_(executor == nullptr ? inline_executor() : *executor),
      pace_(std::make_unique<Pace>()) {
  KEDGE_CHECK(prefix_.empty() || prefix_.back() == '/');
}

HeadLog::~HeadLog() = default;

std::size_t HeadLog::writers() const { return pace_->writers(clock_.monotonic()); }

std::string HeadLog::path(std::string_view relative) const { return str_cat(prefix_, relative); }

Id128 HeadLog::commit_id() {
  const std::lock_guard lock(random_mutex_);
  Id128 id = Id128::random(random_);
  pace_->mark(id);
  return id;
}

std::uint64_t HeadLog::random_below(std::uint64_t bound) {
  const std::lock_guard lock(random_mutex_);
  return random_.below(bound);
}

void HeadLog::saw(Timestamp store_time) {
  std::int64_t newest = newest_seen_micros_.load();
  while (store_time.micros > newest &&
         !newest_seen_micros_.compare_exchange_weak(newest, store_time.micros)) {
  }
}

// ---- reading

Result<HeadPtr> HeadLog::parse_blob(Result<Blob> blob, std::string_view key, Features features) {
  if (!blob.ok()) return std::move(blob).error();
  saw(blob->store_time);
  auto envelope = features == Features::kAny ? Envelope::parse_any(blob->body)
                                             : Envelope::parse(blob->body, options_.known_features);
  if (!envelope.ok())
    return {envelope.code(), str_cat(printable(key), ": ", envelope.error().message)};
  auto head = std::make_shared<Head>();
  head->envelope = *std::move(envelope);
  head->raw = std::move(blob->body);
  head->tag = std::move(blob->info.tag);
  head->last_modified = blob->info.last_modified;
  head->store_time = blob->store_time;
  return HeadPtr(std::move(head));
}

Result<HeadPtr> HeadLog::load(Deadline deadline, Features features) {
  const std::string key = path("head");
  ReadRequest request;
  request.key = key;
  return parse_blob(read_one(store_, std::move(request), deadline), key, features);
}

Result<HeadPtr> HeadLog::revalidate(const HeadPtr& known, Deadline deadline) {
  const std::string key = path("head");
  ReadRequest request;
  request.key = key;
  request.unless_match = known->tag;
  Result<Blob> blob = read_one(store_, std::move(request), deadline);
  if (!blob.ok() || !blob->unchanged) return parse_blob(std::move(blob), key);
  saw(blob->store_time);
  return known;
}

std::vector<Result<HeadPtr>> HeadLog::read_bodies(std::span<const HistoryEntry> entries,
                                                  Deadline deadline) {
  std::vector<ReadRequest> requests(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i)
    requests[i].key = path(history_key(entries[i].generation, entries[i].commit_id));
  auto blobs = store_.read(requests, deadline);
  std::vector<Result<HeadPtr>> bodies;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    // A swap of the head must not expect the tag of a history body.
    if (blobs[i].ok()) blobs[i]->info.tag = {};
    auto head = parse_blob(std::move(blobs[i]), requests[i].key);
    if (head.ok() && ((*head)->envelope.generation != entries[i].generation ||
                      (*head)->envelope.commit_id != entries[i].commit_id)) {
      head = {Code::kCorrupt,
              str_cat(printable(requests[i].key), ": holds another generation than its name says")};
    }
    bodies.push_back(std::move(head));
  }
  return bodies;
}

Result<HeadPtr> HeadLog::read_body(std::uint64_t generation, const Id128& commit_id,
                                   Deadline deadline) {
  const HistoryEntry entry{.generation = generation, .commit_id = commit_id, .last_modified = {}};
  return std::move(read_bodies({&entry, 1}, deadline).front());
}

// Rule 10. The newest body that parses, from the listing.
Result<HeadPtr> HeadLog::newest_body(Deadline deadline) {
  const auto entries = KEDGE_TRY(list_history(store_, prefix_, deadline));
  Error last{Code::kNotFound, str_cat(printable(path(kHistoryFolder)), ": no history")};
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    auto body = read_body(entry->generation, entry->commit_id, deadline);
    if (body.ok()) {
      auto head = std::make_shared<Head>(**body);
      head->recovered = true;
      return HeadPtr(std::move(head));
    }
    last = body.error();
    if (last.code != Code::kCorrupt && last.code != Code::kNotFound) return last;
  }
  return last;
}

Result<HeadPtr> HeadLog::read(Deadline deadline, const HeadPtr& known) {
  const bool tagged = known != nullptr && !known->tag.value.empty() && !known->recovered;
  return or_history(tagged ? revalidate(known, deadline) : load(deadline), deadline);
}

Result<HeadPtr> HeadLog::read_beside(std::string_view beside, Result<Blob>& file,
                                     Deadline deadline) {
  ReadRequest requests[2];
  requests[0].key = path("head");
  requests[1].key = path(beside);
  std::vector<Result<Blob>> blobs = store_.read(requests, deadline);
  file = std::move(blobs[1]);
  return or_history(parse_blob(std::move(blobs[0]), requests[0].key), deadline);
}

Result<HeadPtr> HeadLog::or_history(Result<HeadPtr> head, Deadline deadline) {
  // Once more, should only the way here have damaged it.
  if (!head.ok() && head.code() == Code::kCorrupt) head = load(deadline);
  if (head.ok() || (head.code() != Code::kCorrupt && head.code() != Code::kNotFound)) return head;
  const Error why = head.error();
  auto body = newest_body(deadline);
  if (!body.ok()) {
    // A body that cannot be read now may be the newest: that is no proof of anything.
    const bool told = body.code() == Code::kCorrupt || body.code() == Code::kNotFound;
    return told ? why : body.error();
  }
  // Its history may be that of a head which was made, or mended, after it was looked for.
  if (auto again = load(deadline); again.ok()) return again;
  log_.error(str_cat("the head cannot be used (", why.message, "): reading generation ",
                     (*body)->envelope.generation,
                     " from history instead; nothing can be written until it is repaired"));
  return body;
}

Result<HeadPtr> HeadLog::read_generation(std::uint64_t generation, Deadline deadline) {
  const HeadPtr head = KEDGE_TRY(read(deadline));
  const Envelope& e = head->envelope;
  if (generation == e.generation) return head;
  if (generation == 0 || generation > e.generation)
    return {Code::kNotFound,
            str_cat("there is no generation ", generation, ": the newest is ", e.generation)};
  if (!e.retains(generation))
    return {Code::kExpired, str_cat("generation ", generation, " is not retained any more")};
  std::vector<Id128> ids;
  for (const auto& [number, id] : e.recent) {
    if (number == generation) ids.push_back(id);
  }
  if (ids.empty()) {
    for (const HistoryEntry& entry :
         KEDGE_TRY(list_generation(store_, prefix_, generation, deadline)))
      ids.push_back(entry.commit_id);
  }
  if (ids.empty()) return explain_absent_generation(generation, deadline);
  auto body = read_body(generation, ids.front(), deadline);
  if (body.ok() || body.code() != Code::kNotFound) return body;
  return explain_absent_generation(generation, deadline);
}

// No body of a generation that should be retained: collected meanwhile, left out by a repair, or
// lost.
Error HeadLog::explain_absent_generation(std::uint64_t generation, Deadline deadline) {
  const auto head = read(deadline);
  if (!head.ok()) return head.error();
  if (!(*head)->envelope.retains(generation))
    return {Code::kExpired, str_cat("generation ", generation, " is not retained any more")};
  const auto entries = list_history(store_, prefix_, deadline);
  if (!entries.ok()) return entries.error();
  HeadPtr successor = *head;
  for (const HistoryEntry& entry : *entries) {
    if (entry.generation < generation || entry.generation >= successor->envelope.generation)
      continue;
    const auto body = read_body(entry.generation, entry.commit_id, deadline);
    if (!body.ok()) return body.error();
    successor = *body;
    break;
  }
  const auto& recent = successor->envelope.recent;
  if (recent.size() > 1 && recent[1].first < generation)
    return {Code::kNotFound, str_cat("there is no generation ", generation,
                                     ": its head was lost, and a repair left it out")};
  return {Code::kCorrupt, str_cat("the history body of generation ", generation, " is lost")};
}

Result<std::vector<HeadPtr>> HeadLog::history(std::size_t limit, Deadline deadline) {
  const HeadPtr head = KEDGE_TRY(read(deadline));
  if (limit == 0) return std::vector<HeadPtr>{};
  const auto entries = KEDGE_TRY(list_history(store_, prefix_, deadline));
  std::vector<HistoryEntry> wanted;
  for (auto entry = entries.rbegin(); entry != entries.rend() && wanted.size() + 1 < limit;
       ++entry) {
    const std::uint64_t generation = entry->generation;
    if (generation < head->envelope.generation && head->envelope.retains(generation))
      wanted.push_back(*entry);
  }
  std::vector<HeadPtr> heads = {head};
  for (std::size_t at = 0; at < wanted.size(); at += kBodiesAtOnce) {
    const std::size_t count = std::min(kBodiesAtOnce, wanted.size() - at);
    for (auto& body : read_bodies(std::span(wanted).subspan(at, count), deadline)) {
      // A collection that runs now may take what its fence has just let go.
      if (!body.ok() && body.code() == Code::kNotFound) continue;
      if (!body.ok()) return body.error();
      heads.push_back(*std::move(body));
    }
  }
  return heads;
}

Error HeadLog::explain_missing(const Head& snapshot, std::string_view key, Deadline deadline) {
  const auto head = read(deadline);
  if (!head.ok()) return head.error();
  const std::uint64_t generation = snapshot.envelope.generation;
  if (!(*head)->envelope.retains(generation))
    return {Code::kExpired,
            str_cat("snapshot expired: generation ", generation,
                    " is not retained any more, the newest is ", (*head)->envelope.generation)};
  return {Code::kCorrupt,
          str_cat("file lost: ", printable(path(key)), ", named by generation ", generation)};
}

// ---- writing

CommitOutcome HeadLog::create(const Draft& first, Deadline deadline) {
  const auto now = store_.now(deadline);
  if (!now.ok()) return NotCommitted{now.error()};
  saw(*now);
  const auto head = read(deadline);
  if (head.ok() && (*head)->recovered)
    return NotCommitted{{Code::kCorrupt, str_cat("there is history but no usable head: ",
                                                 printable(path("head")), "; repair it")}};
  if (!head.ok() && head.code() != Code::kNotFound) return NotCommitted{head.error()};

  CommitPlan plan;
  plan.on_dropped = true;
  plan.rebase = [&](const HeadPtr& base) -> Result<Draft> {
    if (base != nullptr && !base->envelope.dropped)
      return {Code::kConflict, str_cat("there is an index already: ", printable(path("head")))};
    return first;
  };
  return CommitRun(*this, std::move(plan), deadline).run(head.ok() ? *head : nullptr);
}

CommitOutcome HeadLog::commit(HeadPtr base, const Rebase& rebase, Deadline deadline) {
  if (base == nullptr || (base->tag.value.empty() && !base->recovered)) {
    auto head = read(deadline);
    if (!head.ok()) return NotCommitted{head.error()};
    base = *std::move(head);
  }
  CommitPlan plan;
  plan.rebase = rebase;
  return CommitRun(*this, std::move(plan), deadline).run(std::move(base));
}

CommitOutcome HeadLog::settle(const UnknownOutcome& outcome, Deadline deadline) {
  CommitRun run(*this, {}, deadline);
  CommitRun::Finding finding = run.look(outcome.base_generation, {}, outcome.commit_id);
  const auto unknown = [&](Error why) {
    return UnknownOutcome{outcome.commit_id, outcome.base_generation, std::move(why)};
  };
  switch (finding.holder) {
    case CommitRun::Holder::kOther:
      return NotCommitted{{Code::kConflict, "another commit came first"}};
    case CommitRun::Holder::kNobody:
      return unknown(outcome.last);
    case CommitRun::Holder::kUnclear:
      return unknown(finding.error);
    case CommitRun::Holder::kMine:
      break;
  }
  const std::uint64_t generation = outcome.base_generation + 1;
  if (finding.head != nullptr && finding.head->envelope.commit_id == outcome.commit_id)
    return Committed{finding.head};
  auto body = read_body(generation, outcome.commit_id, deadline);
  if (!body.ok()) return unknown(body.error());
  return Committed{*std::move(body)};
}

Result<std::vector<Upload>> HeadLog::upload(std::vector<std::pair<std::string, ByteView>> files,
                                            Timestamp seen, Deadline deadline) {
  const Timestamp began = std::max(seen, Timestamp{newest_seen_micros_.load()});
  std::vector<std::string> keys;
  std::vector<PutRequest> requests;
  std::vector<Upload> uploads;
  keys.reserve(files.size());
  for (const auto& [key, body] : files) {
    if (!is_file_key(key))
      return {Code::kInvalid, str_cat("not the key of a file: '", printable(key), "'")};
    keys.push_back(path(key));
    requests.push_back({.key = keys.back(), .body = body});
    uploads.push_back({.file = {.key = key, .size = body.size()}, .began = began});
  }
  for (const auto& written : store_.put(requests, deadline)) {
    if (!written.ok()) return written.error();
    saw(written->store_time);
  }
  return uploads;
}

CommitOutcome HeadLog::rollback(std::uint64_t generation, Deadline deadline) {
  auto base = read(deadline);
  if (!base.ok()) return NotCommitted{base.error()};
  const auto wanted = read_generation(generation, deadline);
  if (!wanted.ok()) return NotCommitted{wanted.error()};
  const HeadPtr old = *wanted;
  if (old->envelope.dropped)
    return NotCommitted{
        {Code::kInvalid, str_cat("generation ", generation, " is that of a dropped index")}};
  CommitPlan plan;
  plan.on_dropped = true;
  // Whether `old` is still retained is looked up in each parent (rule 5).
  plan.rebase = [&](const HeadPtr&) -> Result<Draft> {
    Draft draft = same_contents(old);
    draft.named_by = old;
    draft.amend = [&](Envelope& next) { next.features = old->envelope.features; };
    return draft;
  };
  return CommitRun(*this, std::move(plan), deadline).run(*std::move(base));
}

CommitOutcome HeadLog::add_pin(std::string_view name, std::uint64_t generation, Deadline deadline) {
  if (!is_plain_name(name))
    return NotCommitted{{Code::kInvalid, str_cat("not a name for a pin: '", printable(name), "'")}};
  auto base = read(deadline);
  if (!base.ok()) return NotCommitted{base.error()};
  const auto pinned = read_generation(generation, deadline);
  if (!pinned.ok()) return NotCommitted{pinned.error()};
  const Id128 id = (*pinned)->envelope.commit_id;
  return commit(
      *base,
      [&](const HeadPtr& parent) -> Result<Draft> {
        for (const Pin& pin : parent->envelope.pins) {
          if (pin.name == name)
            return {Code::kConflict,
                    str_cat("there is a pin '", name, "' already, on generation ", pin.generation)};
        }
        if (parent->envelope.pins.size() >= kMaxPins)
          return {Code::kExhausted, str_cat("there are ", kMaxPins, " pins already")};
        Draft draft = same_contents(parent);
        const Timestamp created = parent->store_time;
        draft.amend = [&, created](Envelope& next) {
          const auto at = std::find_if(next.pins.begin(), next.pins.end(),
                                       [&](const Pin& pin) { return pin.name > name; });
          next.pins.insert(at, {std::string(name), generation, id, created});
        };
        return draft;
      },
      deadline);
}

CommitOutcome HeadLog::remove_pin(std::string_view name, Deadline deadline) {
  auto base = read(deadline);
  if (!base.ok()) return NotCommitted{base.error()};
  return commit(
      *base,
      [&](const HeadPtr& parent) -> Result<Draft> {
        const auto& pins = parent->envelope.pins;
        const auto named = [&](const Pin& pin) { return pin.name == name; };
        if (std::none_of(pins.begin(), pins.end(), named))
          return {Code::kNotFound, str_cat("there is no pin '", printable(name), "'")};
        Draft draft = same_contents(parent);
        draft.amend = [&, named](Envelope& next) { std::erase_if(next.pins, named); };
        return draft;
      },
      deadline);
}

CommitOutcome HeadLog::fence(Timestamp now, Deadline deadline) {
  auto base = read(deadline);
  if (!base.ok()) return NotCommitted{base.error()};
  const auto raise = [&](const HeadPtr& parent, Envelope& next) -> Status {
    const Envelope& e = parent->envelope;
    const auto entries = KEDGE_TRY(list_history(store_, prefix_, deadline));
    next.gc_floor = std::max(e.gc_floor, now - e.grace);
    next.retained_from =
        std::max(e.retained_from, retained_from_at(now, e, parent->last_modified, entries));
    return {};
  };
  Envelope raised = (*base)->envelope;
  if (const Status status = raise(*base, raised); !status.ok()) return NotCommitted{status.error()};
  if (raised == (*base)->envelope && !(*base)->recovered) return Committed{*base};

  CommitPlan plan;
  plan.on_dropped = true;
  plan.rebase = [](const HeadPtr& parent) -> Result<Draft> { return same_contents(parent); };
  plan.fence = raise;
  return CommitRun(*this, std::move(plan), deadline).run(*std::move(base));
}

CommitOutcome HeadLog::repair(const Rebase& rebase, Deadline deadline) {
  const std::string key = path("head");
  ReadRequest request;
  request.key = key;
  auto blob = read_one(store_, std::move(request), deadline);
  if (!blob.ok() && blob.code() != Code::kNotFound) return NotCommitted{blob.error()};
  Tag tag;
  if (blob.ok()) {
    tag = blob->info.tag;
    const auto parsed = Envelope::parse(blob->body, options_.known_features);
    if (parsed.ok()) return NotCommitted{{Code::kInvalid, "the head is whole"}};
    if (parsed.code() != Code::kCorrupt) return NotCommitted{parsed.error()};
  }
  const auto newest = newest_body(deadline);
  if (!newest.ok()) return NotCommitted{newest.error()};
  auto base = std::make_shared<Head>(**newest);
  base->tag = tag;

  CommitPlan plan;
  plan.on_dropped = true;
  plan.repairs = true;
  plan.rebase = rebase;
  plan.fence = [&](const HeadPtr& parent, Envelope& next) -> Status {
    // The lost head may have raised both, so they are raised as far as it can have.
    const auto now = store_.now(deadline);
    if (!now.ok()) return now.error();
    next.gc_floor = std::max(parent->envelope.gc_floor, *now - parent->envelope.grace);
    const auto entries = KEDGE_TRY(list_history(store_, prefix_, deadline));
    const auto oldest = std::find_if(entries.begin(), entries.end(), [&](const HistoryEntry& e) {
      return e.generation >= parent->envelope.retained_from;
    });
    if (oldest != entries.end()) next.retained_from = oldest->generation;
    return {};
  };
  CommitOutcome outcome = CommitRun(*this, std::move(plan), deadline).run(std::move(base));
  if (const auto* done = std::get_if<Committed>(&outcome))
    log_.warning(str_cat("the head was repaired as generation ", done->head->envelope.generation));
  return outcome;
}

}  // namespace kedge
