// An HTTP/1.1 server for blocking handlers: a thread a connection, connections kept open, every
// size bounded. The handler writes its answer itself, so that it can stream, and so that a test's
// server can answer as badly as real ones do: cut, too long, late or not at all.
//
// No TLS: it listens where a proxy or a test stands beside it.
//
// Threads: the handler is called on many threads at once; start() and stop() on one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"

namespace kedge {

inline constexpr std::size_t kMaxRequestHeadBytes = 64 << 10;
// Of an answer: its body ends with the connection.
inline constexpr std::uint64_t kNoLength = ~0ULL;

struct HttpServerOptions {
  std::string host = "127.0.0.1";              // an IPv4 address
  std::uint16_t port = 0;                      // 0: any that is free
  std::size_t max_connections = 1024;          // further ones wait to be accepted
  std::uint64_t max_body_bytes = 64ULL << 20;  // a longer body is answered with 413
  Duration idle = std::chrono::seconds(75);    // a connection without a byte ends
};

// A request as it came, for whoever must see what was really sent.
struct ServedRequest {
  std::string method;
  std::string target;               // of the request line, nothing decoded
  std::vector<HttpHeader> headers;  // names in lower case, in the order they came
  Bytes body;

  // The first header of that name (lower case), "" if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const {
    for (const HttpHeader& one : headers)
      if (one.name == name) return one.value;
    return {};
  }
};

// What a handler answers through; valid during the call. A handler that returns without an answer
// closes the connection. One thread at a time.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  // The handler may keep it or take its parts.
  [[nodiscard]] virtual ServedRequest& request() = 0;

  // The head, and with it the pieces: all of a body in one call, or its beginning. Content-Length
  // says `length`, whatever then comes; kNoLength, 1xx, 204 and 304 have none. False: the client is
  // gone.
  virtual bool answer(int status, std::span<const HttpHeader> headers, std::uint64_t length,
                      std::span<const ByteView> pieces) = 0;
  // Bytes as they are. False: the client is gone.
  virtual bool write(std::span<const ByteView> pieces) = 0;

  // Ends the connection after this call: with what was written and a FIN, or at once with a RST,
  // which may overtake bytes that were written.
  virtual void close() = 0;
  virtual void reset() = 0;
  // Lets time pass. False: the client went or the server stops, perhaps before `duration` was over.
  virtual bool wait(Duration duration) = 0;
};

class HttpServer {
 public:
  using Handler = std::function<void(HttpExchange&)>;
  virtual ~HttpServer() = default;  // stops
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  // Ends every connection, also those that wait, and returns when no handler runs.
  virtual void stop() = 0;
};

// Listens when it returns. kInvalid: not an IPv4 address. kUnavailable: the address is taken.
Result<std::unique_ptr<HttpServer>> start_http_server(HttpServerOptions options,
                                                      HttpServer::Handler handler);

// The standard phrase of a status, "" for one that is not known.
std::string_view status_phrase(int status);

}  // namespace kedge
