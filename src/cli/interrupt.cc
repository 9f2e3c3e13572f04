#include "cli/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

namespace kedge::cli {

Interrupt::Interrupt(std::function<void()> on_first) {
  sigset_t watched;
  sigemptyset(&watched);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
      sigaddset(&watched, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &watched, &before_);
  signals_ = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  end_ = ::eventfd(0, EFD_CLOEXEC);
  if (signals_ < 0 || end_ < 0) {
    // Out of descriptors: the signals then end the process, which is safe too.
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    return;
  }
  thread_ = std::thread([this, on_first = std::move(on_first)] { watch(on_first); });
}

Interrupt::~Interrupt() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    // An eventfd at zero takes a write always.
    [[maybe_unused]] const ssize_t written = ::write(end_, &one, sizeof one);
    thread_.join();
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  if (signals_ >= 0) ::close(signals_);
  if (end_ >= 0) ::close(end_);
}

void Interrupt::watch(const std::function<void()>& on_first) {
  while (true) {
    std::array<pollfd, 2> watched = {{{.fd = signals_, .events = POLLIN, .revents = 0},
                                      {.fd = end_, .events = POLLIN, .revents = 0}}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != sizeof info) continue;
    if (stop_.stop_requested()) ::_exit(kExitSecondSignal);
    stop_.request_stop();
    on_first();
  }
}

}  // namespace kedge::cli
