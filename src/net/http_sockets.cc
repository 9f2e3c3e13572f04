// The part of HttpLoop between libcurl and epoll: which sockets are watched for what.
//
// A kept connection stays in epoll while it is idle. That saves two system calls a request, and it
// shows bytes that come without a request: libcurl 7.88 would take them for the next one's answer.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "net/http_loop.h"

namespace kedge {
namespace {

constexpr int kMaxWasteReads = 256;

HttpLoop& loop_of(void* self) { return *static_cast<HttpLoop*>(self); }

}  // namespace

HttpLoop::Socket& HttpLoop::socket_at(curl_socket_t socket) {
  const auto at = static_cast<std::size_t>(socket);
  if (at >= sockets_.size()) sockets_.resize(at + 1);
  return sockets_[at];
}

curl_socket_t HttpLoop::open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  // Kedge starts programs, which must not hold its connections open.
  const int socket = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  loop_of(self).environment_.refused_socket = socket < 0 ? errno : 0;
  if (socket >= 0) loop_of(self).socket_at(socket) = Socket{.connection = true};
  return socket;
}

int HttpLoop::close_socket(void* self, curl_socket_t socket) {
  HttpLoop& loop = loop_of(self);
  // Closing is not enough where a child process holds the descriptor too.
  loop.watch(socket, 0);
  loop.socket_at(socket) = Socket{};
  return close(socket);
}

void HttpLoop::watch(curl_socket_t socket, std::uint32_t wanted) {
  std::uint32_t& known = socket_at(socket).wanted;
  if (known == wanted) return;
  epoll_event event{.events = wanted, .data = {.fd = socket}};
  epoll_ctl(epoll_,
            wanted == 0  ? EPOLL_CTL_DEL
            : known == 0 ? EPOLL_CTL_ADD
                         : EPOLL_CTL_MOD,
            socket, &event);
  known = wanted;
}

int HttpLoop::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  HttpLoop& loop = loop_of(self);
  Socket& known = loop.socket_at(socket);
  known.idle = what == CURL_POLL_REMOVE && known.connection;
  if (what == CURL_POLL_REMOVE) {
    loop.watch(socket, known.connection ? EPOLLIN : 0U);
    return 0;
  }
  loop.watch(socket, ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) |
                         ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U));
  return 0;
}

// Something came on an idle connection, its end or bytes that nobody asked for. libcurl looks for
// its end before it uses it again, so that is what it gets.
void HttpLoop::spoil(curl_socket_t socket) {
  watch(socket, 0);
  shutdown(socket, SHUT_RDWR);
  std::array<char, 4'096> waste;
  // Of a server that never stops enough is read: what follows cannot be sent to any more.
  for (int i = 0; i < kMaxWasteReads; ++i)
    if (recv(socket, waste.data(), waste.size(), MSG_DONTWAIT) <= 0) return;
}

}  // namespace kedge
