#include "s3/s3_client.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "s3/http_date.h"
#include "s3/sigv4.h"

namespace kedge {
namespace {

// How old a Date header may be to tell the store's time by what has passed since.
constexpr Duration kFreshTime = std::chrono::minutes(5);
// Requests of one batch that are signed and handed over together: bodies that wait take memory.
constexpr std::size_t kMaxRound = 1024;

std::string payload_hash(ByteView body) {
  return body.empty() ? std::string(kEmptyPayloadHash) : to_hex(sha256(body));
}

bool is_good(int status) { return (status >= 200 && status < 300) || status == 304; }

std::string what_of(const S3Call& call, const S3Client& client) {
  std::string out = call.method + " " + client.name_of(call.key);
  if (call.key.empty() && !call.query.empty()) out += " (" + call.query.front().first + ")";
  return out;
}

}  // namespace

S3Client::S3Client(std::string bucket, S3Options options, S3Environment environment)
    : bucket_(std::move(bucket)),
      options_(std::move(options)),
      environment_(environment),
      region_(options_.region) {}

std::string S3Client::name_of(std::string_view key) const {
  std::string name = "s3://" + bucket_;
  if (!key.empty()) name += "/" + std::string(key);
  return str_cat("'", printable(name), "'");
}

void S3Client::saw(Timestamp store_time) {
  if (store_time.micros == 0) return;
  const std::lock_guard lock(mutex_);
  const Duration now = environment_.clock.monotonic();
  // Servers of one store differ by a little; what was known stays known.
  const bool older = seen_time_.micros != 0 && store_time < seen_time_ + (now - seen_at_);
  if (older && now - seen_at_ < kFreshTime) return;
  seen_time_ = store_time;
  seen_at_ = now;
}

std::optional<Timestamp> S3Client::store_time() const {
  const std::lock_guard lock(mutex_);
  const Duration since = environment_.clock.monotonic() - seen_at_;
  if (seen_time_.micros == 0 || since > kFreshTime) return std::nullopt;
  const Timestamp now = seen_time_ + since;
  return Timestamp{now.micros - now.micros % 1'000'000};
}

Result<S3Endpoint> S3Client::endpoint(Timestamp* signing_time) const {
  S3Options options = options_;
  {
    const std::lock_guard lock(mutex_);
    options.region = region_;
    *signing_time = environment_.clock.now() + clock_offset_;
  }
  return resolve_endpoint(options, bucket_);
}

Result<HttpRequest> S3Client::prepare(const S3Call& call, const Credentials* credentials) {
  Timestamp time;
  const S3Endpoint endpoint = KEDGE_TRY(this->endpoint(&time));
  SignedRequest request{.method = call.method,
                        .host = endpoint.host,
                        .path = endpoint.path(call.key),
                        .query = call.query,
                        .headers = call.headers,
                        .payload_hash = {}};
  if (options_.requester_pays) request.headers.push_back({"x-amz-request-payer", "requester"});
  if (!options_.expected_bucket_owner.empty())
    request.headers.push_back({"x-amz-expected-bucket-owner", options_.expected_bucket_owner});
  HttpRequest http;
  http.method = call.method;
  http.url = endpoint.url(call.key, encode_query(call.query));
  http.body = call.body;
  http.max_body_bytes = call.max_body_bytes;
  http.at_most_once = call.at_most_once;
  http.may_hedge = call.may_hedge;
  http.arrived = call.arrived;
  if (credentials == nullptr) {
    http.headers = std::move(request.headers);
    return http;
  }
  request.payload_hash = payload_hash(call.body);
  http.headers = sign_headers(request, *credentials, {.region = endpoint.region, .time = time});
  return http;
}

S3Outcome S3Client::send_one(const S3Call& call, Deadline deadline) {
  return std::move(send({&call, 1}, deadline).front());
}

std::vector<S3Outcome> S3Client::send(std::span<const S3Call> calls, Deadline deadline) {
  std::vector<S3Outcome> outcomes(calls.size());
  for (std::size_t from = 0; from < calls.size(); from += kMaxRound) {
    std::vector<std::size_t> which;
    for (std::size_t i = from; i < std::min(calls.size(), from + kMaxRound); ++i)
      which.push_back(i);
    std::vector<S3Correction> tried(which.size(), S3Correction::kNone);
    // A request may need all three corrections, each once: a region, a clock, credentials.
    for (int attempt = 0; attempt < 4 && !which.empty(); ++attempt) {
      Credentials used;
      const std::vector<S3Correction> needed = round(calls, which, outcomes, used, deadline);
      std::vector<std::size_t> again;
      std::vector<S3Correction> again_tried;
      for (std::size_t i = 0; i < which.size(); ++i) {
        if (needed[i] == S3Correction::kNone || needed[i] == tried[i]) continue;
        if (!correct(needed[i], outcomes[which[i]], used, deadline)) continue;
        again.push_back(which[i]);
        again_tried.push_back(needed[i]);
      }
      which = std::move(again);
      tried = std::move(again_tried);
    }
  }
  return outcomes;
}

std::vector<S3Correction> S3Client::round(std::span<const S3Call> calls,
                                          std::span<const std::size_t> which,
                                          std::vector<S3Outcome>& outcomes, Credentials& used,
                                          Deadline deadline) {
  std::vector<S3Correction> needed(which.size(), S3Correction::kNone);
  Clock& clock = environment_.clock;
  const auto fail_all = [&](const Error& error) {
    for (const std::size_t i : which) outcomes[i] = {std::nullopt, {.error = error}};
    return needed;
  };
  std::optional<Credentials> credentials;
  if (!options_.no_sign) {
    Result<Credentials> found = environment_.credentials.get(deadline);
    if (!found.ok()) return fail_all(found.error());
    credentials = std::move(found).value();
    used = *credentials;
  }
  const bool is_write = calls[which.front()].is_write;
  RateLimiter& limiter = is_write ? writes_ : reads_;
  while (true) {
    const Duration wait = limiter.take(which.size(), clock.monotonic());
    if (wait == Duration{0}) break;
    if (deadline.at != Duration::max() && clock.monotonic() + wait >= deadline.at)
      return fail_all({Code::kUnavailable, str_cat(name_of(""),
                                                   " is throttled: the deadline would "
                                                   "pass before the request may go")});
    clock.sleep(wait);
  }
  std::vector<HttpRequest> requests;
  std::vector<std::size_t> sent;
  for (std::size_t i = 0; i < which.size(); ++i) {
    Result<HttpRequest> prepared = prepare(calls[which[i]], credentials ? &*credentials : nullptr);
    if (!prepared.ok()) {
      outcomes[which[i]] = {std::nullopt, {.error = prepared.error()}};
      continue;
    }
    requests.push_back(std::move(prepared).value());
    sent.push_back(i);
  }
  const Timestamp known_before = store_time().value_or(Timestamp{});
  std::vector<Result<HttpResponse>> responses = environment_.transport.send(requests, deadline, {});
  std::uint64_t throttled = 0;
  for (std::size_t r = 0; r < sent.size(); ++r) {
    const std::size_t i = which[sent[r]];
    needed[sent[r]] = take(calls[i], requests[r], std::move(responses[r]), outcomes[i]);
    if (outcomes[i].ok()) outcomes[i].answer->known_before = known_before;
    const S3Refusal& refusal = outcomes[i].refusal;
    if (!outcomes[i].ok() && refusal.status != 0 &&
        s3_rule(refusal.status, refusal.body.code).throttled)
      ++throttled;
  }
  limiter.answered(sent.size(), throttled, clock.monotonic());
  return needed;
}

// What one answer means, before the caller looks at what it asked for.
S3Correction S3Client::take(const S3Call& call, const HttpRequest& request,
                            Result<HttpResponse> response, S3Outcome& outcome) {
  outcome = {};
  if (!response.ok()) {
    outcome.refusal.error = {response.code(),
                             what_of(call, *this) + ": " + response.error().message};
    log(call, outcome, Duration{0});
    return S3Correction::kNone;
  }
  const Timestamp store_time = parse_http_date(response->header("date"));
  saw(store_time);
  const Duration took = response->total;
  if (is_good(response->status)) {
    outcome.answer = S3Answer{std::move(response).value(), store_time, {}, took};
    log(call, outcome, took);
    return S3Correction::kNone;
  }
  S3Refusal& refusal = outcome.refusal;
  refusal.status = response->status;
  refusal.store_time = store_time;
  if (request.method != "HEAD") refusal.body = parse_s3_error(response->body);
  if (refusal.body.region.empty()) refusal.body.region = response->header("x-amz-bucket-region");
  const S3Rule& rule = s3_rule(refusal.status, refusal.body.code);
  refusal.error = {rule.meaning, s3_error_message(what_of(call, *this), *response, refusal.body)};
  S3Correction correction = rule.correction;
  // A HEAD's 400 has no body that could tell; the bucket's region beside it can, and so may a 400
  // or 403 that expired credentials got.
  const std::string& region = refusal.body.region;
  {
    const std::lock_guard lock(mutex_);
    if (correction == S3Correction::kNone && !region.empty() && region != region_ &&
        (refusal.status == 400 || refusal.status == 403))
      correction = S3Correction::kRegion;
  }
  log(call, outcome, took);
  return correction;
}

bool S3Client::correct(S3Correction correction, const S3Outcome& outcome, const Credentials& used,
                       Deadline deadline) {
  switch (correction) {
    case S3Correction::kNone:
      return false;
    case S3Correction::kRegion:
      return find_region(outcome, deadline);
    case S3Correction::kClock: {
      if (outcome.refusal.store_time.micros == 0) return false;
      const std::lock_guard lock(mutex_);
      clock_offset_ = outcome.refusal.store_time - environment_.clock.now();
      return true;
    }
    case S3Correction::kCredentials:
      environment_.credentials.refused(used);
      return true;
  }
  return false;
}

bool S3Client::find_region(const S3Outcome& outcome, Deadline deadline) {
  std::string region = outcome.refusal.body.region;
  if (region.empty() && outcome.refusal.status >= 300 && outcome.refusal.status < 400) {
    // Some stores name the region only to who asks for the bucket.
    S3Call call;
    call.method = "HEAD";
    Result<HttpRequest> prepared = prepare(call, nullptr);
    if (!prepared.ok()) return false;
    const Result<HttpResponse> response = environment_.transport.send_one(*prepared, deadline);
    if (response.ok()) region = response->header("x-amz-bucket-region");
  }
  const bool plausible = !region.empty() && region.size() <= 64 &&
                         std::all_of(region.begin(), region.end(), [](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                         });
  if (!plausible) return false;
  const std::lock_guard lock(mutex_);
  if (region_ == region) return false;
  environment_.log.debug(str_cat("s3: ", name_of(""), " lies in ", region));
  region_ = region;
  return true;
}

Result<std::string> S3Client::presign(std::string_view key, std::string_view version_id,
                                      Duration valid, Deadline deadline) {
  Timestamp time;
  const S3Endpoint endpoint = KEDGE_TRY(this->endpoint(&time));
  SignedRequest request{.method = "GET",
                        .host = endpoint.host,
                        .path = endpoint.path(key),
                        .query = {},
                        .headers = {},
                        .payload_hash = std::string(kUnsignedPayload)};
  if (!version_id.empty()) request.query.emplace_back("versionId", version_id);
  if (options_.requester_pays) request.query.emplace_back("x-amz-request-payer", "requester");
  if (options_.no_sign) return endpoint.url(key, encode_query(request.query));
  const Credentials credentials = KEDGE_TRY(environment_.credentials.get(deadline));
  return endpoint.url(
      key, presign_query(request, credentials, {.region = endpoint.region, .time = time}, valid));
}

void S3Client::log(const S3Call& call, const S3Outcome& outcome, Duration took) const {
  const std::int64_t millis = took.count() / 1000;
  if (!outcome.ok()) {
    environment_.log.debug(str_cat("s3: ", outcome.refusal.error.message, ", ", millis, " ms"));
    return;
  }
  std::string range;
  for (const HttpHeader& header : call.headers)
    if (header.name == "range") range = " " + header.value;
  const HttpResponse& response = outcome.answer->response;
  environment_.log.debug(str_cat("s3: ", what_of(call, *this), range, " -> ", response.status,
                                 " in ", millis, " ms, ", call.body.size(), " bytes out, ",
                                 response.body.size(), " in, request id ",
                                 printable(response.header("x-amz-request-id"))));
}

}  // namespace kedge
