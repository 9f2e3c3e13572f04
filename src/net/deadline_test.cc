// Nothing blocks past its limits, and a stop is obeyed in every phase. The limits that a test is
// not about are a day long: a call that ends has met the one that it is about.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "net/net_testing.h"
#include "net/scripted_server.h"

namespace kedge {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Duration kLimit = milliseconds(60);

// A port that takes no further connection: its queue is full, and what comes then is dropped.
class FullPort {
 public:
  FullPort() {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_, any, size), 0);
    EXPECT_EQ(listen(listener_, 0), 0);
    EXPECT_EQ(getsockname(listener_, any, &size), 0);
    port_ = ntohs(address.sin_port);
    for (int& one : waiting_) {
      one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      connect(one, any, size);
    }
  }
  ~FullPort() {
    for (const int one : waiting_) close(one);
    close(listener_);
  }
  FullPort(const FullPort&) = delete;
  FullPort& operator=(const FullPort&) = delete;
  [[nodiscard]] int port() const { return port_; }

 private:
  int listener_ = -1;
  int port_ = 0;
  int waiting_[4] = {};
};

enum class Stall { kConnect, kTls, kRequest, kAnswer, kHeaders, kBody, kDribble };

// Where the server stands still; it goes on only when the client closes.
ScriptedServer::Script stalling(Stall stall, Event& reached) {
  return [stall, &reached](Peer& peer) {
    if (stall == Stall::kRequest) {
      reached.set();
      // The client's end stands behind what nobody reads: only the server's own end is seen.
      pollfd one{.fd = peer.fd(), .events = POLLRDHUP, .revents = 0};
      while (poll(&one, 1, -1) < 0) {
      }
      return;
    }
    if (stall != Stall::kTls && !peer.read_request()) return;
    if (stall == Stall::kHeaders) peer.write("HTTP/1.1 200 OK\r\nContent-");
    if (stall == Stall::kBody) peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    reached.set();
    if (stall == Stall::kDribble) {
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
      while (!peer.gone_within(milliseconds(1))) peer.write(".");
      return;
    }
    peer.wait_for_close();
  };
}

const std::string& large_body() {
  static const std::string body(64 << 20, 'x');
  return body;
}

// A request that will stall there, and the server that does it.
struct Stalled {
  explicit Stalled(Stall stall) : server(stalling(stall, reached)) {
    request = patient(server.url("/"));
    if (stall == Stall::kConnect) {
      request.url = str_cat("http://127.0.0.1:", full.port(), "/");
      reached.set();
    }
    if (stall == Stall::kTls) request.url.replace(0, 4, "https");
    if (stall == Stall::kRequest) {
      request.method = "PUT";
      request.body = as_bytes(large_body());
    }
  }
  Event reached;
  FullPort full;
  ScriptedServer server;
  HttpRequest request;
};

// Each limit alone ends what it is about, and the message says the phase and the limit.
TEST(Deadlines, EndEachPhase) {
  const struct {
    const char* name;
    Stall stall;
    Duration HttpTimeouts::*limit;
    const char* message;
    // Longer where it also runs while the phase is reached, which a busy machine takes time for.
    Duration length = kLimit;
  } cases[] = {
      {"connect", Stall::kConnect, &HttpTimeouts::connect,
       ": connecting: no connection within 60 ms"},
      {"handshake", Stall::kTls, &HttpTimeouts::connect, ": tls: no connection within 500 ms",
       milliseconds(500)},
      {"unread request", Stall::kRequest, &HttpTimeouts::idle_body,
       ": sending: nothing moved for 60 ms, after "},
      {"no answer", Stall::kAnswer, &HttpTimeouts::first_byte,
       ": waiting for the answer: no byte within 60 ms"},
      {"headers", Stall::kHeaders, &HttpTimeouts::idle_body, ": receiving: nothing came for 60 ms"},
      {"body", Stall::kBody, &HttpTimeouts::idle_body,
       ": receiving: nothing came for 60 ms, after 3 of 100 bytes"},
      {"dribble", Stall::kDribble, &HttpTimeouts::total, ": receiving: not done within 500 ms",
       milliseconds(500)},
      {"total, no answer", Stall::kAnswer, &HttpTimeouts::total,
       ": waiting for the answer: not done within 500 ms", milliseconds(500)},
      {"total, connect", Stall::kConnect, &HttpTimeouts::total,
       ": connecting: not done within 60 ms"},
  };
  const auto client = new_client();
  for (const auto& c : cases) {
    Stalled stalled(c.stall);
    stalled.request.timeouts.*c.limit = c.length;
    const Duration begin = system_clock().monotonic();
    const auto answer = client->send_one(stalled.request, Deadline::never());
    ASSERT_FALSE(answer.ok()) << c.name;
    EXPECT_EQ(answer.code(), Code::kUnavailable) << c.name;
    EXPECT_THAT(answer.error().message, StartsWith("127.0.0.1:")) << c.name;
    EXPECT_THAT(answer.error().message, HasSubstr(c.message)) << c.name;
    EXPECT_GE(system_clock().monotonic() - begin, c.length) << c.name << " ended early";
  }
}

const Stall kEverywhere[] = {Stall::kConnect, Stall::kTls,  Stall::kRequest, Stall::kAnswer,
                             Stall::kHeaders, Stall::kBody, Stall::kDribble};

// The call's own deadline holds in every phase, also while exchanges wait for a connection.
TEST(Deadlines, OfTheCallHoldEverywhere) {
  const auto client = new_client({.max_connections = 2});
  for (const Stall stall : kEverywhere) {
    Stalled stalled(stall);
    const std::vector<HttpRequest> requests(4, stalled.request);
    const auto answers = client->send(requests, soon(kLimit), {});
    for (const auto& one : answers) {
      ASSERT_FALSE(one.ok()) << static_cast<int>(stall);
      EXPECT_EQ(one.code(), Code::kUnavailable);
      EXPECT_THAT(one.error().message, HasSubstr("the deadline of the call has passed"));
    }
    EXPECT_THAT(answers[3].error().message, HasSubstr(": not sent: "));
  }
  EXPECT_THAT(text_of(client->send_one(patient("http://127.0.0.1:9/"), soon(Duration(0)))),
              StartsWith("unavailable: 127.0.0.1:9: not sent: "));
}

// Bytes that keep coming keep an exchange alive: idle is since the last one, not since the first.
TEST(Deadlines, AreNotMetByAnAnswerThatGoesOn) {
  ScriptedServer server([](Peer& peer) {
    if (!peer.read_request()) return;
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n");
    for (int i = 0; i < 30 && !peer.gone_within(milliseconds(40)); ++i) peer.write("x");
  });
  HttpRequest request = patient(server.url("/"));
  request.timeouts.idle_body = milliseconds(1'000);  // of 1,200 in all
  EXPECT_EQ(text_of(new_client()->send_one(request, Deadline::never())), std::string(30, 'x'));
}

// A person who presses Ctrl-C is not made to wait, wherever the request stands.
TEST(Cancellation, EndsEveryPhase) {
  const auto client = new_client({.max_connections = 2});
  for (const Stall stall : kEverywhere) {
    Stalled stalled(stall);
    std::stop_source stop;
    const std::vector<HttpRequest> requests(4, stalled.request);
    std::thread person([&] {
      stalled.reached.wait();
      stop.request_stop();
    });
    for (const auto& one : client->send(requests, Deadline::never(), stop.get_token())) {
      ASSERT_FALSE(one.ok());
      EXPECT_EQ(one.code(), Code::kCancelled) << one.error().message;
    }
    person.join();
    const auto late = client->send(requests, Deadline::never(), stop.get_token());
    EXPECT_EQ(late[3].code(), Code::kCancelled) << "asked to stop before it began";
  }
}

// One call that is cancelled must not take another's exchanges with it.
TEST(Cancellation, IsOfOneCall) {
  Event both;
  Event go;
  std::atomic<int> arrived = 0;
  ScriptedServer server([&](Peer& peer) {
    const auto request = peer.read_request();
    if (!request) return;
    if (++arrived == 2) both.set();
    if (request->path() == "/stays") go.wait();
    if (request->path() == "/stays") peer.write(answer_of("here"));
    peer.wait_for_close();
  });
  const auto client = new_client();
  std::stop_source stop;
  std::thread other([&] {
    const HttpRequest request = patient(server.url("/goes"));
    const auto answers = client->send({&request, 1}, Deadline::never(), stop.get_token());
    EXPECT_EQ(answers[0].code(), Code::kCancelled);
    go.set();
  });
  std::thread person([&] {
    both.wait();
    stop.request_stop();
  });
  EXPECT_EQ(text_of(client->send_one(patient(server.url("/stays")), Deadline::never())), "here");
  other.join();
  person.join();
}

// Destroying a client ends the calls that are in it, in whatever thread they wait.
TEST(Cancellation, IsWhatDestroyingTheClientDoes) {
  for (const Stall stall : kEverywhere) {
    if (stall == Stall::kConnect) continue;  // nothing tells that the call is in it
    Stalled stalled(stall);
    auto client = new_client();
    std::thread caller([raw = client.get(), &stalled] {
      const auto answer = raw->send_one(stalled.request, Deadline::never());
      EXPECT_EQ(answer.code(), Code::kCancelled);
    });
    stalled.reached.wait();
    client.reset();
    caller.join();
  }
}

}  // namespace
}  // namespace kedge
