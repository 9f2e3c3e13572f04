#include "api/probed_store.h"

#include <boost/json.hpp>
#include <utility>

#include "base/allocation.h"
#include "base/hash.h"
#include "base/strings.h"

namespace kedge {
namespace {

namespace json = boost::json;

constexpr std::int64_t kRecordVersion = 1;
constexpr std::size_t kMaxChecks = 100;

Status verdict_of(const ProbeReport& report, const std::string& store) {
  const ProbeCheck* broken = report.broken();
  if (broken == nullptr) return {};
  return {Code::kUnsupported,
          str_cat(store, " failed the check '", broken->name, "': ", broken->detail,
                  "; nothing is written to it (kedge doctor looks again)")};
}

// A member of an object; a null value if it is not there.
const json::value& member(const json::object& object, std::string_view name) {
  static const json::value kNothing;
  const json::value* value = object.if_contains(name);
  return value == nullptr ? kNothing : *value;
}

std::string text(const json::object& object, std::string_view name) {
  const json::value& value = member(object, name);
  return value.is_string() ? std::string(value.get_string()) : std::string();
}

bool flag(const json::object& object, std::string_view name) {
  const json::value& value = member(object, name);
  return value.is_bool() && value.get_bool();
}

Error not_a_record() { return {Code::kCorrupt, "probe: not the record of a probe"}; }

}  // namespace

std::string encode_probe(const ProbeRecord& record) {
  json::array checks;
  for (const ProbeCheck& check : record.report.checks) {
    checks.push_back(json::object{{"name", check.name},
                                  {"ok", check.ok},
                                  {"needed", check.needed},
                                  // Details hold a store's own words.
                                  {"detail", printable(check.detail)}});
  }
  return json::serialize(json::object{{"version", kRecordVersion},
                                      {"endpoint", record.endpoint},
                                      {"probed_at", to_rfc3339(record.probed_at)},
                                      {"checks", std::move(checks)}}) +
         "\n";
}

Result<ProbeRecord> parse_probe(ByteView bytes) try {
  boost::system::error_code error;
  const json::value parsed = json::parse(as_text(bytes), error);
  if (error || !parsed.is_object()) return not_a_record();
  const json::object& object = parsed.get_object();
  const json::value& version = member(object, "version");
  const json::value& checks = member(object, "checks");
  if (version != kRecordVersion || !checks.is_array() || checks.get_array().empty() ||
      checks.get_array().size() > kMaxChecks)
    return not_a_record();
  ProbeRecord out;
  out.endpoint = text(object, "endpoint");
  out.probed_at = KEDGE_TRY(parse_rfc3339(text(object, "probed_at")));
  for (const json::value& value : checks.get_array()) {
    if (!value.is_object()) return not_a_record();
    const json::object& check = value.get_object();
    out.report.checks.push_back({.name = text(check, "name"),
                                 .ok = flag(check, "ok"),
                                 .detail = text(check, "detail"),
                                 .error = {},
                                 .needed = flag(check, "needed")});
  }
  return out;
} catch (...) {
  return memory_error("probe");
}

std::string probe_key(std::string_view endpoint) { return xxh3_128(as_bytes(endpoint)).hex(); }

Status ProbedStore::check(Deadline deadline) {
  const std::lock_guard lock(mutex_);
  return check_locked(deadline);
}

// The verdict of the record, if there is one that counts; else it is made.
Status ProbedStore::check_locked(Deadline deadline) {
  if (verdict_) return *verdict_;
  if (KEDGE_TRY(recall(deadline))) return *verdict_;
  const ProbeReport report = probe_locked(deadline);
  if (verdict_) return *verdict_;
  const Error& error = *report.undecided()->error;
  return {error.code, str_cat("whether ", describe(), " may be written to is not known: ",
                              report.undecided()->name, ": ", error.message)};
}

// Whether a probe is remembered: not one of another endpoint, nor one that is too old.
Result<bool> ProbedStore::recall(Deadline deadline) {
  ReadRequest request;
  request.key = options_.prefix + probe_key(endpoint_);
  request.length = kMaxProbeBytes;
  const Result<Blob> blob = read_one(inner(), request, deadline);
  if (!blob.ok()) {
    // Where listing is not permitted, what is not there is denied.
    if (blob.code() == Code::kNotFound || blob.code() == Code::kDenied) return false;
    return blob.error();
  }
  const Result<ProbeRecord> record = parse_probe(blob->body);
  if (!record.ok() || record->endpoint != endpoint_) return false;
  const Duration age = blob->store_time - record->probed_at;
  if (age >= kProbeLasts || age < -kProbeLasts) return false;
  verdict_ = verdict_of(record->report, describe());
  return true;
}

ProbeReport ProbedStore::probe(Deadline deadline) {
  const std::lock_guard lock(mutex_);
  return probe_locked(deadline);
}

ProbeReport ProbedStore::probe_locked(Deadline deadline) {
  verdict_.reset();
  // Threads of its own: a race needs all of its writers at once, however few cores there are.
  const std::unique_ptr<Executor> executor = make_thread_pool(options_.race_writers);
  ProbeReport report = probe_store(inner(), *executor, random_, options_, deadline);
  if (report.broken() == nullptr && report.undecided() != nullptr) return report;
  verdict_ = verdict_of(report, describe());
  const Result<Timestamp> now = inner().now(deadline);
  if (!now.ok()) return report;
  const std::string body = encode_probe({endpoint_, *now, report});
  // What is not remembered is probed again, which is all that a failure here costs.
  static_cast<void>(
      put_one(inner(), options_.prefix + probe_key(endpoint_), as_bytes(body), deadline));
  return report;
}

std::vector<Result<Written>> ProbedStore::put(std::span<const PutRequest> requests,
                                              Deadline deadline) {
  const Status allowed = check(deadline);
  if (allowed.ok()) return inner().put(requests, deadline);
  return {requests.size(), Result<Written>(allowed.error())};
}

Result<Written> ProbedStore::create(std::string_view key, ByteView body, Deadline deadline) {
  KEDGE_TRY(check(deadline));
  return inner().create(key, body, deadline);
}

Result<Written> ProbedStore::swap(std::string_view key, const Tag& expected, ByteView body,
                                  Deadline deadline) {
  KEDGE_TRY(check(deadline));
  return inner().swap(key, expected, body, deadline);
}

}  // namespace kedge
