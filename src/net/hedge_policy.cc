#include "net/hedge_policy.h"

#include <algorithm>
#include <cmath>

namespace kedge {
namespace {

constexpr std::uint64_t kCopy = 1'000'000;  // what one takes of what reads saved
constexpr std::uint64_t kRefresh = 8;       // samples after which a percentile is computed again

}  // namespace

HedgePolicy::HedgePolicy(double budget, Duration floor)
    : a_read_(static_cast<std::uint64_t>(std::llround(budget * static_cast<double>(kCopy)))),
      floor_(floor),
      saved_(kBurst * kCopy) {}

void HedgePolicy::add(std::string_view host, Duration latency) {
  auto found = hosts_.find(host);
  if (found == hosts_.end()) {
    if (hosts_.size() >= kMaxHosts) hosts_.clear();
    found = hosts_.emplace(host, Host{}).first;
  }
  Host& one = found->second;
  one.samples[one.count++ % kWindow] = latency;
}

std::optional<Duration> HedgePolicy::wait(std::string_view host) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end() || found->second.count < kMinSamples) return std::nullopt;
  Host& one = found->second;
  if (one.computed == 0 || one.count - one.computed >= kRefresh) {
    const std::size_t size = std::min<std::uint64_t>(one.count, kWindow);
    std::array<Duration, kWindow> sorted = one.samples;
    const auto percentile = [&](std::size_t percent) {
      const auto rank =
          sorted.begin() + static_cast<std::ptrdiff_t>((size * percent + 99) / 100 - 1);
      std::nth_element(sorted.begin(), rank, sorted.begin() + static_cast<std::ptrdiff_t>(size));
      return *rank;
    };
    one.wait = std::max(percentile(95), 2 * percentile(50));
    one.computed = one.count;
  }
  return std::max(one.wait, floor_);
}

void HedgePolicy::began() { saved_ = std::min(saved_ + a_read_, kMaxSaved * kCopy); }

bool HedgePolicy::take() {
  if (!enabled() || saved_ < kCopy) return false;
  saved_ -= kCopy;
  return true;
}

}  // namespace kedge
