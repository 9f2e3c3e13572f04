// The I/O thread of an HTTP client: libcurl's multi interface driven by epoll, timers of our own,
// hedges. Callers hand in a Call and wait until it is done; only the loop's thread touches what is
// inside until then.
//
// Calls take turns for connections, so that a large batch does not hold up a small one. A loop
// belongs to the process that made it: a child after fork() must leave it alone, and may not even
// destroy it.
//
// Threads: run(), stop() any; all else the loop's own.
#pragma once

#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "net/hedge_policy.h"
#include "net/http.h"
#include "net/http_client.h"
#include "net/http_target.h"
#include "net/transfer.h"

namespace kedge {

inline constexpr std::size_t kMaxConnections = 1'024;
inline constexpr std::size_t kMaxWaitingCalls = 65'536;  // more are refused with kExhausted

// HttpClientCounts while threads write them.
struct LiveCounts {
  std::atomic<std::uint64_t> exchanges{0};
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> hedges{0};
  std::atomic<std::uint64_t> hedges_won{0};
  std::atomic<std::uint64_t> bytes_in{0};
  std::atomic<std::uint64_t> bytes_out{0};
};

struct Call;

// One request of a call, and its copies under way.
struct Exchange {
  Call* call = nullptr;
  std::size_t index = 0;  // of its request and result
  HttpTarget target;
  std::array<Transfer*, 2> copies{};
  Duration began{0};
  Duration hedge_at = Duration::max();
  bool hedged = false;
  // A bad end of one copy, while the other may still do better.
  std::optional<Result<HttpResponse>> spare;
};

// A batch and its caller.
struct Call {
  std::span<const HttpRequest> requests;
  Deadline deadline;
  std::vector<Exchange> exchanges;  // of the requests that can be sent
  std::vector<Result<HttpResponse>> results;

  // The loop's.
  std::size_t started = 0;
  std::size_t settled = 0;

  std::mutex mutex;
  std::condition_variable changed;
  // Under mutex.
  std::vector<std::size_t> arrived;  // of results that the caller wants to look at at once
  bool done = false;
};

class HttpLoop {
 public:
  // `options`, `clock` and `counts` outlive it. kExhausted: no thread, descriptor or memory.
  static Result<std::unique_ptr<HttpLoop>> make(const HttpClientOptions& options, Clock& clock,
                                                LiveCounts& counts);
  // Cancels what is under way and waits until its callers have left run().
  ~HttpLoop();
  HttpLoop(const HttpLoop&) = delete;
  HttpLoop& operator=(const HttpLoop&) = delete;

  // Whether this process made it.
  [[nodiscard]] bool is_ours() const;

  // Carries out `call`, whose exchanges are not empty; returns when each has its result.
  void run(const std::shared_ptr<Call>& call, const std::stop_token& stop);

 private:
  HttpLoop(const HttpClientOptions& options, Clock& clock, LiveCounts& counts);
  Status open();
  static void wait_for(Call& call);
  bool hand_in(const std::shared_ptr<Call>& call);
  void ask_to_cancel(const std::shared_ptr<Call>& call);
  void wake();

  // The thread.
  void work();
  bool take_inbox(std::span<const epoll_event> events);
  void step(std::span<const epoll_event> events);
  void run_curl_timers();
  void collect_ended();
  bool start_next();
  void run_timers();
  [[nodiscard]] int wait_milliseconds() const;

  // Exchanges.
  bool start(Exchange& exchange);
  bool send_copy(Exchange& exchange, std::size_t copy);
  void end_copy(Transfer& transfer, Result<HttpResponse> result);
  void release(Transfer& transfer);
  void settle(Exchange& exchange, Result<HttpResponse> result);
  void end_call(Call& call, Code code, std::string_view why);
  void consider_hedge(Exchange& exchange, Duration now);
  void sample_first_byte(const Transfer& transfer, Duration now);

  // A socket as epoll and libcurl know it.
  struct Socket {
    bool connection = false;   // opened by us; libcurl's others are of its resolver
    bool idle = false;         // libcurl keeps it and expects nothing
    std::uint32_t wanted = 0;  // events; 0: not in epoll
  };
  Socket& socket_at(curl_socket_t socket);
  void watch(curl_socket_t socket, std::uint32_t wanted);
  void spoil(curl_socket_t socket);

  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int close_socket(void* self, curl_socket_t socket);
  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* known);
  static int on_timer(CURLM* multi, long milliseconds, void* self);

  const HttpClientOptions& options_;
  Clock& clock_;
  LiveCounts& counts_;
  const pid_t process_;
  int epoll_ = -1;
  int wake_ = -1;
  CURLM* multi_ = nullptr;
  CURLSH* share_ = nullptr;
  TransferEnvironment environment_;
  std::vector<Socket> sockets_;  // by descriptor
  HedgePolicy hedges_;
  Duration curl_timer_ = Duration::max();
  std::vector<std::shared_ptr<Call>> calls_;  // not done
  std::vector<Call*> waiting_;                // with exchanges not started, in turn
  std::size_t next_turn_ = 0;
  std::vector<std::unique_ptr<Transfer>> transfers_;  // all there are, at most max_connections
  std::vector<Transfer*> resting_;
  std::vector<Transfer*> running_;

  std::mutex mutex_;
  std::condition_variable left_;
  std::vector<std::shared_ptr<Call>> inbox_;  // under mutex_, as all below
  std::vector<std::shared_ptr<Call>> cancelled_;
  std::size_t callers_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kedge
