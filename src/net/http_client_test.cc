// What goes over the wire and what comes back: each byte is the test's.
#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <set>
#include <thread>
#include <utility>

#include "net/net_testing.h"
#include "net/scripted_server.h"
#include "net/transfer.h"

namespace kedge {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A signature covers what is sent: nothing may be added, dropped, normalised or followed.
TEST(HttpClient, SendsWhatIsGivenAndNothingElse) {
  const struct {
    const char* method;
    const char* path;
    std::vector<HttpHeader> headers;
    const char* body;
    const char* head;  // without the lines that all have
  } cases[] = {
      {"GET", "/a/../b/./c//d?x=%2F&y", {}, "", ""},
      {"GET",
       "/",
       {{"Range", "bytes=0-3"}, {"x-empty", ""}},
       "",
       "Range: bytes=0-3\r\nx-empty:\r\n"},
      {"GET",
       "",
       {{"Accept", "text/plain"}, {"Authorization", "AWS4 a=b, c=d"}},
       "",
       "Accept: text/plain\r\nAuthorization: AWS4 a=b, c=d\r\n"},
      {"HEAD", "/h", {}, "", ""},
      {"DELETE", "/d?versionId=1", {}, "", ""},
      {"PUT", "/empty", {}, "", "Content-Length: 0\r\n"},
      {"PUT", "/p", {{"If-None-Match", "*"}}, "abc", "If-None-Match: *\r\nContent-Length: 3\r\n"},
      {"POST",
       "/?delete",
       {{"Content-Type", "a/b"}},
       "<x/>",
       "Content-Type: a/b\r\nContent-Length: 4\r\n"},
      {"POST", "/?uploads", {}, "", "Content-Length: 0\r\n"},
      {"GET", "/with-body", {}, "q", "Content-Length: 1\r\n"},
      {"GET", "/after-all", {}, "", ""},
  };
  std::vector<SeenRequest> seen;
  ScriptedServer server([&](Peer& peer) {
    while (const auto request = peer.read_request()) {
      seen.push_back(*request);
      peer.write(request->method() == "HEAD" ? "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
                                             : answer_of("fine"));
    }
  });
  const auto client = new_client({.user_agent = "me/1"});
  for (const auto& c : cases) {
    HttpRequest request = patient(server.url(c.path), c.method);
    request.headers = c.headers;
    request.body = as_bytes(c.body);
    const auto answer = client->send_one(request, Deadline::never());
    ASSERT_TRUE(answer.ok()) << text_of(answer);
    EXPECT_EQ(text_of(answer), request.method == "HEAD" ? "" : "fine") << c.path;
    const std::string path = *c.path == '\0' ? "/" : c.path;
    EXPECT_EQ(seen.back().head,
              str_cat(c.method, " ", path, " HTTP/1.1\r\nHost: ", server.host_port(),
                      "\r\nUser-Agent: me/1\r\n", c.head, "\r\n"));
    EXPECT_EQ(seen.back().body, c.body);
  }
  EXPECT_EQ(client->counts().connections, 1U) << "a kept connection serves all";
  EXPECT_EQ(client->counts().bytes_out, 3U + 4U + 1U);
}

// The last answer comes only after the first was shown.
TEST(HttpClient, ShowsWhatHasComeWhileTheRestIsOnItsWay) {
  Event shown;
  ScriptedServer server(answering([&](const SeenRequest& request) {
    if (request.head.starts_with("GET /last")) shown.wait();
    if (request.head.starts_with("GET /refused")) return answer_of("no", "404 Not Found");
    return answer_of(request.head.starts_with("GET /last") ? "last" : "first");
  }));
  const auto client = new_client();
  const std::thread::id caller = std::this_thread::get_id();
  std::vector<std::string> told;
  std::vector<HttpRequest> requests;
  for (const char* path : {"/first", "/refused", "/last"}) {
    requests.push_back(patient(server.url(path)));
    requests.back().arrived = [&](ByteView body) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      told.emplace_back(as_text(body));
      shown.set();
    };
  }
  requests.push_back(patient(server.url("/unasked")));
  const auto answers = client->send(requests, soon(std::chrono::seconds(20)), {});
  shown.set();
  ASSERT_TRUE(answers[2].ok()) << text_of(answers[2]);
  EXPECT_EQ(told, (std::vector<std::string>{"first", "last"}));
  EXPECT_EQ(text_of(answers[0]), "first") << "the answer keeps what was shown";
  EXPECT_EQ(answers[1]->status, 404);
  EXPECT_EQ(text_of(answers[2]), "last");
  EXPECT_EQ(text_of(answers[3]), "first");
}

// A large body is cut into many writes, and its end must not be taken for the request's.
TEST(HttpClient, SendsALargeBodyWhole) {
  std::string body(9 << 20, 'x');
  for (std::size_t i = 0; i < body.size(); i += 4'096) body[i] = static_cast<char>('a' + i % 23);
  std::string seen;
  ScriptedServer server(answering([&](const SeenRequest& request) {
    seen = request.body;
    EXPECT_EQ(request.head.find("Expect"), std::string::npos);
    return answer_of("");
  }));
  HttpRequest request = patient(server.url("/"), "PUT");
  request.body = as_bytes(body);
  EXPECT_EQ(text_of(new_client()->send_one(request, Deadline::never())), "");
  EXPECT_TRUE(seen == body);
}

// Errors never arrive as data: each way an answer can be short, long, odd or hostile.
TEST(HttpClient, TellsWholeAnswersFromBrokenOnes) {
  std::string many;
  for (int i = 0; i < 300; ++i) many += str_cat("h", i, ": 1\r\n");
  const std::string long_header = str_cat("a: ", std::string(70'000, 'a'), "\r\n");
  const struct {
    const char* name;
    std::string raw;
    const char* expected;  // the body, or the error
    bool length_known = true;
    const char* method = "GET";
    bool reset = false;
  } cases[] = {
      {"whole", answer_of("body"), "body"},
      {"empty", answer_of(""), ""},
      {"until close", "HTTP/1.1 200 OK\r\n\r\nabc", "abc", false},
      {"http 1.0", "HTTP/1.0 200 OK\r\n\r\nabc", "abc", false},
      {"chunks",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n"
       "Trailer: x\r\n\r\n",
       "abcd"},
      {"head", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "", true, "HEAD"},
      {"head of much", "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", "", true, "HEAD"},
      {"no content", "HTTP/1.1 204 No Content\r\n\r\n", ""},
      {"not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""},
      {"informed before", "HTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\n" + answer_of("abc"),
       "abc"},
      {"not followed", "HTTP/1.1 301 M\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nhi", "hi"},
      {"not decoded",
       "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b!",
       "\x1f\x8b!"},
      {"longer", answer_of("body") + "more", "body"},
      {"short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
       "unavailable: SERVER: receiving: closed after 3 of 10 bytes"},
      {"nothing of it", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
       "unavailable: SERVER: receiving: closed after 0 of 10 bytes"},
      {"reset inside", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
       "unavailable: SERVER: receiving: reset after 0 of 10 bytes", true, "GET", true},
      {"reset before", "", "unavailable: SERVER: waiting for the answer: reset", true, "GET", true},
      {"chunks without end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
       "unavailable: SERVER: receiving: closed after 3 bytes"},
      {"last chunk missing", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
       "unavailable: SERVER: receiving: closed after 3 bytes"},
      {"silent", "", "unavailable: SERVER: waiting for the answer: closed without one"},
      {"half a header", "HTTP/1.1 200 OK\r\nContent-Le", "unavailable: SERVER: receiving: "},
      {"not http", "SSH-2.0-OpenSSH\r\n",
       "unavailable: SERVER: waiting for the answer: not an http"
       " answer"},
      {"encoded transfer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
       "unavailable: SERVER: receiving: transfer-encoding 'gzip, chunked'"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
       "unavailable: SERVER: receiving: two different content-length headers"},
      {"no length", "HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\nabc", "unavailable: SERVER: "},
      {"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
       "unavailable: SERVER: "},
      {"over the maximum", answer_of(std::string(1'001, 'x')),
       "exhausted: SERVER: receiving: a body of 1001 bytes, over 1000"},
      {"over without saying", "HTTP/1.1 200 OK\r\n\r\n" + std::string(1'001, 'x'),
       "exhausted: SERVER: receiving: a body of over 1000 bytes"},
      {"at the maximum", "HTTP/1.1 200 OK\r\n\r\n" + std::string(1'000, 'x'), "xxxx", false},
      {"headers", "HTTP/1.1 200 OK\r\n" + many + "\r\n",
       "exhausted: SERVER: receiving: over 256 headers"},
      {"header bytes", "HTTP/1.1 200 OK\r\n" + long_header + "\r\n",
       "exhausted: SERVER: receiving: headers of over 65536 bytes"},
  };
  const auto client = new_client();
  for (const auto& c : cases) {
    ScriptedServer server([&](Peer& peer) {
      if (!peer.read_request()) return;
      peer.write(c.raw);
      if (c.reset) peer.reset();
    });
    HttpRequest request = patient(server.url("/?X-Amz-Signature=secret"), c.method);
    request.max_body_bytes = 1'000;
    const auto answer = client->send_one(request, Deadline::never());
    std::string expected = c.expected;
    const std::size_t at = expected.find("SERVER");
    if (at != std::string::npos) expected.replace(at, 6, server.host_port());
    EXPECT_THAT(text_of(answer), StartsWith(expected)) << c.name;
    EXPECT_EQ(answer.ok(), at == std::string::npos) << c.name;
    if (answer.ok())
      EXPECT_EQ(answer->length_known, c.length_known) << c.name;
    else
      EXPECT_EQ(answer.error().message.find("secret"), std::string::npos);
  }
}

// No exception crosses libcurl: the exchange ends, and the client goes on.
TEST(HttpClient, ABodyForWhichMemoryDoesNotSufficeEndsItsExchangeAlone) {
  bool first = true;
  ScriptedServer server([&](Peer& peer) {
    if (!peer.read_request()) return;
    const std::string length = std::exchange(first, false) ? "18446744073709551615" : "1";
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\nx");
  });
  const auto client = new_client();
  HttpRequest request = patient(server.url("/"), "GET");
  request.max_body_bytes = std::numeric_limits<std::uint64_t>::max();
  const auto answer = client->send_one(request, Deadline::never());
  EXPECT_EQ(text_of(answer), "exhausted: http: no memory");
  EXPECT_TRUE(client->send_one(request, Deadline::never()).ok());
}

// Headers are looked up by lower-case names, in the order they came, and 1xx ones are not the
// answer's.
TEST(HttpClient, GivesStatusAndHeaders) {
  ScriptedServer server(answering([](const SeenRequest&) {
    return std::string(
        "HTTP/1.1 100 Continue\r\nNot-Mine: 1\r\n\r\nHTTP/1.1 412 Precondition Failed\r\n"
        "ETag:  \"a b\" \r\nX-Amz-Request-Id: 7\r\nEmpty:\r\nx: 1\r\nX: 2\r\nContent-Length: 2\r\n"
        "\r\nno");
  }));
  const auto answer = new_client()->send_one(patient(server.url("/")), Deadline::never());
  ASSERT_TRUE(answer.ok()) << text_of(answer);
  EXPECT_EQ(answer->status, 412);
  EXPECT_EQ(answer->header("etag"), "\"a b\"");
  EXPECT_EQ(answer->header("x-amz-request-id"), "7");
  EXPECT_EQ(answer->header("not-mine"), "");
  ASSERT_EQ(answer->headers.size(), 6U);
  EXPECT_EQ(answer->headers[4].value, "2");
  EXPECT_GT(answer->first_byte.count(), 0);
  EXPECT_GE(answer->total, answer->first_byte);
}

// A header with a line end would be a second header or request; refused before anything is sent.
TEST(HttpClient, RefusesWhatCannotBeSent) {
  const auto with = [](std::string name, std::string value) {
    HttpRequest request = patient("http://127.0.0.1:9/");
    request.headers = {{std::move(name), std::move(value)}};
    return request;
  };
  HttpRequest head = patient("http://127.0.0.1:9/", "HEAD");
  head.body = as_bytes("x");
  const struct {
    HttpRequest request;
    const char* message;
  } cases[] = {
      {patient("ftp://a/"), "url 'ftp://a/': neither http:// nor https://"},
      {patient("a/b"), "neither"},
      {patient("http:///x"), "no host name"},
      {patient("http://a:0/x"), "not a port"},
      {patient("http://a:65536/"), "not a port"},
      {patient("http://a:8x/"), "not a port"},
      {patient("http://a b/"), "a byte that must be percent-encoded"},
      {patient("http://a/\r\nX: y"), "a byte that must be percent-encoded"},
      {patient("http://a/\xC3\xA4"), "a byte that must be percent-encoded"},
      {patient("http://a/x#f?sig=secret"), "a fragment"},
      {patient("http://me:secret@a/"), "a url with a user name"},
      {patient("http://[::g]/"), "no host name"},
      {patient("http://a\\b/"), "no host name"},
      {patient("http://a/" + std::string(20'000, 'a')), "over 16384 bytes"},
      {patient("http://127.0.0.1:9/", "GET /x"), "not a method"},
      {patient("http://127.0.0.1:9/", ""), "not a method"},
      {with("a b", "1"), "not a header's name: 'a b'"},
      {with("", "1"), "not a header's name"},
      {with("x", "1\r\nsecret: 1"), "header x: a control character"},
      {with("x", std::string("1\0", 2)), "header x: a control character"},
      {with("Content-length", "1"), "header Content-length: the body gives the length"},
      {with("transfer-encoding", "chunked"), "the body gives the length"},
      {head, "a head request with a body"},
  };
  const auto client = new_client();
  for (const auto& c : cases) {
    const auto answer = client->send_one(c.request, Deadline::never());
    ASSERT_FALSE(answer.ok()) << c.message;
    EXPECT_EQ(answer.code(), Code::kInvalid) << c.message;
    EXPECT_THAT(answer.error().message, HasSubstr(c.message));
    EXPECT_EQ(answer.error().message.find("secret"), std::string::npos) << c.message;
  }
  EXPECT_EQ(client->counts().sent, 0U);
}

// One bad request of a batch fails nobody else, and the results keep the order asked.
TEST(HttpClient, GivesOneResultEachInOrder) {
  ScriptedServer server(
      answering([](const SeenRequest& request) { return answer_of(request.path()); }));
  std::uint16_t closed_port = 0;
  {
    closed_port = static_cast<std::uint16_t>(ScriptedServer([](Peer&) {}).port());
  }
  const std::vector<HttpRequest> requests = {
      patient(server.url("/0")), patient(str_cat("http://127.0.0.1:", closed_port, "/1")),
      patient(server.url("/2")), patient("nothing"), patient(server.url("/4"))};
  const auto answers = new_client()->send(requests, Deadline::never(), {});
  ASSERT_EQ(answers.size(), 5U);
  EXPECT_EQ(text_of(answers[0]), "/0");
  EXPECT_EQ(text_of(answers[1]),
            str_cat("unavailable: 127.0.0.1:", closed_port, ": connecting: refused"));
  EXPECT_EQ(text_of(answers[2]), "/2");
  EXPECT_EQ(answers[3].code(), Code::kInvalid);
  EXPECT_EQ(text_of(answers[4]), "/4");
  EXPECT_TRUE(new_client()->send({}, Deadline::never(), {}).empty());
}

TEST(HttpClient, SaysThatAHostDoesNotExist) {
  const auto answer =
      new_client()->send_one(patient("http://nowhere.invalid/x"), soon(std::chrono::minutes(1)));
  EXPECT_THAT(text_of(answer), StartsWith("unavailable: nowhere.invalid:80: resolving: "));
}

// Answers must not be mixed up, however requests share connections; never more of these than
// allowed.
TEST(HttpClient, CarriesAThousandRequestsOverSixteenConnections) {
  ScriptedServer server(answering([](const SeenRequest& request) {
    const std::size_t size = std::stoul(request.path().substr(1)) * 37 % 9'000;
    return answer_of(str_cat(request.path(), std::string(size, '.'), request.path()));
  }));
  const auto client = new_client({.max_connections = 16});
  std::vector<HttpRequest> requests;
  for (int i = 0; i < 1'000; ++i) requests.push_back(patient(server.url(str_cat("/", i))));
  const auto answers = client->send(requests, Deadline::never(), {});
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::string path = str_cat("/", i);
    ASSERT_EQ(text_of(answers[i]), str_cat(path, std::string(i * 37 % 9'000, '.'), path));
    bytes += answers[i]->body.size();
  }
  const HttpClientCounts counts = client->counts();
  EXPECT_EQ(counts.exchanges, 1'000U);
  EXPECT_EQ(counts.sent, 1'000U);
  EXPECT_EQ(counts.bytes_in, bytes);
  EXPECT_LE(server.connections(), 16U);
  EXPECT_EQ(counts.connections, server.connections());
}

// Callers on several threads share the I/O thread and must get their own answers.
TEST(HttpClient, ServesThreadsAtOnce) {
  ScriptedServer server(
      answering([](const SeenRequest& request) { return answer_of(request.path()); }));
  const auto client = new_client({.max_connections = 3});
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 50; ++round) {
        std::vector<HttpRequest> requests;
        for (int i = 0; i < 4; ++i)
          requests.push_back(patient(server.url(str_cat("/", t, "-", round, "-", i))));
        const auto answers = client->send(requests, Deadline::never(), {});
        for (int i = 0; i < 4; ++i)
          right +=
              text_of(answers[static_cast<std::size_t>(i)]) == str_cat("/", t, "-", round, "-", i);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 2 * 50 * 4);
}

// A batch larger than the connections must not hold up a call that comes after it.
TEST(HttpClient, LetsCallsTakeTurns) {
  constexpr std::size_t kLarge = 1'000;
  Event large_has_begun;
  std::vector<std::string> served;
  const auto client = new_client({.max_connections = 1});
  ScriptedServer server(answering([&](const SeenRequest& request) {
    if (served.empty()) {
      large_has_begun.set();
      while (client->counts().exchanges <= kLarge) std::this_thread::yield();
    }
    served.push_back(request.path());
    return answer_of(request.path());
  }));
  std::thread large([&] {
    const std::vector<HttpRequest> requests(kLarge, patient(server.url("/large")));
    for (const auto& one : client->send(requests, Deadline::never(), {})) EXPECT_TRUE(one.ok());
  });
  large_has_begun.wait();
  EXPECT_EQ(text_of(client->send_one(patient(server.url("/small")), Deadline::never())), "/small");
  large.join();
  ASSERT_EQ(served.size(), kLarge + 1);
  EXPECT_NE(served.back(), "/small") << "it waited for the whole batch";
}

// libcurl sends again what it sent on a kept connection that the server closed just then; a
// conditional write that had its effect would then be refused by itself.
TEST(HttpClient, SendsAtMostOnceWhereAsked) {
  const struct {
    const char* method;
    bool at_most_once;
    std::size_t seen;
    const char* expected;
  } cases[] = {
      {"PUT", true, 1, "unavailable: SERVER: waiting for the answer: closed without one"},
      {"POST", false, 1, "unavailable: SERVER: "},
      {"PUT", false, 2, "done"},  // what the flag is there to prevent
      {"GET", false, 2, "done"},
  };
  for (const auto& c : cases) {
    std::mutex mutex;
    std::vector<std::string> seen;
    ScriptedServer server([&](Peer& peer) {
      while (const auto request = peer.read_request()) {
        bool first = false;
        if (request->path() == "/it") {
          const std::lock_guard lock(mutex);
          seen.push_back(request->body);
          first = seen.size() == 1;
        }
        if (first) return;  // it has had its effect; the answer is lost
        peer.write(answer_of("done"));
      }
    });
    const auto client = new_client();
    ASSERT_EQ(text_of(client->send_one(patient(server.url("/warm")), Deadline::never())), "done");
    HttpRequest request = patient(server.url("/it"), c.method);
    request.at_most_once = c.at_most_once;
    const auto answer = client->send_one(request, Deadline::never());
    std::string expected = c.expected;
    const std::size_t at = expected.find("SERVER");
    if (at != std::string::npos) expected.replace(at, 6, server.host_port());
    EXPECT_THAT(text_of(answer), StartsWith(expected)) << c.method;
    const std::lock_guard lock(mutex);
    EXPECT_EQ(seen.size(), c.seen) << c.method << " at most once: " << c.at_most_once;
    EXPECT_EQ(client->counts().sent, 1 + c.seen);
  }
}

// Proxies are taken from the environment, as every other tool on the machine takes them.
TEST(HttpClient, GoesThroughTheProxyOfTheEnvironment) {
  ScriptedServer proxy(answering([](const SeenRequest& request) {
    return answer_of(request.head.substr(0, request.head.find('\r')));
  }));
  ASSERT_EQ(setenv("http_proxy", proxy.url("").c_str(), 1), 0);
  const auto answer =
      new_client()->send_one(patient("http://bucket.invalid/key"), Deadline::never());
  unsetenv("http_proxy");
  EXPECT_EQ(text_of(answer), "GET http://bucket.invalid/key HTTP/1.1");
}

}  // namespace
}  // namespace kedge
