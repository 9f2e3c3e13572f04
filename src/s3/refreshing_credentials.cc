#include "s3/refreshing_credentials.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

enum class Need { kNone, kSoon, kNow };

bool same_keys(const Credentials& a, const Credentials& b) {
  return a.access_key_id == b.access_key_id && a.secret_access_key == b.secret_access_key &&
         a.session_token == b.session_token;
}

class RefreshingCredentials final : public CredentialProvider {
 public:
  RefreshingCredentials(CredentialSource source, Clock& clock, Log& log)
      : source_(std::move(source)), clock_(clock), log_(log) {}

  Result<Credentials> get(Deadline deadline) override {
    std::unique_lock lock(mutex_);
    while (true) {
      const Need need = need_now();
      if (need == Need::kNone) return *current_;
      if (!in_flight()) return lead(lock, deadline);
      if (need == Need::kSoon) return *current_;
      const std::uint64_t flight = flights_;
      if (!wait_for_landing(lock, flight, deadline)) {
        if (usable()) return *current_;
        return {Code::kUnavailable, "credentials: still being fetched at the deadline"};
      }
      // Its failure is everybody's, unless it only had less time than there is left here.
      if (!usable() && failure_ &&
          (failure_->code != Code::kUnavailable || flight_deadline_.at >= deadline.at))
        return *failure_;
    }
  }

  void refused(const Credentials& used) override {
    const std::lock_guard lock(mutex_);
    if (!current_ || !same_keys(*current_, used)) return;
    // The source has just said the same again: nothing better is to be had there for a while.
    if (clock_.monotonic() < accept_refusals_at_) return;
    refused_ = true;
  }

 private:
  // All of these: mutex_ is held.
  [[nodiscard]] Duration left() const {
    if (!current_->expires) return Duration::max();
    const Duration by_age = life_ - (clock_.monotonic() - fetched_at_);
    return doubtful_ ? by_age : std::min(by_age, *current_->expires - clock_.now());
  }

  [[nodiscard]] bool usable() const { return current_ && !refused_ && left() > Duration(0); }

  [[nodiscard]] Need need_now() const {
    if (!usable()) return Need::kNow;
    const Duration remaining = left();
    if (remaining > std::min(kAdvisoryRefresh, life_ / 2)) return Need::kNone;
    if (clock_.monotonic() < pause_until_) return Need::kNone;
    return remaining > std::min(kMandatoryRefresh, life_ / 3) ? Need::kSoon : Need::kNow;
  }

  // A fetch that a parent process had begun is nobody's here.
  [[nodiscard]] bool in_flight() const { return flight_process_ == ::getpid(); }

  bool wait_for_landing(std::unique_lock<std::mutex>& lock, std::uint64_t flight,
                        Deadline deadline) {
    const auto landed = [&] { return landings_ >= flight; };
    if (deadline.at == Duration::max()) {
      landed_.wait(lock, landed);
      return true;
    }
    const Duration wait = std::max(deadline.at - clock_.monotonic(), Duration(0));
    return landed_.wait_for(lock, std::min(wait, Duration(std::chrono::hours(1))), landed);
  }

  Result<Credentials> lead(std::unique_lock<std::mutex>& lock, Deadline deadline) {
    flight_process_ = ::getpid();
    ++flights_;
    flight_deadline_ = deadline;
    lock.unlock();
    Result<Credentials> fetched = source_(deadline);
    lock.lock();
    flight_process_ = 0;
    landings_ = flights_;
    failure_.reset();
    if (fetched.ok()) {
      keep(std::move(fetched).value());
    } else {
      failure_ = std::move(fetched).error();
      pause_until_ = clock_.monotonic() + kRefreshPause;
    }
    landed_.notify_all();
    if (!failure_) return *current_;
    if (!usable()) return *failure_;
    log_.warning(str_cat("credentials of ", current_->origin, " could not be refreshed: ",
                         failure_->message, "; the old ones serve until ",
                         current_->expires ? to_rfc3339(*current_->expires) : "they are refused"));
    return *current_;
  }

  void keep(Credentials fetched) {
    fetched_at_ = clock_.monotonic();
    if (refused_ && same_keys(fetched, *current_))
      accept_refusals_at_ = fetched_at_ + kRefreshPause;
    current_ = std::move(fetched);
    refused_ = false;
    doubtful_ = false;
    life_ = Duration::max();
    if (!current_->expires) return;
    life_ = *current_->expires - clock_.now();
    if (life_ > Duration(0)) return;
    doubtful_ = true;
    life_ = kDoubtfulLife;
    log_.warning(str_cat("credentials of ", current_->origin, " ended at ",
                         to_rfc3339(*current_->expires),
                         ", before they came: used nevertheless, in case it is this clock that "
                         "is wrong"));
  }

  const CredentialSource source_;
  Clock& clock_;
  Log& log_;

  std::mutex mutex_;
  std::condition_variable landed_;
  std::optional<Credentials> current_;
  bool refused_ = false;    // a store does not take current_
  bool doubtful_ = false;   // it had ended when it came
  Duration fetched_at_{0};  // monotonic, as the two below
  Duration pause_until_{0};
  Duration accept_refusals_at_{0};
  Duration life_{0};  // of current_, from fetched_at_
  pid_t flight_process_ = 0;
  std::uint64_t flights_ = 0;
  std::uint64_t landings_ = 0;
  Deadline flight_deadline_;
  std::optional<Error> failure_;  // of the last flight
};

}  // namespace

std::unique_ptr<CredentialProvider> refreshing_credentials(CredentialSource source, Clock& clock,
                                                           Log& log) {
  return std::make_unique<RefreshingCredentials>(std::move(source), clock, log);
}

}  // namespace kedge
