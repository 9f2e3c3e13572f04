// What happens to a client when its process forks or exits.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "net/net_testing.h"
#include "net/scripted_server.h"

namespace kedge {
namespace {

constexpr bool kThreadSanitizer =
#ifdef __SANITIZE_THREAD__
    true;
#else
    false;
#endif

// A child must be able to use the client that it finds, however busy it was in the parent, and
// neither may read what belongs to the other.
TEST(Process, AChildUsesTheClientAfterFork) {
  if (kThreadSanitizer) GTEST_SKIP() << "ThreadSanitizer lets no forked child start threads";
  ScriptedServer server(
      answering([](const SeenRequest& request) { return answer_of(request.path()); }));
  const auto client = new_client();
  std::stop_source stop;
  std::thread busy([&] {
    while (!stop.stop_requested()) {
      const std::vector<HttpRequest> requests(16, patient(server.url("/parent")));
      for (const auto& one : client->send(requests, Deadline::never(), {}))
        EXPECT_EQ(text_of(one), "/parent");
    }
  });
  for (int round = 0; round < 5; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      bool right = true;
      for (int i = 0; i < 20; ++i) {
        const std::string path = str_cat("/child/", i);
        right &= text_of(client->send_one(patient(server.url(path)), Deadline::never())) == path;
      }
      _exit(right ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  stop.request_stop();
  busy.join();
  EXPECT_EQ(text_of(client->send_one(patient(server.url("/after")), Deadline::never())), "/after");
}

// A child that only drops the client must not wait for a thread that it does not have.
TEST(Process, AChildMayDestroyTheClient) {
  if (kThreadSanitizer) GTEST_SKIP() << "ThreadSanitizer lets no forked child start threads";
  ScriptedServer server(answering([](const SeenRequest&) { return answer_of("fine"); }));
  auto client = new_client();
  EXPECT_EQ(text_of(client->send_one(patient(server.url("/")), Deadline::never())), "fine");
  const pid_t child = fork();
  if (child == 0) {
    client.reset();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(text_of(client->send_one(patient(server.url("/")), Deadline::never())), "fine");
}

// Leaves a client busy for ever behind: with TLS, whose library cleans up at exit.
[[noreturn]] void exit_with_requests_under_way() {
  // Reachable, so that no leak is reported: what is tested is the exit.
  static HttpClient* leaked = nullptr;
  static ScriptedServer* server = nullptr;
  Event reached;
  server = new ScriptedServer([&reached](Peer& peer) {
    reached.set();
    peer.wait_for_close();
  });
  leaked = new_client().release();
  for (int i = 0; i < 4; ++i)
    std::thread([i] {
      // Refused connections keep the I/O thread working while the process ends.
      std::vector<HttpRequest> requests(8, patient("https://127.0.0.1:9/"));
      requests.push_back(patient(str_cat("https://", server->host_port(), "/", i)));
      while (true)
        static_cast<void>(leaked->send(requests, soon(std::chrono::milliseconds(5)), {}));
    }).detach();
  reached.wait();
  std::exit(7);
}

TEST(ProcessDeathTest, ExitsWithRequestsUnderWay) {
  if (kThreadSanitizer)
    GTEST_SKIP() << "ThreadSanitizer reports threads that an exit leaves behind";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (int round = 0; round < 5; ++round)
    EXPECT_EXIT(exit_with_requests_under_way(), testing::ExitedWithCode(7), "");
}

// A client that a static object owns is destroyed after our exit handler has run.
TEST(ProcessDeathTest, ExitsWithAClientInAStatic) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        static std::unique_ptr<HttpClient> client;
        client = new_client();
        static_cast<void>(client->send_one(patient("http://127.0.0.1:9/"), Deadline::never()));
        std::exit(7);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace kedge
