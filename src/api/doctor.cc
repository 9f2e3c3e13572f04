// What an operator asks first: is everything there, and does the store keep its promises?
#include <sys/statvfs.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "api/iam_policy.h"
#include "api/operations.h"
#include "base/strings.h"
#include "simd/kernels.h"
#include "store/probe.h"

namespace kedge {

bool DoctorReport::ok() const {
  return std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
}

namespace {

constexpr int kLocalRaceRounds = 3;
constexpr Duration kClockTolerance = std::chrono::minutes(5);
constexpr std::uint64_t kLowDiskBytes = 1ULL << 30;

// Whether something that was asked for is permitted.
Check permission(std::string name, const std::optional<Error>& error) {
  Check out{.name = std::move(name), .ok = !error, .warning = false, .detail = "permitted"};
  if (error) out.detail = error->message;
  return out;
}

// Whether the store keeps its promises, which shows the rights to write too. The names are those of
// docs/stores.md.
Status check_promises(Session& session, ObjectStore& store, std::vector<Check>& checks) {
  ProbedStore* probed = KEDGE_TRY(session.probed_store());
  ProbeOptions local;
  local.race_rounds = kLocalRaceRounds;
  const ProbeReport report =
      probed != nullptr ? probed->probe(session.deadline())
                        : probe_store(store, *session.environment().executor,
                                      *session.environment().random, local, session.deadline());
  const ProbeCheck& first = report.checks.front();
  if (first.error && first.error->code == Code::kDenied) {
    checks.push_back({.name = "index: put",
                      .ok = true,
                      .warning = true,
                      .detail = "denied: with these credentials the index can be searched, and not "
                                "be synced (" +
                                first.error->message + ")"});
    return {};
  }
  for (const ProbeCheck& check : report.checks) {
    checks.push_back({.name = "store: " + check.name,
                      .ok = check.ok || !check.needed,
                      .warning = !check.ok,
                      .detail = check.detail});
  }
  return {};
}

// What a store says of itself, and what of it may be listed and read.
void check_place(Session& session, ObjectStore& store, const std::string& name,
                 const std::string& url, std::vector<Check>& checks) {
  const ClientEnvironment& environment = session.environment();
  const Deadline deadline = session.deadline();
  if (is_s3_url(url) && environment.credentials_of) {
    const Result<std::string> credentials = environment.credentials_of(url, deadline);
    checks.push_back({.name = name + ": credentials",
                      .ok = credentials.ok(),
                      .warning = false,
                      .detail = credentials.ok() ? *credentials : credentials.error().message});
  }
  const Result<std::vector<ObjectInfo>> page = store.list("", "")->next(deadline);
  checks.push_back(permission(name + ": list", page.ok() ? std::optional<Error>() : page.error()));
  const auto readable = [](const ObjectInfo& info) { return !info.archived && info.size > 0; };
  if (page.ok()) {
    const auto object = std::find_if(page->begin(), page->end(), readable);
    if (object != page->end()) {
      ReadRequest request;
      request.key = object->key;
      request.length = 1;
      const Result<Blob> blob = read_one(store, request, deadline);
      checks.push_back(
          permission(name + ": get", blob.ok() ? std::optional<Error>() : blob.error()));
    }
  }
  for (StoreFact& fact : store.facts(deadline)) {
    checks.push_back({.name = name + ": " + fact.name,
                      .ok = fact.ok,
                      .warning = fact.warning,
                      .detail = std::move(fact.detail)});
  }
}

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
    const std::string name = "source " + printable(entry.uri);
    const Result<ObjectStore*> source = session.source(entry.uri, scope_of(entry));
    if (source.ok()) {
      check_place(session, **source, name, entry.uri, checks);
    } else {
      checks.push_back(
          {.name = name, .ok = false, .warning = false, .detail = source.error().message});
    }
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

Status add_policies(Session& session, const std::vector<SourceEntry>& sources, DoctorReport& out) {
  const ClientOptions& options = session.options();
  if (!session.environment().policy_place) return {};
  const auto bit = [](S3Use use) { return static_cast<unsigned>(use); };
  struct Wanted {
    std::string name;
    std::string url;
    unsigned sync = 0, search = 0;
  };
  const unsigned reads = bit(S3Use::kReadIndex);
  const unsigned writes = reads | bit(S3Use::kWriteIndex) | bit(S3Use::kDoctor);
  std::vector<Wanted> wanted = {{"Index", options.index, writes, reads},
                                {"Cache", options.cache, writes, 0}};
  for (const SourceEntry& source : sources) {
    const unsigned read = bit(S3Use::kSource);
    wanted.push_back({str_cat("Source", wanted.size() - 1), source.uri,
                      read | (source.tags ? bit(S3Use::kTags) : 0U), read});
  }
  std::vector<PolicyPlace> sync;
  std::vector<PolicyPlace> search;
  for (const Wanted& one : wanted) {
    if (!is_s3_url(one.url)) continue;
    PolicyPlace place = KEDGE_TRY(session.environment().policy_place(one.url));
    place.name = one.name;
    place.uses = one.sync;
    sync.push_back(place);
    place.uses = one.search;
    search.push_back(std::move(place));
  }
  out.policy = make_policy(sync);
  out.search_policy = make_policy(search);
  return {};
}

}  // namespace

Result<DoctorReport> run_doctor(Session& session) {
  DoctorReport out;
  std::optional<Space> space;
  std::vector<SourceEntry> sources;
  const bool bucket = KEDGE_TRY(session.probed_store()) != nullptr;
  ObjectStore* store = KEDGE_TRY(session.store());
  if (bucket) check_place(session, *store, "index", session.options().index, out.checks);
  const Result<Index*> index = session.index(false);
  if (!index.ok()) {
    out.checks.push_back({.name = "index: head",
                          .ok = index.code() == Code::kNotFound,
                          .warning = index.code() == Code::kNotFound,
                          .detail = index.error().message});
  } else {
    check_index(session, **index, out.checks);
    const SnapshotPtr snapshot = (*index)->current();
    if (snapshot != nullptr) {
      if (!snapshot->state().spaces.empty()) space = snapshot->state().spaces.front();
      sources = snapshot->state().sources;
    }
  }
  // A folder is not made by looking at it.
  if (index.ok() || bucket) {
    check_clock(session, *store, out.checks);
    if (!session.options().read_only) KEDGE_TRY(check_promises(session, *store, out.checks));
  }
  check_model(session, space, out.checks);
  check_machine(session, out.checks);
  KEDGE_TRY(add_policies(session, sources, out));
  return out;
}

}  // namespace kedge
