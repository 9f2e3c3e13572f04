// The server as a client on a plain socket sees it. No other client stands between: what is tested
// is which bytes go out, and when.
#include "net/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/strings.h"

namespace kedge {
namespace {

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

// Sends, and reads until the other side closes.
std::string converse(std::uint16_t port, std::string_view sent) {
  const int fd = connect_to(port);
  EXPECT_EQ(::send(fd, sent.data(), sent.size(), MSG_NOSIGNAL), static_cast<ssize_t>(sent.size()));
  std::string got;
  std::array<char, 4096> buffer{};
  ssize_t count = 0;
  while ((count = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0)
    got.append(buffer.data(), static_cast<std::size_t>(count));
  ::close(fd);
  return count < 0 ? got + "<reset>" : got;
}

void echo(HttpExchange& exchange) {
  const ServedRequest& request = exchange.request();
  const std::string text = str_cat(request.method, " ", request.target, " ", request.header("x-a"),
                                   " ", as_text(request.body));
  const ByteView piece = as_bytes(text);
  exchange.answer(200, {}, text.size(), {&piece, 1});
}

std::unique_ptr<HttpServer> start(HttpServer::Handler handler, HttpServerOptions options = {}) {
  return std::move(start_http_server(std::move(options), std::move(handler)).value());
}

// What a handler sees must be what was sent: signatures are made over the raw target and headers.
TEST(HttpServer, ShowsTheRequestAsItCame) {
  const struct {
    const char* why;
    std::string sent;
    std::string seen;
  } cases[] = {
      {"nothing is decoded", "GET /a%2Fb/../c?x=%20+ HTTP/1.1\r\n", "GET /a%2Fb/../c?x=%20+  "},
      {"a body by its length", "PUT /k HTTP/1.1\r\nContent-Length: 3\r\nX-A: v\r\n",
       "PUT /k v abc"},
      {"a body in chunks", "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "PUT /k  abc"},
      {"one that waits to be asked",
       "PUT /k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n", "PUT /k  abc"},
  };
  const auto server = start(echo);
  for (const auto& c : cases) {
    const bool chunked = c.sent.find("chunked") != std::string::npos;
    const bool body = c.sent.starts_with("PUT");
    const std::string got = converse(server->port(), c.sent + "Connection: close\r\n\r\n" +
                                                         (!body     ? ""
                                                          : chunked ? "3\r\nabc\r\n0\r\n\r\n"
                                                                    : "abc"));
    EXPECT_TRUE(got.ends_with("\r\n\r\n" + c.seen)) << c.why << ": " << got;
    EXPECT_EQ(got.starts_with("HTTP/1.1 100 Continue\r\n\r\n"),
              c.sent.find("Expect") != std::string::npos)
        << c.why;
  }
}

TEST(HttpServer, AnswersSeveralRequestsOfOneConnectionInOrder) {
  const auto server = start(echo);
  const std::string got = converse(
      server->port(), "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::size_t first = got.find("GET /1");
  EXPECT_NE(first, std::string::npos) << got;
  EXPECT_GT(got.find("GET /2"), first) << got;
  EXPECT_NE(got.find("GET /2"), std::string::npos) << got;
}

// Hostile input must end in a status or a closed connection, and never reach the handler.
TEST(HttpServer, RefusesWhatIsTooLongOrBroken) {
  const struct {
    const char* why;
    std::string sent;
    std::string status;  // "": just closed
  } cases[] = {
      {"a head over its limit",
       "GET / HTTP/1.1\r\nA: " + std::string(kMaxRequestHeadBytes, 'a') + "\r\n\r\n", "431"},
      {"a body over its limit", "PUT / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", "413"},
      {"chunks over the limit",
       "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n" + std::string(1001, 'x'),
       "413"},
      {"no HTTP at all", "hello\r\n\r\n", "400"},
      {"a length that is no number", "PUT / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400"},
  };
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  bool called = false;
  const auto server = start([&](HttpExchange&) { called = true; }, options);
  for (const auto& c : cases) {
    const std::string got = converse(server->port(), c.sent);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 " + c.status)) << c.why << ": " << got;
    EXPECT_FALSE(called) << c.why;
  }
}

// The emulator stands on these: an answer must be as bad as the handler wants it.
TEST(HttpServer, SendsBrokenAnswersAsTheHandlerWants) {
  const std::string text = "abc";
  const ByteView piece = as_bytes(text);
  const struct {
    const char* why;
    HttpServer::Handler handler;
    std::string end;
  } cases[] = {
      {"fewer bytes than promised",
       [&](HttpExchange& e) {
         e.answer(200, {}, 10, {&piece, 1});
         e.close();
       },
       "Content-Length: 10\r\n\r\nabc"},
      {"no length",
       [&](HttpExchange& e) {
         e.answer(200, {}, kNoLength, {&piece, 1});
       },
       "Connection: close\r\n\r\nabc"},
      {"no answer", [&](HttpExchange&) {}, ""},
      {"a reset", [&](HttpExchange& e) { e.reset(); }, "<reset>"},
      {"a header that would be two",
       [&](HttpExchange& e) {
         const HttpHeader header{"X", "a\r\nB: c"};
         e.answer(204, {&header, 1}, 0, {});
         e.close();
       },
       "X: a  B: c\r\n\r\n"},
  };
  for (const auto& c : cases) {
    const auto server = start(c.handler);
    const std::string got = converse(server->port(), "GET / HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(got.ends_with(c.end)) << c.why << ": " << got;
    EXPECT_EQ(c.end.empty(), got.empty()) << c.why << ": " << got;
  }
}

// stop() must not wait for whoever waits: a stalled answer has no end of its own.
TEST(HttpServer, StopEndsWhatStallsAndWhatIsIdle) {
  std::mutex mutex;
  std::condition_variable changed;
  bool waiting = false;
  bool whole = true;
  const auto server = start([&](HttpExchange& exchange) {
    {
      const std::lock_guard lock(mutex);
      waiting = true;
    }
    changed.notify_all();
    whole = exchange.wait(std::chrono::hours(1));
  });
  const int idle = connect_to(server->port());
  std::string got;
  std::thread client([&] { got = converse(server->port(), "GET / HTTP/1.1\r\n\r\n"); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return waiting; });
  }
  server->stop();
  client.join();
  ::close(idle);
  EXPECT_FALSE(whole);
  EXPECT_EQ(got, "");
}

TEST(HttpServer, NoticesThatTheClientLeftWhileItWaits) {
  std::mutex mutex;
  std::condition_variable changed;
  int state = 0;  // 1: waiting, 2: the wait was cut
  const auto server = start([&](HttpExchange& exchange) {
    {
      const std::lock_guard lock(mutex);
      state = 1;
    }
    changed.notify_all();
    if (exchange.wait(std::chrono::hours(1))) return;
    const std::lock_guard lock(mutex);
    state = 2;
    changed.notify_all();
  });
  const int fd = connect_to(server->port());
  const std::string_view sent = "GET / HTTP/1.1\r\n\r\n";
  ASSERT_GT(::send(fd, sent.data(), sent.size(), MSG_NOSIGNAL), 0);
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return state == 1; });
  ::close(fd);
  changed.wait(lock, [&] { return state == 2; });
}

TEST(HttpServer, SaysWhyItCannotListen) {
  const auto first = start(echo);
  HttpServerOptions options;
  options.port = first->port();
  EXPECT_EQ(start_http_server(options, echo).code(), Code::kUnavailable);
  options.host = "not an address";
  EXPECT_EQ(start_http_server(options, echo).code(), Code::kInvalid);
}

}  // namespace
}  // namespace kedge
