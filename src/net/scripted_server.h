// For tests: a server on 127.0.0.1 whose every byte the test writes. Each connection runs a script
// on a thread of its own; the server's end closes what is open, so that a script which waits for
// its peer ends. What a script waits for else (an Event) the test must set.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/strings.h"

namespace kedge {

// Set once; whoever waits goes on.
class Event {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

struct SeenRequest {
  std::string head;  // with the blank line
  std::string body;
  [[nodiscard]] std::string method() const { return head.substr(0, head.find(' ')); }
  [[nodiscard]] std::string path() const {
    const std::size_t begin = head.find(' ') + 1;
    return head.substr(begin, head.find(' ', begin) - begin);
  }
};

inline std::string answer_of(std::string_view body, std::string_view status = "200 OK") {
  return str_cat("HTTP/1.1 ", status, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

// One connection, seen from the server.
class Peer {
 public:
  Peer(int fd, std::size_t number) : number_(number), fd_(fd) {}
  ~Peer() { close(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] std::size_t number() const { return number_; }  // in the order they came, from 0

  // Nothing when the client has closed.
  std::optional<SeenRequest> read_request() {
    SeenRequest seen;
    std::size_t end = 0;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos)
      if (!receive()) return std::nullopt;
    seen.head = input_.substr(0, end + 4);
    input_.erase(0, end + 4);
    const std::size_t length = seen.head.find("Content-Length: ");
    const std::size_t bytes =
        length == std::string::npos ? 0 : std::stoul(seen.head.substr(length + 16));
    while (input_.size() < bytes)
      if (!receive()) return std::nullopt;
    seen.body = input_.substr(0, bytes);
    input_.erase(0, bytes);
    return seen;
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void wait_for_close() {
    while (receive()) input_.clear();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // Ends with RST, as a server that dies does.
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close();
  }
  // From another thread: what waits for bytes sees the end of them.
  void interrupt() {
    const std::lock_guard lock(mutex_);
    if (fd_ >= 0) shutdown(fd_, SHUT_RDWR);
  }
  // Waits for the client's end; false if `longest` passed without it.
  bool gone_within(std::chrono::milliseconds longest) const {
    pollfd one{.fd = fd_, .events = POLLRDHUP, .revents = 0};
    return poll(&one, 1, static_cast<int>(longest.count())) != 0;
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  bool receive() {
    char buffer[1 << 16];
    const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
    if (got <= 0) return false;
    input_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  const std::size_t number_;
  std::mutex mutex_;
  int fd_;
  std::string input_;
};

class ScriptedServer {
 public:
  using Script = std::function<void(Peer&)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_, any, size), 0);
    EXPECT_EQ(listen(listener_, 128), 0);
    EXPECT_EQ(getsockname(listener_, any, &size), 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (const auto& peer : peers_) peer->interrupt();
    for (std::thread& thread : threads_) thread.join();
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::string host_port() const { return str_cat("127.0.0.1:", port_); }
  [[nodiscard]] std::string url(std::string_view path) const {
    return str_cat("http://", host_port(), path);
  }
  [[nodiscard]] int port() const { return port_; }
  std::size_t connections() {
    const std::lock_guard lock(mutex_);
    return peers_.size();
  }

 private:
  void accept_all() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      peers_.push_back(std::make_unique<Peer>(fd, peers_.size()));
      threads_.emplace_back([this, peer = peers_.back().get()] {
        script_(*peer);
        peer->close();
      });
    }
  }

  const Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::thread acceptor_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::thread> threads_;
};

// Answers each request by `answer`, until the client closes.
inline ScriptedServer::Script answering(std::function<std::string(const SeenRequest&)> answer) {
  return [answer = std::move(answer)](Peer& peer) {
    while (const auto request = peer.read_request()) peer.write(answer(*request));
  };
}

}  // namespace kedge
