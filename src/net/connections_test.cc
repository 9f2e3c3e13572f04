// Which connections a client keeps, and how many.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/strings.h"
#include "net/net_testing.h"
#include "net/scripted_server.h"

namespace kedge {
namespace {

// A connection is an open file, and a kept one stays open: where few may be open there must be room
// for all else, and for connections that may not be kept ones.
TEST(HttpClient, LeavesMostOpenFilesToOthers) {
  ScriptedServer server(
      answering([](const SeenRequest& request) { return answer_of(request.path()); }));
  const auto client = new_client({.max_connections = 128});
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const auto first = client->send_one(patient(server.url("/first")), Deadline::never());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_EQ(text_of(first), "/first");
  std::vector<HttpRequest> requests;
  for (int i = 0; i < 300; ++i) requests.push_back(patient(server.url(str_cat("/", i))));
  const auto answers = client->send(requests, Deadline::never(), {});
  for (std::size_t i = 0; i < answers.size(); ++i) ASSERT_EQ(text_of(answers[i]), str_cat("/", i));
  EXPECT_LE(server.connections(), 16U);
}

// Bytes after an answer's end would be read as the next one's: that connection is not used again.
TEST(HttpClient, DropsAConnectionWithBytesLeftOver) {
  for (const bool at_once : {true, false}) {
    Event late;
    Event poisoned;
    ScriptedServer server([&](Peer& peer) {
      while (const auto request = peer.read_request()) {
        const std::string good = answer_of("good");
        const std::string evil = answer_of("evil");
        if (request->path() == "/first") {
          peer.write(at_once ? good + evil : good);
          if (!at_once) {
            late.wait();
            peer.write(evil);
          }
          poisoned.set();
        } else {
          peer.write(good);
        }
      }
    });
    const auto client = new_client();
    EXPECT_EQ(text_of(client->send_one(patient(server.url("/first")), Deadline::never())), "good");
    late.set();
    poisoned.wait();
    EXPECT_EQ(text_of(client->send_one(patient(server.url("/second")), Deadline::never())), "good");
    EXPECT_EQ(client->counts().connections, 2U) << at_once;
  }
}

}  // namespace
}  // namespace kedge
