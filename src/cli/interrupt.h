// Ctrl-C and SIGTERM as a request to stop, not as an end: what is finished can still be committed.
#pragma once

#include <csignal>
#include <functional>
#include <stop_token>
#include <thread>

namespace kedge::cli {

inline constexpr int kExitSecondSignal = 130;

// While it lives, the first signal requests the stop and calls `on_first` (on another thread), the
// second ends the process at once. Make it before any other thread: they inherit the mask. A signal
// that the parent process chose to ignore stays ignored.
class Interrupt {
 public:
  explicit Interrupt(std::function<void()> on_first);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }
  [[nodiscard]] bool requested() const { return stop_.stop_requested(); }

 private:
  void watch(const std::function<void()>& on_first);

  std::stop_source stop_;
  sigset_t before_{};
  int signals_ = -1;  // signalfd
  int end_ = -1;      // eventfd, written by the destructor
  std::thread thread_;
};

}  // namespace kedge::cli
