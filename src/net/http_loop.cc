#include "net/http_loop.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <system_error>

#include "base/errno_text.h"
#include "base/strings.h"
#include "net/exit_gate.h"

namespace kedge {
namespace {

constexpr std::size_t kMaxEvents = 256;  // of one look at the sockets
// Of the files that may be open one in so many is a connection of one client, at most.
constexpr std::uint64_t kFilesAConnection = 4;
constexpr int kLongestWaitMilliseconds = 3'600'000;

HttpLoop& loop_of(void* self) { return *static_cast<HttpLoop*>(self); }

}  // namespace

Result<std::unique_ptr<HttpLoop>> HttpLoop::make(const HttpClientOptions& options, Clock& clock,
                                                 LiveCounts& counts) {
  std::unique_ptr<HttpLoop> made(new HttpLoop(options, clock, counts));
  KEDGE_TRY(made->open());
  return made;
}

HttpLoop::HttpLoop(const HttpClientOptions& options, Clock& clock, LiveCounts& counts)
    : options_(options),
      clock_(clock),
      counts_(counts),
      process_(getpid()),
      share_(curl_share_init()),
      environment_{.options = options,
                   .clock = clock,
                   .share = share_,
                   .open_socket = open_socket,
                   .close_socket = close_socket,
                   .sockets = this},
      hedges_(options.hedge_budget, options.hedge_floor) {}

Status HttpLoop::open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  multi_ = curl_multi_init();
  if (epoll_ < 0 || wake_ < 0 || multi_ == nullptr || share_ == nullptr)
    return {Code::kExhausted,
            str_cat("http: no descriptor or memory for an I/O thread: ", errno_text(errno))};
  epoll_event event{.events = EPOLLIN, .data = {.fd = wake_}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
  // A connection is an open file, and one that is kept would be in the way of all others.
  const std::uint64_t most = std::max<std::uint64_t>(1, open_files_limit() / kFilesAConnection);
  const auto connections =
      static_cast<long>(std::min<std::uint64_t>(options_.max_connections, most));
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections);
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);

  // Signals are for the program's own threads, and a write to a closed connection must end nothing.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Status status;
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error&) {
    status = Error{Code::kExhausted, "http: no thread"};
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (thread_.joinable()) pthread_setname_np(thread_.native_handle(), "kedge-http");
  return status;
}

HttpLoop::~HttpLoop() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake();
    thread_.join();
    std::unique_lock lock(mutex_);
    left_.wait(lock, [&] { return callers_ == 0; });
  }
  const GatePass pass;
  transfers_.clear();
  if (multi_ != nullptr) curl_multi_cleanup(multi_);
  if (share_ != nullptr) curl_share_cleanup(share_);
  if (wake_ >= 0) close(wake_);
  if (epoll_ >= 0) close(epoll_);
}

bool HttpLoop::is_ours() const { return process_ == getpid(); }

// ---- callers

void HttpLoop::run(const std::shared_ptr<Call>& call, const std::stop_token& stop) {
  if (!hand_in(call)) {
    for (const Exchange& one : call->exchanges)
      call->results[one.index] = Error{Code::kExhausted, "http: too many calls wait"};
    return;
  }
  {
    const std::stop_callback cancel(stop, [&] { ask_to_cancel(call); });
    wait_for(*call);
  }
  const std::lock_guard lock(mutex_);
  --callers_;
  left_.notify_all();
}

// Shows what comes to who asked for it, until all has.
void HttpLoop::wait_for(Call& call) {
  std::unique_lock lock(call.mutex);
  while (true) {
    call.changed.wait(lock, [&] { return call.done || !call.arrived.empty(); });
    if (call.arrived.empty()) return;
    const std::vector<std::size_t> arrived = std::exchange(call.arrived, {});
    lock.unlock();
    for (const std::size_t i : arrived) call.requests[i].arrived(call.results[i]->body);
    lock.lock();
  }
}

bool HttpLoop::hand_in(const std::shared_ptr<Call>& call) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || callers_ >= kMaxWaitingCalls) return false;
    ++callers_;
    first = inbox_.empty();
    inbox_.push_back(call);
  }
  if (first) wake();
  return true;
}

void HttpLoop::ask_to_cancel(const std::shared_ptr<Call>& call) {
  {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(call);
  }
  wake();
}

void HttpLoop::wake() {
  const std::uint64_t one = 1;
  // It can fail only while a wake-up is already there.
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
}

// ---- the thread

void HttpLoop::work() {
  std::array<epoll_event, kMaxEvents> events{};
  int wait = -1;
  bool stopping = false;
  while (!stopping) {
    const int count = epoll_wait(epoll_, events.data(), kMaxEvents, wait);
    // Nothing outside of it may touch an object that an exit destroys.
    const GatePass pass;
    const std::span seen(events.data(), static_cast<std::size_t>(std::max(count, 0)));
    stopping = take_inbox(seen);
    step(seen);
    wait = wait_milliseconds();
  }
  const GatePass pass;
  while (!calls_.empty()) end_call(*calls_.back(), Code::kCancelled, "the client is closed");
}

// Whether to stop.
bool HttpLoop::take_inbox(std::span<const epoll_event> events) {
  for (const epoll_event& event : events) {
    if (event.data.fd != wake_) continue;
    // Before the inbox is looked at: a call that comes after that must find its wake-up unread.
    std::uint64_t value = 0;
    [[maybe_unused]] const ssize_t got = read(wake_, &value, sizeof(value));
  }
  std::vector<std::shared_ptr<Call>> fresh;
  std::vector<std::shared_ptr<Call>> cancelled;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    fresh.swap(inbox_);
    cancelled.swap(cancelled_);
    stopping = stopping_;
  }
  for (std::shared_ptr<Call>& call : fresh) {
    environment_.next_timer = std::min(environment_.next_timer, call->deadline.at);
    waiting_.push_back(call.get());
    calls_.push_back(std::move(call));
  }
  for (const std::shared_ptr<Call>& call : cancelled)
    end_call(*call, Code::kCancelled, "cancelled");
  return stopping;
}

void HttpLoop::step(std::span<const epoll_event> events) {
  int running = 0;
  for (const epoll_event& event : events) {
    if (event.data.fd == wake_) continue;
    if (socket_at(event.data.fd).idle) {
      spoil(event.data.fd);
      continue;
    }
    const int what = ((event.events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                     ((event.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                     ((event.events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(multi_, event.data.fd, what, &running);
  }
  run_curl_timers();
  collect_ended();
  if (clock_.monotonic() >= environment_.next_timer) run_timers();
  // Each is sent as soon as it is started: the first of many does not wait for the rest.
  while (start_next()) {
    run_curl_timers();
    collect_ended();
  }
}

void HttpLoop::run_curl_timers() {
  if (clock_.monotonic() < curl_timer_) return;
  curl_timer_ = Duration::max();
  int running = 0;
  curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
}

void HttpLoop::collect_ended() {
  int left = 0;
  while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    char* self = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &self);
    Transfer& transfer = *reinterpret_cast<Transfer*>(self);
    if (transfer.exchange != nullptr) end_copy(transfer, transfer.finish(code));
  }
}

int HttpLoop::wait_milliseconds() const {
  const Duration until = std::min(curl_timer_, environment_.next_timer);
  if (until == Duration::max()) return -1;
  const std::int64_t micros = (until - clock_.monotonic()).count();
  if (micros <= 0) return 0;
  return static_cast<int>(std::min<std::int64_t>((micros + 999) / 1'000, kLongestWaitMilliseconds));
}

int HttpLoop::on_timer(CURLM*, long milliseconds, void* self) {
  HttpLoop& loop = loop_of(self);
  loop.curl_timer_ = milliseconds < 0
                         ? Duration::max()
                         : loop.clock_.monotonic() + std::chrono::milliseconds(milliseconds);
  return 0;
}

// ---- time

// Everything whose time has come; then when to look again.
void HttpLoop::run_timers() {
  const Duration now = clock_.monotonic();
  environment_.next_timer = Duration::max();
  const std::vector<Transfer*> running = running_;
  for (Transfer* const transfer : running) {
    if (transfer->exchange == nullptr) continue;  // lost to its other copy just now
    if (transfer->expires() <= now) end_copy(*transfer, transfer->timed_out(now));
  }
  const std::vector<std::shared_ptr<Call>> calls = calls_;
  for (const std::shared_ptr<Call>& call : calls)
    if (call->deadline.at <= now)
      end_call(*call, Code::kUnavailable, "the deadline of the call has passed");
  const std::vector<Transfer*> rest = running_;
  for (Transfer* const transfer : rest)
    if (transfer->copy == 0 && transfer->exchange->hedge_at <= now)
      consider_hedge(*transfer->exchange, now);
  Duration next = environment_.next_timer;
  for (const Transfer* const transfer : running_)
    next = std::min({next, transfer->expires(), transfer->exchange->hedge_at});
  for (const std::shared_ptr<Call>& call : calls_) next = std::min(next, call->deadline.at);
  environment_.next_timer = next;
}

void HttpLoop::consider_hedge(Exchange& exchange, Duration now) {
  exchange.hedge_at = Duration::max();
  if (exchange.hedged || exchange.copies[0] == nullptr || exchange.copies[0]->has_first_byte())
    return;
  const std::optional<Duration> wait = hedges_.wait(exchange.target.host_port);
  const Duration waited = now - exchange.began;
  const bool due = wait && waited >= *wait;
  if (due && running_.size() < options_.max_connections && hedges_.take()) {
    exchange.hedged = send_copy(exchange, 1);
    return;
  }
  // Too early, or not now; the longer it already took, the later the next look.
  exchange.hedge_at = now + std::max(wait && !due ? *wait - waited : waited, hedges_.floor());
}

void HttpLoop::sample_first_byte(const Transfer& transfer, Duration now) {
  const Exchange& exchange = *transfer.exchange;
  if (!hedges_.enabled() || transfer.copy != 0 ||
      !exchange.call->requests[exchange.index].may_hedge)
    return;
  // One that was given up took at least as long as this; without it the tail would vanish.
  hedges_.add(exchange.target.host_port,
              transfer.has_first_byte() ? transfer.first_byte() : now - transfer.began());
}

}  // namespace kedge
