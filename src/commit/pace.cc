#include "commit/pace.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace kedge {
namespace {

constexpr Duration kMinAttempt = std::chrono::milliseconds(1);
constexpr Duration kMaxAttempt = std::chrono::seconds(2);
constexpr Duration kFirstGuess = std::chrono::milliseconds(100);
// Generations older than the time of so many attempts say nothing of now.
constexpr std::int64_t kRemembered = 2 * std::int64_t{kRecentPairs};
// Others that take less than this part of an attempt's time with commits are no crowd.
constexpr std::int64_t kFew = 4;
// After how many lost races in a row the window is not doubled any more.
constexpr int kMaxDoublings = 6;

std::uint32_t writer_of(const Id128& commit_id) {
  std::uint32_t writer = 0;
  std::memcpy(&writer, commit_id.bytes.data(), sizeof writer);
  return writer;
}

}  // namespace

void Pace::mark(Id128& commit_id) {
  const std::lock_guard lock(mutex_);
  if (!mine_) mine_ = writer_of(commit_id);
  std::memcpy(commit_id.bytes.data(), &*mine_, sizeof *mine_);
}

void Pace::saw(const Envelope& head, Duration now) {
  const std::lock_guard lock(mutex_);
  const Duration attempt = attempt_.value_or(kFirstGuess);
  while (!seen_.empty() &&
         (seen_.size() > kRecentPairs || now - seen_.front().at > kRemembered * attempt))
    seen_.pop_front();
  const std::size_t known = seen_.size();
  for (const auto& [generation, id] : head.recent) {
    if (known > 0 && generation <= seen_[known - 1].generation) break;
    const auto at = seen_.begin() + static_cast<std::ptrdiff_t>(known);
    seen_.insert(at, {.generation = generation, .writer = writer_of(id), .at = now});
    if (known == 0) break;
  }
}

void Pace::took(Duration attempt) {
  const std::lock_guard lock(mutex_);
  const Duration limited = std::clamp(attempt, kMinAttempt, kMaxAttempt);
  attempt_ = (attempt_.value_or(limited) * 7 + limited) / 8;
}

std::size_t Pace::writers_locked(Duration now) const {
  if (seen_.empty()) return 1;
  std::set<std::uint32_t> others;
  std::int64_t theirs = 0;
  for (auto seen = seen_.begin() + 1; seen != seen_.end(); ++seen) {
    if (seen->writer == mine_) continue;
    others.insert(seen->writer);
    ++theirs;
  }
  if (kFew * theirs * attempt_.value_or(kFirstGuess) < now - seen_.front().at) return 1;
  return 1 + others.size();
}

std::size_t Pace::writers(Duration now) const {
  const std::lock_guard lock(mutex_);
  return writers_locked(now);
}

// One attempt falls into the time of another then, on average, and one of two comes through. Who
// lost often waits less, so that nobody is left behind; who does not know yet how many there are
// takes twice as many after each lost race.
Duration Pace::window(int lost, Duration now) const {
  const std::lock_guard lock(mutex_);
  const auto others = static_cast<std::int64_t>(writers_locked(now)) - 1;
  const Duration both = 2 * attempt_.value_or(kFirstGuess);
  Duration window = both * others * 2 / (2 + lost);
  if (lost > 0 && seen_.size() <= kRecentPairs)
    window = std::max(window, both * (std::int64_t{1} << std::min(lost - 1, kMaxDoublings)));
  return std::min(window, kMaxWindow);
}

}  // namespace kedge
