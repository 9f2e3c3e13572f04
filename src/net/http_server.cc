#include "net/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "base/strings.h"

namespace kedge {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kMaxPieces = 64;  // of one writev
constexpr int kBacklog = 1024;

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// A connected socket as Beast wants a stream: every read and write also ends when `stop` becomes
// readable, or after `idle` without a byte.
class Wire {
 public:
  Wire(int fd, int stop, Duration idle) : fd_(fd), stop_(stop), idle_(idle) {}

  template <typename Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& error) {
    const boost::asio::mutable_buffer buffer = *boost::asio::buffer_sequence_begin(buffers);
    while (true) {
      const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count > 0) return static_cast<std::size_t>(count);
      if (count == 0) {
        error = http::error::end_of_stream;
        return 0;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) break;
      if (!ready(POLLIN, idle_)) break;
    }
    error = boost::system::errc::make_error_code(boost::system::errc::connection_aborted);
    return 0;
  }
  template <typename Buffers>
  std::size_t read_some(const Buffers& buffers) {
    error_code error;
    return read_some(buffers, error);
  }

  bool write(std::span<iovec> pieces) {
    while (!pieces.empty()) {
      msghdr message{};
      message.msg_iov = pieces.data();
      message.msg_iovlen = pieces.size();
      const ssize_t count = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) {
        if (errno == EINTR) continue;
        if ((errno != EAGAIN && errno != EWOULDBLOCK) || !ready(POLLOUT, idle_)) return false;
        continue;
      }
      auto left = static_cast<std::size_t>(count);
      while (!pieces.empty() && left >= pieces.front().iov_len) {
        left -= pieces.front().iov_len;
        pieces = pieces.subspan(1);
      }
      if (left > 0) {
        pieces.front().iov_base = static_cast<char*>(pieces.front().iov_base) + left;
        pieces.front().iov_len -= left;
      }
    }
    return true;
  }

  // False when the other side went, the server stops, or time is up.
  [[nodiscard]] bool ready(short events, Duration longest) const {
    const Seen seen = wait(events, longest);
    return !seen.stop && (seen.events & events) != 0;
  }
  // True when the whole of `longest` passed with both sides there.
  [[nodiscard]] bool rest(Duration longest) const {
    const Seen seen = wait(POLLRDHUP, longest);
    return !seen.stop && seen.events == 0;
  }
  void reset() const {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  // What a client still sends must not turn the FIN into a RST that overtakes the answer.
  void finish() const {
    ::shutdown(fd_, SHUT_WR);
    std::array<char, 4096> ignored{};
    const Duration patience = std::chrono::milliseconds(200);
    while (ready(POLLIN, patience) && ::recv(fd_, ignored.data(), ignored.size(), 0) > 0) {
    }
  }

 private:
  struct Seen {
    short events = 0;   // of the connection
    bool stop = false;  // the server stops, or nothing can be seen any more
  };
  // Until one of `events`, the end of the other side, the server's stop, or `longest` has passed.
  [[nodiscard]] Seen wait(short events, Duration longest) const {
    std::array<pollfd, 2> waited{{{fd_, events, 0}, {stop_, POLLIN, 0}}};
    const auto micros = std::max<std::int64_t>(longest.count(), 0);
    const timespec limit{micros / 1'000'000, micros % 1'000'000 * 1000};
    int found = -1;
    do {
      found = ::ppoll(waited.data(), waited.size(), &limit, nullptr);
    } while (found < 0 && errno == EINTR);
    return {waited[0].revents, found < 0 || waited[1].revents != 0};
  }

  int fd_;
  int stop_;
  Duration idle_;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string head_of(int status, std::span<const HttpHeader> headers, std::uint64_t length) {
  std::string head;
  head.reserve(512);
  head += str_cat("HTTP/1.1 ", status, " ", status_phrase(status), "\r\n");
  for (const HttpHeader& one : headers) {
    head += one.name;
    head += ": ";
    // Whatever a header holds, it stays one line.
    for (const char c : one.value) head += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    head += "\r\n";
  }
  if (length == kNoLength) {
    head += "Connection: close\r\n";
  } else if (status >= 200 && status != 204 && status != 304) {
    head += str_cat("Content-Length: ", length, "\r\n");
  }
  return head += "\r\n";
}

enum class Ending { kNone, kClose, kReset };

class Exchange final : public HttpExchange {
 public:
  Exchange(Wire& wire, ServedRequest request) : wire_(wire), request_(std::move(request)) {}

  ServedRequest& request() override { return request_; }
  bool answer(int status, std::span<const HttpHeader> headers, std::uint64_t length,
              std::span<const ByteView> pieces) override {
    answered_ = true;
    if (length == kNoLength) close();
    return send(head_of(status, headers, length), pieces);
  }
  bool write(std::span<const ByteView> pieces) override { return send({}, pieces); }
  void close() override { ending_ = std::max(ending_, Ending::kClose); }
  void reset() override { ending_ = Ending::kReset; }
  bool wait(Duration duration) override { return wire_.rest(duration); }

  [[nodiscard]] Ending ending() const { return answered_ && !gone_ ? ending_ : last(); }

 private:
  [[nodiscard]] Ending last() const { return std::max(ending_, Ending::kClose); }
  bool send(const std::string& head, std::span<const ByteView> pieces) {
    std::array<iovec, kMaxPieces> vectors{};
    std::size_t used = 0;
    const auto add = [&](const void* data, std::size_t size) {
      if (size > 0) vectors[used++] = {const_cast<void*>(data), size};
    };
    add(head.data(), head.size());
    for (const ByteView piece : pieces) {
      if (used == kMaxPieces) {
        if (gone_ = !wire_.write({vectors.data(), used}); gone_) return false;
        used = 0;
      }
      add(piece.data(), piece.size());
    }
    gone_ = gone_ || !wire_.write({vectors.data(), used});
    return !gone_;
  }

  Wire& wire_;
  ServedRequest request_;
  bool answered_ = false;
  bool gone_ = false;
  Ending ending_ = Ending::kNone;
};

// Refusals of the server itself, before any handler.
void refuse(Wire& wire, int status) {
  const HttpHeader closing{"Connection", "close"};
  std::string head = head_of(status, {&closing, 1}, 0);
  iovec piece{head.data(), head.size()};
  wire.write({&piece, 1});
}

class Server final : public HttpServer {
 public:
  Server(HttpServerOptions options, Handler handler, int listener, int stop, std::uint16_t port)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        listener_(listener),
        stop_(stop),
        port_(port),
        acceptor_([this] { accept(); }) {}
  ~Server() override { stop(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const override { return port_; }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    // The event stays readable: every wait of every thread sees it.
    const std::uint64_t one = 1;
    KEDGE_CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one);
    if (acceptor_.joinable()) acceptor_.join();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return connections_ == 0; });
  }

 private:
  void accept() {
    while (!stopping_) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock,
                      [this] { return stopping_ || connections_ < options_.max_connections; });
      }
      std::array<pollfd, 2> waited{{{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
      if (::poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) return;
      if (waited[1].revents != 0) return;
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      start(fd);
    }
  }

  void start(int fd) {
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    {
      const std::lock_guard lock(mutex_);
      ++connections_;
    }
    try {
      std::thread([this, fd] { run(fd); }).detach();
    } catch (const std::exception&) {  // no thread to be had: the client may try again
      ::close(fd);
      ended();
    }
  }

  void run(int fd) {
    {
      const Descriptor owned(fd);
      Wire wire(fd, stop_.get(), options_.idle);
      try {
        beast::flat_buffer buffer;
        while (!stopping_ && serve_one(wire, buffer)) {
        }
      } catch (const std::exception&) {  // memory: this connection ends, the server does not
        wire.reset();
      }
    }
    ended();
  }

  void ended() {
    // Under the lock, or stop() could return and destroy what is notified.
    const std::lock_guard lock(mutex_);
    --connections_;
    changed_.notify_all();
  }

  // Whether the connection goes on.
  bool serve_one(Wire& wire, beast::flat_buffer& buffer) {
    http::request_parser<http::vector_body<std::byte>> parser;
    parser.header_limit(kMaxRequestHeadBytes);
    parser.body_limit(options_.max_body_bytes);
    error_code error;
    http::read_header(wire, buffer, parser, error);
    if (error) return refuse_unreadable(wire, error);
    if (beast::iequals(parser.get()[http::field::expect], "100-continue") && !parser.is_done()) {
      std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      iovec piece{go_on.data(), go_on.size()};
      if (!wire.write({&piece, 1})) return false;
    }
    http::read(wire, buffer, parser, error);
    if (error) return refuse_unreadable(wire, error);
    const bool keep = parser.keep_alive();
    auto message = parser.release();
    ServedRequest request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    for (const auto& field : message)
      request.headers.push_back({lower(field.name_string()), std::string(field.value())});
    request.body = std::move(message.body());
    Exchange exchange(wire, std::move(request));
    handler_(exchange);
    switch (exchange.ending()) {
      case Ending::kNone:
        return keep;
      case Ending::kClose:
        wire.finish();
        return false;
      case Ending::kReset:
        wire.reset();
        return false;
    }
    return false;
  }

  static bool refuse_unreadable(Wire& wire, const error_code& error) {
    if (error == http::error::body_limit) {
      refuse(wire, 413);
    } else if (error == http::error::header_limit) {
      refuse(wire, 431);
    } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      refuse(wire, 400);
    } else {
      return false;
    }
    wire.finish();
    return false;
  }

  HttpServerOptions options_;
  Handler handler_;
  Descriptor listener_;
  Descriptor stop_;
  std::uint16_t port_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t connections_ = 0;
  std::thread acceptor_;  // last: it uses all of the above
};

}  // namespace

Result<std::unique_ptr<HttpServer>> start_http_server(HttpServerOptions options,
                                                      HttpServer::Handler handler) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (::inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) != 1)
    return {Code::kInvalid, str_cat("not an IPv4 address: ", printable(options.host))};
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int stop = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int yes = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || stop < 0 || ::bind(listener, generic, size) != 0 ||
      ::listen(listener, kBacklog) != 0 || ::getsockname(listener, generic, &size) != 0) {
    const std::string reason = std::generic_category().message(errno);
    ::close(listener);
    ::close(stop);
    return {Code::kUnavailable,
            str_cat("cannot listen on ", options.host, ":", options.port, ": ", reason)};
  }
  return std::unique_ptr<HttpServer>(std::make_unique<Server>(
      std::move(options), std::move(handler), listener, stop, ntohs(address.sin_port)));
}

std::string_view status_phrase(int status) {
  const auto phrase = http::obsolete_reason(static_cast<http::status>(status));
  return {phrase.data(), phrase.size()};
}

}  // namespace kedge
