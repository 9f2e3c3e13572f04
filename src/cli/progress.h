// How a long run goes, on standard error: one line that is redrawn on a terminal, a line now and
// then elsewhere.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "cli/console.h"
#include "kedge/sync.h"

namespace kedge::cli {

inline constexpr double kRedrawSeconds = 0.1;
inline constexpr double kLineSeconds = 10;  // between lines where nothing can be redrawn

// What has been done since a phase began.
struct Pace {
  double seconds = 0;
  std::uint64_t objects = 0, chunks = 0, bytes = 0;
};

// One line of at most `width` columns; what matters least is left out first.
std::string progress_line(const Progress& progress, const Pace& pace, std::size_t width);

// Threads: any method, from any thread.
class ProgressDisplay {
 public:
  // `seconds` is a monotonic clock.
  ProgressDisplay(Console& console, std::function<double()> seconds, bool quiet);

  void update(const Progress& progress);
  // A line of its own, above the progress.
  void message(std::string_view line);
  // Takes the progress line away.
  void erase();

 private:
  void erase_locked();

  Console& console_;
  std::function<double()> seconds_;
  bool quiet_;
  std::mutex mutex_;
  Progress phase_start_;
  double phase_began_ = 0;
  double last_shown_;
  std::size_t shown_columns_ = 0;
};

}  // namespace kedge::cli
