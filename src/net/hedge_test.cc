// Second copies of slow reads on real sockets. A slow answer is one that the server holds back
// until it has seen what the client does about it, so that no test depends on how fast the machine
// is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "net/net_testing.h"
#include "net/scripted_server.h"

namespace kedge {
namespace {

// Half an answer that stays open: whoever waits for it waits for ever.
const std::string kHalf = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
// Half an answer, then the connection closes. (Without any libcurl would try again by itself.)
const std::string kBroken = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf";
const std::string kBusy = answer_of("busy", "503 Slow Down");

// What the server does with the first copy of "/slow" and with the second.
struct Plan {
  std::string first = answer_of("first");
  std::string second = answer_of("second");
  bool first_waits_for_second = true;
  bool second_waits_for_first = false;
};

class HedgeServer {
 public:
  explicit HedgeServer(Plan plan)
      : plan_(std::move(plan)), server_([this](Peer& peer) { serve(peer); }) {}
  ~HedgeServer() {
    second_came_.set();
    first_done_.set();
  }
  HedgeServer(const HedgeServer&) = delete;
  HedgeServer& operator=(const HedgeServer&) = delete;
  [[nodiscard]] std::string url(std::string_view path) const { return server_.url(path); }
  [[nodiscard]] int copies() const { return copies_; }
  [[nodiscard]] bool on_other_connection() const { return peers_[0] != peers_[1]; }
  void let_first_go() { second_came_.set(); }

 private:
  void serve(Peer& peer) {
    while (const auto request = peer.read_request()) {
      if (request->path() != "/slow") {
        peer.write(answer_of("fast"));
        continue;
      }
      const int copy = copies_++;
      peers_[copy] = peer.number();
      if (copy == 0) {
        if (plan_.first_waits_for_second) second_came_.wait();
        peer.write(plan_.first);
        const bool breaks = plan_.first == kBroken;
        if (breaks) peer.close();
        first_done_.set();
        if (breaks) return;
      } else {
        second_came_.set();
        if (plan_.second_waits_for_first) first_done_.wait();
        peer.write(plan_.second);
        if (plan_.second == kBroken) return;
      }
    }
  }

  const Plan plan_;
  std::atomic<int> copies_ = 0;
  std::array<std::size_t, 8> peers_{};
  Event second_came_;
  Event first_done_;
  ScriptedServer server_;
};

HttpRequest read_of(std::string url) {
  HttpRequest request = patient(std::move(url));
  request.may_hedge = true;
  return request;
}

void learn(HttpClient& client, const HedgeServer& server, int reads = 20) {
  for (int i = 0; i < reads; ++i)
    ASSERT_TRUE(client.send_one(read_of(server.url("/fast")), Deadline::never()).ok());
}

// The first whole answer counts, wherever it comes from; a bad end waits for the better one.
TEST(Hedges, GiveTheFirstWholeAnswer) {
  const struct {
    const char* name;
    Plan plan;
    const char* expected;
    int status;
    bool hedge_won;
  } cases[] = {
      // The first copy's headers come before the second's whole answer: half is not first.
      {"the second is whole", {.first = kHalf}, "second", 200, true},
      {"the first is whole", {.second = kHalf}, "first", 200, false},
      {"the second is busy", {.second = kBusy}, "first", 200, false},
      {"the first is busy", {.first = kBusy}, "second", 200, true},
      {"the first breaks", {.first = kBroken}, "second", 200, true},
      {"the second breaks", {.second = kBroken}, "first", 200, false},
      {"both are busy", {.first = kBusy, .second = kBusy}, "busy", 503, false},
      {"busy, broken",
       {.first = kBusy, .second = kBroken, .second_waits_for_first = true},
       "busy",
       503,
       false},
      {"broken, busy",
       {.first = kBroken, .second = kBusy, .second_waits_for_first = true},
       "busy",
       503,
       false},
  };
  for (const auto& c : cases) {
    HedgeServer server(c.plan);
    const auto client = new_client();
    learn(*client, server);
    const auto answer = client->send_one(read_of(server.url("/slow")), Deadline::never());
    ASSERT_TRUE(answer.ok()) << c.name << ": " << text_of(answer);
    EXPECT_EQ(text_of(answer), c.expected) << c.name;
    EXPECT_EQ(answer->status, c.status) << c.name;
    EXPECT_TRUE(answer->hedged) << c.name;
    EXPECT_EQ(answer->hedge_won, c.hedge_won) << c.name;
    EXPECT_EQ(server.copies(), 2) << c.name;
    EXPECT_TRUE(server.on_other_connection()) << c.name;
    const HttpClientCounts counts = client->counts();
    EXPECT_EQ(counts.hedges, 1U) << c.name;
    EXPECT_EQ(counts.hedges_won, c.hedge_won ? 1U : 0U) << c.name;
    EXPECT_EQ(counts.exchanges, 21U) << c.name;
    // The loser's connection is closed, not left to be read as another answer.
    EXPECT_EQ(text_of(client->send_one(read_of(server.url("/x")), Deadline::never())), "fast");
  }
}

// Without samples, permission, budget or a free connection nothing is sent twice. The slow answer
// is held back for longer than a hedge would take here, then given; only a copy that comes is a
// failure.
TEST(Hedges, AreNotSentWithoutCause) {
  const struct {
    const char* name;
    int reads;
    bool may_hedge;
    double budget;
    std::size_t connections;
  } cases[] = {{"too few samples", 19, true, 0.05, 64},
               {"not permitted", 20, false, 0.05, 64},
               {"turned off", 20, true, 0, 64},
               {"no connection free", 20, true, 0.05, 1}};
  for (const auto& c : cases) {
    HedgeServer server({.first_waits_for_second = true});
    const auto client = new_client({.max_connections = c.connections,
                                    .hedge_budget = c.budget,
                                    .hedge_floor = std::chrono::milliseconds(1)});
    learn(*client, server, c.reads);
    HttpRequest request = read_of(server.url("/slow"));
    request.may_hedge = c.may_hedge;
    std::thread later([&] {
      system_clock().sleep(std::chrono::milliseconds(150));
      server.let_first_go();
    });
    EXPECT_EQ(text_of(client->send_one(request, Deadline::never())), "first") << c.name;
    later.join();
    EXPECT_EQ(server.copies(), 1) << c.name;
    EXPECT_EQ(client->counts().hedges, 0U) << c.name;
  }
}

}  // namespace
}  // namespace kedge
