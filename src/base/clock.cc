#include "base/clock.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <thread>

namespace kedge {
namespace {

class SystemClock final : public Clock {
 public:
  Timestamp now() override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<Duration>(since).count()};
  }
  Duration monotonic() override {
    return std::chrono::duration_cast<Duration>(
        std::chrono::steady_clock::now().time_since_epoch());
  }
  void sleep(Duration duration) override { std::this_thread::sleep_for(duration); }
};

}  // namespace

Clock& system_clock() {
  // Never destroyed: threads that an exit leaves behind still ask it.
  static SystemClock* const clock = new SystemClock;
  return *clock;
}

std::string to_rfc3339(Timestamp time) {
  if (time.micros == 0) return {};
  std::int64_t seconds = time.micros / 1'000'000;
  std::int64_t micros = time.micros % 1'000'000;
  if (micros < 0) {
    micros += 1'000'000;
    --seconds;
  }
  const std::time_t unix_time = seconds;
  std::tm parts{};
  gmtime_r(&unix_time, &parts);
  std::array<char, 64> text{};
  std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string out(text.data(), size);
  if (micros != 0) {
    size = static_cast<std::size_t>(
        std::snprintf(text.data(), text.size(), ".%06d", static_cast<int>(micros)));
    out.append(text.data(), size);
  }
  return out + "Z";
}

Result<Timestamp> parse_rfc3339(std::string_view text) {
  const std::string copy(text);
  std::tm parts{};
  const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return {Code::kInvalid, "not an RFC 3339 time: '" + copy + "'"};
  std::int64_t micros = 0;
  if (*rest == '.') {
    std::int64_t unit = 100'000;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) micros += unit * (*rest - '0');
  }
  if (std::string_view(rest) != "Z") return {Code::kInvalid, "not a UTC time: '" + copy + "'"};
  return Timestamp{static_cast<std::int64_t>(timegm(&parts)) * 1'000'000 + micros};
}

}  // namespace kedge
