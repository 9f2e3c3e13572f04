// What an operator asks first: is everything there, and does the store keep its promises?
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "api/operations.h"
#include "base/strings.h"
#include "simd/kernels.h"

namespace kedge {

bool DoctorReport::ok() const {
  return std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
}

namespace {

constexpr std::size_t kRaceWriters = 8;
constexpr int kRaceRounds = 3;
constexpr Duration kClockTolerance = std::chrono::minutes(5);
constexpr std::uint64_t kLowDiskBytes = 1ULL << 30;

// Runs the probes on a store, under keys of its own that it removes again. The names are those of
// docs/stores.md.
class StoreProbe {
 public:
  StoreProbe(ObjectStore& store, Session& session, std::vector<Check>& checks)
      : store_(store), session_(session), checks_(checks) {
    prefix_ = "probe/" + Id128::random(*session.environment().random).hex() + "-";
  }

  void run() {
    const Deadline deadline = session_.deadline();
    create_twice(deadline);
    swaps(deadline);
    reads(deadline);
    races(deadline);
    const std::vector<Result<void>> removed = store_.remove(keys_, deadline);
    const bool clean =
        std::all_of(removed.begin(), removed.end(), [](const auto& r) { return r.ok(); });
    say("remove", clean,
        clean ? "the probe's keys are gone" : "the probe's keys could not all be removed");
  }

 private:
  std::string key(std::string_view name) {
    keys_.push_back(prefix_ + std::string(name));
    return keys_.back();
  }
  void say(std::string name, bool ok, std::string detail) {
    checks_.push_back({.name = "store: " + std::move(name),
                       .ok = ok,
                       .warning = false,
                       .detail = std::move(detail)});
  }

  void create_twice(Deadline deadline) {
    const std::string name = key("create");
    const Result<Written> first = store_.create(name, as_bytes("one"), deadline);
    const Result<Written> second = store_.create(name, as_bytes("two"), deadline);
    const bool ok = first.ok() && !second.ok() && second.code() == Code::kConflict;
    say("create twice", ok,
        ok            ? "the second create is refused"
        : !first.ok() ? first.error().message
                      : "the store let a key be created twice: commits would be lost; it cannot "
                        "hold an index");
  }

  void swaps(Deadline deadline) {
    const std::string name = key("swap");
    const Result<Written> made = store_.create(name, as_bytes("one"), deadline);
    const Result<Written> wrong =
        store_.swap(name, Tag{"0123456789abcdef"}, as_bytes("two"), deadline);
    bool ok = made.ok() && !wrong.ok() && wrong.code() == Code::kConflict;
    say("wrong If-Match", ok,
        ok ? "refused" : "a swap with a wrong tag was not refused: it cannot hold an index");
    const Result<Written> right =
        store_.swap(name, made.ok() ? made->tag : Tag{}, as_bytes("two"), deadline);
    say("right If-Match", right.ok(), right.ok() ? "swapped" : right.error().message);
    const Result<Written> missing = store_.swap(key("missing"), Tag{"0"}, as_bytes("x"), deadline);
    ok = !missing.ok() && missing.code() == Code::kConflict;
    say("If-Match on a missing key", ok,
        ok ? "refused" : "a swap of a key that is not there was not refused");
  }

  void reads(Deadline deadline) {
    const std::string name = key("read");
    const std::string body = "0123456789";
    const Result<Written> put = put_one(store_, name, as_bytes(body), deadline);
    const Result<Blob> whole =
        read_one(store_, {.key = name, .offset = 0, .length = {}, .if_match = {}, .version_id = {}},
                 deadline);
    const bool ok = put.ok() && whole.ok() && as_text(whole->body) == body;
    say("read after write", ok,
        ok ? "what was written is read" : "what was written is not read back");
    const Result<Blob> range =
        read_one(store_, {.key = name, .offset = 3, .length = 4, .if_match = {}, .version_id = {}},
                 deadline);
    const bool range_ok = range.ok() && as_text(range->body) == "3456";
    say("range", range_ok, range_ok ? "exact" : "a range came back wrong");
    const std::unique_ptr<Listing> listing = store_.list(prefix_, "");
    bool seen = false;
    while (true) {
      const Result<std::vector<ObjectInfo>> page = listing->next(deadline);
      if (!page.ok() || page->empty()) break;
      for (const ObjectInfo& info : *page) seen |= info.key == name;
    }
    say("list after write", seen, seen ? "listed" : "a written key is not listed");
  }

  void races(Deadline deadline) {
    bool create_ok = true;
    bool swap_ok = true;
    Executor& executor = *session_.environment().executor;
    for (int round = 0; round < kRaceRounds; ++round) {
      const std::string name = key(str_cat("race-", round));
      std::atomic<int> winners{0};
      executor.parallel_for(kRaceWriters, [&](std::size_t i) {
        if (store_.create(name, as_bytes(str_cat("writer ", i)), deadline).ok()) ++winners;
      });
      create_ok &= winners == 1;
      const Result<Stat> now = stat_one(store_, name, deadline);
      winners = 0;
      executor.parallel_for(kRaceWriters, [&](std::size_t i) {
        if (now.ok() &&
            store_.swap(name, now->info.tag, as_bytes(str_cat("swap ", i)), deadline).ok())
          ++winners;
      });
      swap_ok &= winners == 1;
    }
    say("race of creates", create_ok,
        create_ok ? "one winner each time" : "several writers won one create");
    say("race of swaps", swap_ok,
        swap_ok ? "one winner each time" : "several writers won one swap");
  }

  ObjectStore& store_;
  Session& session_;
  std::vector<Check>& checks_;
  std::string prefix_;
  std::vector<std::string> keys_;
};

void check_clock(Session& session, ObjectStore& store, std::vector<Check>& checks) {
  const Result<Timestamp> now = store.now(session.deadline());
  Check check{.name = "store: clock", .ok = now.ok(), .warning = false, .detail = {}};
  if (!now.ok()) {
    check.detail = now.error().message;
  } else {
    const Duration offset = session.environment().clock->now() - *now;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(offset).count();
    check.warning = offset > kClockTolerance || offset < -kClockTolerance;
    check.detail = str_cat("this machine is ", seconds,
                           " s ahead of the store; ages are decided by the store's clock");
  }
  checks.push_back(std::move(check));
}

void check_index(Session& session, Index& index, std::vector<Check>& checks) {
  const Result<SnapshotPtr> snapshot = index.latest(session.deadline());
  if (!snapshot.ok()) {
    checks.push_back(
        {.name = "index: head", .ok = false, .warning = false, .detail = snapshot.error().message});
    return;
  }
  const Head& head = *(*snapshot)->head();
  checks.push_back(
      {.name = "index: head",
       .ok = !head.recovered,
       .warning = false,
       .detail = head.recovered
                     ? "it does not parse; the newest history body is read instead, read-only"
                     : str_cat("generation ", (*snapshot)->generation(), ", ",
                               head.envelope.files.size(), " files")});
  const Result<std::vector<std::string>> damaged = index.check_files(Deadline::never());
  std::string detail = "all there, every checksum holds";
  if (!damaged.ok()) detail = damaged.error().message;
  if (damaged.ok() && !damaged->empty())
    detail = str_cat(damaged->size(), " damaged or lost: ", damaged->front());
  checks.push_back({.name = "index: files",
                    .ok = damaged.ok() && damaged->empty(),
                    .warning = false,
                    .detail = std::move(detail)});
  for (const SourceEntry& entry : (*snapshot)->state().sources) {
    Check check{.name = "source: " + entry.uri, .ok = false, .warning = false, .detail = {}};
    const Result<ObjectStore*> source = session.source(entry.uri, scope_of(entry));
    if (!source.ok()) {
      check.detail = source.error().message;
    } else {
      const Result<std::vector<ObjectInfo>> page =
          (*source)->list("", "")->next(session.deadline());
      check.ok = page.ok();
      check.detail = page.ok() ? "can be listed" : page.error().message;
    }
    checks.push_back(std::move(check));
  }
}

void check_model(Session& session, const std::optional<Space>& space, std::vector<Check>& checks) {
  Check check{.name = "model", .ok = false, .warning = false, .detail = {}};
  const Result<Embedder*> embedder = session.embedder(space);
  if (!embedder.ok()) {
    check.detail = embedder.error().message;
  } else {
    const std::vector<std::string> texts = {"the index and the bucket agree",
                                            "the index and the bucket agree"};
    const Result<std::vector<float>> vectors = (*embedder)->embed_documents(texts);
    const std::size_t dimension = (*embedder)->space().dimension;
    double norm = 0;
    if (vectors.ok()) {
      for (std::size_t i = 0; i < dimension; ++i) {
        norm += static_cast<double>((*vectors)[i]) * static_cast<double>((*vectors)[dimension + i]);
      }
    }
    check.ok = vectors.ok() && std::abs(norm - 1) < 1e-3;
    check.detail = vectors.ok() ? (*embedder)->space().describe() : vectors.error().message;
    if (vectors.ok() && !check.ok) check.detail += ": one text gave two vectors";
  }
  checks.push_back(std::move(check));
}

void check_machine(Session& session, std::vector<Check>& checks) {
  checks.push_back({.name = "processor",
                    .ok = true,
                    .warning = kernels().name == "scalar",
                    .detail = str_cat("kernels: ", kernels().name,
                                      ", threads: ", session.environment().executor->width())});
  struct statvfs disk {};
  const std::string& folder = session.environment().scratch_folder;
  const bool ok = statvfs(folder.c_str(), &disk) == 0;
  const std::uint64_t free = ok ? static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize : 0;
  checks.push_back({.name = "scratch folder",
                    .ok = ok,
                    .warning = free < kLowDiskBytes,
                    .detail = ok ? str_cat(folder, ": ", free >> 20, " MiB free")
                                 : str_cat(folder, ": not readable")});
}

}  // namespace

Result<DoctorReport> run_doctor(Session& session) {
  DoctorReport out;
  std::optional<Space> space;
  const Result<Index*> index = session.index(false);
  if (!index.ok()) {
    out.checks.push_back({.name = "index: head",
                          .ok = index.code() == Code::kNotFound,
                          .warning = index.code() == Code::kNotFound,
                          .detail = index.error().message});
  } else {
    check_index(session, **index, out.checks);
    const SnapshotPtr snapshot = (*index)->current();
    if (snapshot != nullptr && !snapshot->state().spaces.empty())
      space = snapshot->state().spaces.front();
    ObjectStore& store = (*index)->log().store();
    check_clock(session, store, out.checks);
    if (!session.options().read_only) StoreProbe(store, session, out.checks).run();
  }
  check_model(session, space, out.checks);
  check_machine(session, out.checks);
  return out;
}

}  // namespace kedge
