#include "emulator/shaping.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "base/strings.h"

namespace kedge::emulator {
namespace {

constexpr double kNormal99 = 2.3263478740408408;  // the 99th percentile of a standard normal
constexpr Duration kMaxLatency = std::chrono::minutes(10);

std::optional<Duration> parse_duration(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return {};
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  const double micros = unit == "us" ? 1 : unit == "ms" ? 1e3 : unit == "s" ? 1e6 : 0;
  if (micros == 0 || !(value > 0)) return {};
  const double total = value * micros;
  if (total < 1 || total > static_cast<double>(kMaxLatency.count())) return {};
  return Duration(static_cast<std::int64_t>(total));
}

}  // namespace

Latency Latency::constant(Duration time) {
  Latency out;
  out.median_ = time;
  return out;
}

Latency Latency::lognormal(Duration median, Duration p99) {
  KEDGE_CHECK(median > Duration(0) && p99 >= median);
  Latency out;
  out.median_ = median;
  out.sigma_ =
      std::log(static_cast<double>(p99.count()) / static_cast<double>(median.count())) / kNormal99;
  return out;
}

Result<Latency> Latency::parse(std::string_view text) {
  const Error wrong{Code::kInvalid, str_cat("not a latency, such as constant:30ms or "
                                            "lognormal:30ms,100ms (median, p99): ",
                                            printable(text))};
  if (text.empty()) return Latency();
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return wrong;
  const std::string_view kind = text.substr(0, colon);
  const std::string_view rest = text.substr(colon + 1);
  const std::size_t comma = rest.find(',');
  const auto first = parse_duration(rest.substr(0, comma));
  if (!first) return wrong;
  if (kind == "constant" && comma == std::string_view::npos) return constant(*first);
  if (kind != "lognormal" || comma == std::string_view::npos) return wrong;
  const auto second = parse_duration(rest.substr(comma + 1));
  if (!second || *second < *first) return wrong;
  return lognormal(*first, *second);
}

Duration Latency::draw(Random& random) const {
  if (sigma_ == 0) return median_;
  const double micros = static_cast<double>(median_.count()) * std::exp(sigma_ * random.normal());
  return std::min(kMaxLatency, Duration(static_cast<std::int64_t>(micros)));
}

}  // namespace kedge::emulator
