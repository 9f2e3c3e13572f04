// The real HttpTransport: HTTP/1.1 on libcurl's multi interface. One thread of the client's own
// moves all bytes, begun with the first call; calls wait for it. Connections are kept and used
// again (not for HttpRequest::at_most_once).
//
// After fork() a child may use the client: it begins a thread and connections of its own, and calls
// that were under way in the parent do not exist for it. Destroying the client cancels what is
// under way. Nothing global is initialised or finalised but curl_global_init and the handlers
// of exit_gate.h, once a process; a client that is never destroyed does not hinder the exit.
//
// Threads: any method, from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "net/http.h"

namespace kedge {

struct HttpClientOptions {
  std::size_t max_connections = 128;  // at once, 1 to 1,024; further exchanges wait
  std::string ca_file = {};           // PEM; "": the system's
  bool verify_tls = true;
  // Proxies come from the environment as everyone knows them (HTTPS_PROXY, NO_PROXY ...).
  std::string user_agent = "kedge";
  // Hedges: a second copy after the live p95 of first bytes (at least hedge_floor), while a
  // connection is free and second copies are at most one more than this part of all exchanges that
  // may be hedged. 0 turns them off.
  double hedge_budget = 0.05;
  Duration hedge_floor = std::chrono::milliseconds(20);
};

// Of all exchanges since the client was made.
struct HttpClientCounts {
  std::uint64_t exchanges = 0;    // asked for
  std::uint64_t sent = 0;         // on a connection; with hedges and repeats of libcurl
  std::uint64_t connections = 0;  // opened
  std::uint64_t hedges = 0;
  std::uint64_t hedges_won = 0;
  std::uint64_t bytes_in = 0;  // of bodies
  std::uint64_t bytes_out = 0;
};

class HttpClient : public HttpTransport {
 public:
  [[nodiscard]] virtual HttpClientCounts counts() const = 0;
};

// `clock` is the one deadlines are told in; it must be system_clock() or run like it.
// kInvalid: a CA file that cannot be read.
Result<std::unique_ptr<HttpClient>> make_http_client(HttpClientOptions options, Clock& clock);

}  // namespace kedge
