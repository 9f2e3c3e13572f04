// HTTP messages as values, and what carries them. Whoever speaks HTTP (the S3 client, credential
// sources, later model providers) takes an HttpTransport, so that a test can answer instead.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace kedge {

struct HttpHeader {
  std::string name;
  std::string value;
};

// How long each part of one exchange may take; whatever ends first, this or the call's deadline.
struct HttpTimeouts {
  Duration connect = std::chrono::seconds(5);      // name, TCP, TLS and proxy
  Duration first_byte = std::chrono::seconds(30);  // from the whole request sent to a first byte
  Duration idle_body = std::chrono::seconds(15);   // without a byte in either direction
  Duration total = std::chrono::minutes(10);
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // absolute and percent-encoded; sent as it is, no dot segment is removed
  std::vector<HttpHeader> headers;  // Host and Content-Length come from url and body
  ByteView body;                    // borrowed for the call
  HttpTimeouts timeouts;
  // A longer body ends the exchange with kExhausted.
  std::uint64_t max_body_bytes = 64ULL << 20;
  // Must reach the server at most once: goes out on a connection of its own, because a reused one
  // that turns out dead is silently tried again by HTTP clients (RFC 9110, 9.2.2). For conditional
  // writes.
  bool at_most_once = false;
  // May be sent once more on another connection when no byte came for longer than most answers
  // take; the first whole answer counts. For reads.
  bool may_hedge = false;
  // Told of the body of a 2xx answer once it has come, while others of the call are on their way:
  // in the caller's thread, before send() returns.
  std::function<void(ByteView body)> arrived = {};
};

struct HttpResponse {
  int status = 0;
  std::vector<HttpHeader> headers;  // names in lower case, in the order they came
  Bytes body;
  // Whether the body is as long as Content-Length, or its chunks, said. A shorter one is an error
  // of the exchange and never seen here; false where the server said nothing and closed. Then the
  // body may have been cut on its way, over TLS too: libcurl 7.88 does not ask for TLS's own end.
  bool length_known = true;
  Duration first_byte{0};  // from the start of the exchange
  Duration total{0};
  bool hedged = false;  // a second copy was sent
  bool hedge_won = false;

  // The first header of that name (lower case), "" if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const {
    for (const HttpHeader& one : headers)
      if (one.name == name) return one.value;
    return {};
  }
};

// Threads: any method, from any thread.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  // One exchange each, in parallel; one answer or error each, in the order asked. Any status is an
  // answer. kUnavailable: no whole answer came (not resolved, refused, reset, too slow, cut short);
  // the request may have had its effect. kDenied: TLS: the server's certificate is not trusted or
  // is another host's. kCancelled: `stop`. kExhausted: max_body_bytes, or too many headers.
  // kInvalid: not a URL, or a method or header that cannot be sent. Nothing is sent twice, but for
  // may_hedge, and for what meets a kept connection that the server closes before a byte of the
  // answer: that goes out once more on another one, unless it is a POST or at_most_once.
  virtual std::vector<Result<HttpResponse>> send(std::span<const HttpRequest> requests,
                                                 Deadline deadline, std::stop_token stop) = 0;
  Result<HttpResponse> send_one(const HttpRequest& request, Deadline deadline) {
    return std::move(send({&request, 1}, deadline, {}).front());
  }
};

}  // namespace kedge
