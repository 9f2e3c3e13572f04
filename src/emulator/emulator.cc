#include "emulator/emulator.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/hash.h"
#include "base/strings.h"
#include "emulator/delivery.h"
#include "emulator/digests.h"
#include "emulator/server.h"
#include "emulator/xml.h"

namespace kedge::emulator {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;  // of made-up objects

// The name of a made-up object: the request's, with its number and its hash in it.
std::string filled_name(const FillRequest& request, std::uint64_t number) {
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%010llu", static_cast<unsigned long long>(number));
  const std::string hash = xxh3_128(as_bytes(str_cat(request.prefix, digits.data()))).hex();
  std::string name = request.name;
  const std::pair<std::string_view, std::string> parts[] = {
      {"{number}", digits.data()}, {"{hh}", hash.substr(0, 2)}, {"{32}", hash}};
  for (const auto& [part, value] : parts) {
    for (std::size_t at = name.find(part); at != std::string::npos; at = name.find(part, at))
      name.replace(at, part.size(), value);
  }
  return request.prefix + name;
}

bool is_error(const Reply& reply) { return reply.status >= 400; }

bool public_operation(Operation operation) {
  return operation == Operation::kGetObject || operation == Operation::kHeadObject ||
         operation == Operation::kListObjects || operation == Operation::kListObjectsV2 ||
         operation == Operation::kHeadBucket;
}

Failure failure_of(const Fault& fault) {
  Failure failure{fault.status, fault.code, fault.message};
  const bool throttle = fault.kind == FaultKind::kThrottle;
  if (failure.status == 0) failure.status = throttle ? 503 : 500;
  if (failure.code.empty()) failure.code = failure.status == 503 ? "SlowDown" : "InternalError";
  if (failure.message.empty()) failure.message = "As the script wants it.";
  return failure;
}

}  // namespace

Result<std::unique_ptr<Emulator>> Emulator::start(Options options) {
  auto server = std::make_unique<Server>(std::move(options));
  if (auto done = server->listen(); !done.ok()) return done.error();
  return std::unique_ptr<Emulator>(std::move(server));
}

Server::Server(Options options)
    : options_(std::move(options)),
      domains_{options_.domain, options_.host},
      store_(options_.seed),
      script_(options_.seed + 1),
      random_(options_.seed + 2) {
  live_ = std::make_shared<const Live>(
      Live{options_.clock_offset, options_.latency, options_.bandwidth, options_.shared_bandwidth,
           options_.redirect_wrong_region, options_.denials, options_.keys});
}

Server::~Server() { stop(); }

Status Server::listen() {
  if (auto done = script_.add(options_.faults); !done.ok()) return done;
  HttpServerOptions http;
  http.host = options_.host;
  http.port = options_.port;
  http.max_body_bytes = options_.max_body_bytes;
  http_ = KEDGE_TRY(start_http_server(http, [this](HttpExchange& exchange) { handle(exchange); }));
  port_ = http_->port();
  return {};
}

void Server::stop() {
  if (http_ != nullptr) http_->stop();
}

std::string Server::endpoint() const { return str_cat("http://", options_.host, ":", port_); }

std::shared_ptr<const Live> Server::live() const {
  const std::lock_guard lock(live_mutex_);
  return live_;
}

void Server::set(const Settings& settings) {
  const std::lock_guard lock(live_mutex_);
  auto next = std::make_shared<Live>(*live_);
  next->clock_offset = settings.clock_offset.value_or(next->clock_offset);
  next->latency = settings.latency.value_or(next->latency);
  next->bandwidth = settings.bandwidth.value_or(next->bandwidth);
  next->shared_bandwidth = settings.shared_bandwidth.value_or(next->shared_bandwidth);
  next->redirect_wrong_region =
      settings.redirect_wrong_region.value_or(next->redirect_wrong_region);
  if (settings.denials) next->denials = *settings.denials;
  if (settings.keys) next->keys = *settings.keys;
  live_ = std::move(next);
}

void Server::make_bucket(const std::string& name, const BucketOptions& options) {
  const std::lock_guard lock(store_.mutex);
  const auto [at, made] = store_.buckets.try_emplace(name);
  Bucket& bucket = at->second;
  if (made) bucket.created = options_.clock->now() + live()->clock_offset;
  bucket.region = options.region.empty() ? options_.region : options.region;
  if (options.versioned) bucket.versioning = Versioning::kEnabled;
  bucket.public_read = options.public_read;
  bucket.requester_pays = options.requester_pays;
}

Status Server::fill(const FillRequest& request) {
  if (request.count > kMaxFill)
    return {Code::kExhausted, str_cat("more than ", kMaxFill, " objects")};
  auto content = std::make_shared<Content>();
  Bytes block(kBlockBytes);
  SeededRandom random(options_.seed);
  for (std::size_t i = 0; i + 8 <= block.size(); i += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(block.data() + i, &word, 8);
  }
  content->body = Body::repeated(std::make_shared<const Bytes>(std::move(block)), request.size);
  // Not the MD5 of the body: of 5 GiB that would take its time, and a tag is all that is promised.
  content->etag =
      str_cat('"', to_hex(md5(as_bytes(str_cat(options_.seed, "-", request.size)))), '"');
  content->headers = {{"content-type", "binary/octet-stream"}};
  const Timestamp now = options_.clock->now() + live()->clock_offset;
  for (std::uint64_t i = 0; i < request.count; ++i) {
    const std::string key = filled_name(request, i);
    // The lock is taken for one object, so that requests go on beside a million of them.
    const std::lock_guard lock(store_.mutex);
    Bucket* bucket = store_.find(request.bucket);
    if (bucket == nullptr)
      return {Code::kNotFound, str_cat("no bucket ", printable(request.bucket))};
    store_.write(*bucket, key, content, now);
  }
  return {};
}

std::map<std::string, Counts> Server::counts() const {
  const std::lock_guard lock(counts_mutex_);
  return counts_;
}

std::vector<Record> Server::records() const {
  const std::lock_guard lock(counts_mutex_);
  return {records_.begin(), records_.end()};
}

void Server::forget_counts() {
  const std::lock_guard lock(counts_mutex_);
  counts_.clear();
  records_.clear();
}

bool Server::may(const Live& live, std::string_view permission, std::string_view bucket,
                 std::string_view key) const {
  return std::ranges::none_of(live.denials, [&](const Denial& denial) {
    return (denial.permission == permission || denial.permission == "s3:*") &&
           (denial.bucket.empty() || denial.bucket == bucket) && key.starts_with(denial.prefix);
  });
}

void Server::handle(HttpExchange& exchange) {
  if (std::string_view(exchange.request().target).starts_with("/_emulator/")) {
    administer(exchange);
    return;
  }
  const std::uint64_t bytes_in = exchange.request().body.size();
  // Records have real times: the clock of the options may be set while an answer is on its way.
  Visit one{exchange, std::make_shared<S3Request>(), {}, live(), system_clock().monotonic()};
  const auto refusal = parse_request(std::move(exchange.request()), domains_, *one.request);
  const S3Request& request = *one.request;
  if (refusal) {
    one.reply = reply_of(*refusal, request);
  } else {
    one.plan = script_.plan(facts(request.operation).name, request.http.method, request.bucket,
                            request.key, options_.clock->monotonic());
    Duration delay{0};
    if (!one.live->latency.none()) {
      const std::lock_guard lock(random_mutex_);
      delay = one.live->latency.draw(random_);
    }
    if (const Fault* fault = one.plan.find(FaultKind::kDelay)) delay += fault->time;
    if (one.live->bandwidth > 0)
      delay += Duration(static_cast<std::int64_t>(static_cast<double>(bytes_in) * 1e6 /
                                                  static_cast<double>(one.live->bandwidth)));
    if (delay > Duration(0) && !exchange.wait(delay)) {
      exchange.close();
      one.answered = false;
      record(one, bytes_in, false);
      return;
    }
    visit(one);
  }
  if (one.answered) {
    finish(one.reply);
    send(one);
  }
  record(one, bytes_in, one.answered);
}

void Server::visit(Visit& visit) {
  visit.offset = visit.live->clock_offset;
  if (const Fault* skew = visit.plan.find(FaultKind::kClockSkew)) visit.offset += skew->time;
  land_late();
  const auto refusal = admit(visit);
  if (refusal) {
    visit.reply = reply_of(*refusal, *visit.request);
    return;
  }
  const Fault* instead = visit.plan.instead();
  if (instead != nullptr) {
    visit.answered = fault_instead(visit, *instead);
    return;
  }
  visit.reply = carry_out(*visit.request, visit.plan, visit.offset, &visit.exchange);
  if (visit.plan.has(FaultKind::kDuplicateEffect))
    visit.reply = carry_out(*visit.request, visit.plan, visit.offset, &visit.exchange);
}

// A bucket has a region, who may read it unsigned, and who pays.
Refusal Server::admit_to_bucket(Visit& visit, std::string& region) {
  const S3Request& request = *visit.request;
  const bool is_signed = !request.header("authorization").empty() || request.has("X-Amz-Algorithm");
  const std::lock_guard lock(store_.mutex);
  const Bucket* bucket = store_.find(request.bucket);
  if (bucket != nullptr) region = bucket->region;
  if (!is_signed) {
    const bool open = bucket != nullptr && bucket->public_read &&
                      public_operation(request.operation) && !bucket->requester_pays;
    if (!open) return denied();
  }
  if (bucket == nullptr) return {};
  const std::string_view owner = request.header("x-amz-expected-bucket-owner");
  if (!owner.empty() && owner != options_.account) return denied();
  if (bucket->requester_pays && request.header("x-amz-request-payer") != "requester" &&
      request.argument("x-amz-request-payer") != "requester")
    return denied();
  return {};
}

Refusal Server::admit(Visit& visit) {
  S3Request& request = *visit.request;
  std::string region = options_.region;
  auto unwelcome = admit_to_bucket(visit, region);
  const Timestamp now = options_.clock->now() + visit.offset;
  auto refusal = authenticate(request, {visit.live->keys, region, now}, visit.caller);
  if (refusal && refusal->details.starts_with("<Region>")) {
    if (visit.live->redirect_wrong_region)
      refusal = Failure{301,
                        "PermanentRedirect",
                        "The bucket you are attempting to access must be addressed using the "
                        "specified endpoint. Please send all future requests to this endpoint.",
                        {},
                        str_cat("<Endpoint>", request.http.header("host"), "</Endpoint><Bucket>",
                                request.bucket, "</Bucket>")};
    refusal->headers.push_back({"x-amz-bucket-region", region});
  }
  if (refusal) return refusal;
  if (unwelcome) return unwelcome;
  if (auto wrong = check_payload(request)) return wrong;
  // What DeleteObjects may is decided key by key; a listing is allowed by its prefix.
  const std::string_view subject =
      request.key.empty() ? request.argument("prefix") : std::string_view(request.key);
  const bool allowed = request.operation == Operation::kDeleteObjects ||
                       may(*visit.live, request.permission(), request.bucket, subject);
  if (!allowed || (visit.caller.read_only && !facts(request.operation).reads)) return denied();
  return {};
}

// Whether there is an answer to send.
bool Server::fault_instead(Visit& visit, const Fault& fault) {
  if (fault.effect)
    static_cast<void>(carry_out(*visit.request, visit.plan, visit.offset, &visit.exchange));
  const bool answers = fault.kind == FaultKind::kError || fault.kind == FaultKind::kThrottle ||
                       fault.kind == FaultKind::kErrorInOk ||
                       fault.kind == FaultKind::kExpiredToken ||
                       (fault.kind == FaultKind::kLateEffect && fault.status != 0);
  if (fault.kind == FaultKind::kLateEffect) {
    const std::lock_guard lock(late_mutex_);
    const bool by_time = fault.time > Duration(0);
    const Duration due = by_time ? options_.clock->monotonic() + fault.time : Duration::max();
    if (late_.size() < kMaxLate) late_.push_back({visit.request, visit.plan, fault.requests, due});
    any_late_ = true;
  }
  if (answers) {
    visit.reply =
        fault.kind == FaultKind::kExpiredToken
            ? reply_of({400, "ExpiredToken", "The provided token has expired."}, *visit.request)
            : reply_of(failure_of(fault), *visit.request);
    if (fault.kind == FaultKind::kErrorInOk) visit.reply.status = 200;
    return true;
  }
  if (fault.kind == FaultKind::kStall) {
    stall(visit.exchange);
  } else if (fault.kind == FaultKind::kClose) {
    visit.exchange.close();
  } else {
    visit.exchange.reset();
  }
  return false;
}

Reply Server::carry_out(const S3Request& request, const FaultPlan& plan, Duration offset,
                        HttpExchange* exchange) {
  const auto live_now = live();
  Context context{.store = store_, .plan = plan, .now = options_.clock->now() + offset};
  context.min_part_bytes = options_.min_part_bytes;
  context.account = options_.account;
  context.region = options_.region;
  context.may = [&](std::string_view permission, std::string_view bucket, std::string_view key) {
    return may(*live_now, permission, bucket, key);
  };
  context.pause = [&](Duration time) {
    if (exchange != nullptr) exchange->wait(time);
  };
  return execute(request, context);
}

// Before anything else of a new request, so that what is due has happened when it looks.
void Server::land_late() {
  if (!any_late_) return;
  std::vector<Late> due;
  {
    const std::lock_guard lock(late_mutex_);
    const Duration now = options_.clock->monotonic();
    for (auto one = late_.begin(); one != late_.end();) {
      const bool counted = one->requests > 0 && --one->requests == 0;
      if (counted || now >= one->due) {
        due.push_back(std::move(*one));
        one = late_.erase(one);
      } else {
        ++one;
      }
    }
    any_late_ = !late_.empty();
  }
  const Duration offset = live()->clock_offset;
  for (const Late& one : due) static_cast<void>(carry_out(*one.request, one.plan, offset, nullptr));
}

// Ids for every answer, and the end of an error's XML, which names one.
void Server::finish(Reply& reply) {
  std::array<char, 40> id{};
  std::snprintf(id.data(), id.size(), "%016llX",
                static_cast<unsigned long long>(next_id_++ * 0x9E3779B97F4A7C15ULL));
  const std::string host_id = str_cat("kedge-emulator/", id.data());
  reply.set("x-amz-request-id", id.data());
  reply.set("x-amz-id-2", host_id);
  if (reply.error_code.empty() || reply.body.size() == 0) return;
  const Bytes begun = reply.body.flat();
  reply.send_all(Body(str_cat(as_text(begun), "<RequestId>", id.data(), "</RequestId><HostId>",
                              host_id, "</HostId></Error>")));
}

void Server::send(Visit& visit) {
  visit.reply.set("Date", http_date(options_.clock->now() + visit.offset));
  visit.reply.set("Server", "kedge-s3-emulator");
  visit.reply.without_body = visit.request->http.method == "HEAD";
  const Pace pace{visit.live->bandwidth, visit.live->shared_bandwidth, link_};
  visit.answered = deliver(visit.exchange, visit.reply, visit.plan, pace, *options_.clock);
}

void Server::record(const Visit& visit, std::uint64_t bytes_in, bool whole) {
  const S3Request& request = *visit.request;
  const OperationFacts& what = facts(request.operation);
  const std::lock_guard lock(counts_mutex_);
  Counts& counts = counts_[std::string(what.name)];
  ++counts.requests;
  counts.errors += !whole || is_error(visit.reply) ? 1 : 0;
  counts.bytes_in += bytes_in;
  if (whole && request.http.method != "HEAD") counts.bytes_out += visit.reply.length;
  if (records_.size() >= kMaxRecords) records_.pop_front();
  records_.push_back({std::string(what.name), std::string(request.permission()), request.bucket,
                      request.key, std::string(request.header("range")), visit.caller.access_key_id,
                      whole ? visit.reply.status : 0,
                      whole && request.http.method != "HEAD" ? visit.reply.length : 0, visit.began,
                      system_clock().monotonic()});
}

}  // namespace kedge::emulator
