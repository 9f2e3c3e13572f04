#include "tests/sim/shrink.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace kedge::sim {
namespace {

constexpr unsigned kHangSeconds = 60;

class Shrinking {
 public:
  Shrinking(PlayOptions options, std::uint64_t most_tries)
      : best_(std::move(options)), tries_left_(most_tries) {}

  PlayOptions run() {
    if (!fails(best_)) return best_;
    cut_the_end();
    leave_out_parts();
    leave_out_turns();
    leave_out_parts();
    return best_;
  }

 private:
  bool take(const PlayOptions& candidate) {
    if (tries_left_ == 0) return false;
    --tries_left_;
    if (!fails(candidate)) return false;
    best_ = candidate;
    return true;
  }

  void cut_the_end() {
    for (std::uint64_t cut = best_.steps / 2; cut > 0; cut /= 2) {
      PlayOptions candidate = best_;
      candidate.steps -= cut;
      std::erase_if(candidate.turns, [&](std::uint64_t turn) { return turn >= candidate.steps; });
      while (take(candidate) && candidate.steps > cut) candidate.steps -= cut;
    }
  }

  void leave_out_parts() {
    for (std::size_t part = 0; part < kParts; ++part) {
      if (best_.without.has(static_cast<Part>(part))) continue;
      PlayOptions candidate = best_;
      candidate.without.add(static_cast<Part>(part));
      take(candidate);
    }
  }

  void leave_out_turns() {
    if (best_.turns.empty()) {
      for (std::uint64_t turn = 0; turn < best_.steps; ++turn) best_.turns.push_back(turn);
    }
    for (std::size_t chunk = best_.turns.size() / 2; chunk > 0; chunk /= 2) {
      for (std::size_t at = 0; at < best_.turns.size() && best_.turns.size() > 1;) {
        PlayOptions candidate = best_;
        const auto first = candidate.turns.begin() + static_cast<std::ptrdiff_t>(at);
        const std::size_t count = std::min(chunk, candidate.turns.size() - at);
        candidate.turns.erase(first, first + static_cast<std::ptrdiff_t>(count));
        // None left would mean all.
        if (candidate.turns.empty() || !take(candidate)) at += count;
      }
    }
  }

  PlayOptions best_;
  std::uint64_t tries_left_;
};

}  // namespace

bool fails(const PlayOptions& options) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    ::alarm(kHangSeconds);
    bool failed = false;
    {
      Play play(options);
      play.run();
      failed = play.failed();
    }
    ::_exit(failed ? 1 : 0);
  }
  KEDGE_CHECK(child > 0);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
  }
  return status != 0;
}

PlayOptions shrink(PlayOptions options, std::uint64_t most_tries) {
  return Shrinking(std::move(options), most_tries).run();
}

std::string command_of(const PlayOptions& options) {
  std::string out =
      str_cat("./dev sim --seed ", options.seed, " --seeds 1 --steps ", options.steps);
  if (const std::string without = options.without.print(); !without.empty())
    out += str_cat(" --without ", without);
  if (!options.turns.empty()) out += str_cat(" --turns ", print_turns(options.turns));
  return out;
}

}  // namespace kedge::sim
