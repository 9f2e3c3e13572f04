#include "cli/units.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <system_error>

namespace kedge::cli {
namespace {

// The factor of a unit, 0 if there is no such unit.
double unit_factor(std::string unit) {
  for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (unit.empty() || unit == "b") return 1;
  constexpr std::string_view kLetters = "kmgt";
  const std::size_t power = kLetters.find(unit[0]);
  if (power == std::string_view::npos) return 0;
  const std::string rest = unit.substr(1);
  const double base = rest == "b" ? 1000 : 1024;
  if (!rest.empty() && rest != "b" && rest != "ib") return 0;
  return std::pow(base, static_cast<double>(power + 1));
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  const Error bad{Code::kInvalid,
                  "'" + std::string(text) + "' is not a size: write for example 64MiB or 4096"};
  // Digits only: from_chars would also take exponents, infinities and signs.
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
  if (digits == 0 || error != std::errc() || end != text.data() + digits) return bad;
  std::size_t unit = digits;
  while (unit < text.size() && text[unit] == ' ') ++unit;
  const double size = number * unit_factor(std::string(text.substr(unit)));
  if (unit_factor(std::string(text.substr(unit))) == 0) return bad;
  if (size >= 9.2e18) return Error{Code::kInvalid, "'" + std::string(text) + "' is too large"};
  return static_cast<std::uint64_t>(size);
}

Result<double> parse_duration(std::string_view text) {
  constexpr std::pair<char, double> kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}};
  double factor = 1;
  std::string_view digits = text;
  for (const auto& [letter, seconds] : kUnits) {
    if (!text.ends_with(letter)) continue;
    factor = seconds;
    digits.remove_suffix(1);
  }
  const Result<std::uint64_t> number = parse_number(digits, 1'000'000'000);
  if (!number.ok())
    return {Code::kInvalid, "'" + std::string(text) + "' is not a duration, as 15m, 1h or 7d are"};
  return static_cast<double>(*number) * factor;
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    return {Code::kInvalid, "'" + std::string(text) + "' is not a whole number"};
  if (number > most)
    return {Code::kInvalid,
            "'" + std::string(text) + "' is too large: at most " + std::to_string(most)};
  return number;
}

std::string format_count(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string format_decimal(double number, int digits) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.*f", digits, number);
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string format_usd(double usd) {
  // Two digits that count: most runs cost a small part of a cent.
  int digits = 2;
  for (double rest = usd; rest > 0 && rest < 0.1 && digits < 9; rest *= 10) ++digits;
  return format_decimal(usd, digits) + " USD";
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 would print as 1024.0.
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return format_decimal(value, 1) + " " + kUnits[unit];
}

std::string format_seconds(double seconds) {
  if (!(seconds >= 0)) seconds = 0;
  if (seconds < 1) return format_decimal(seconds, seconds < 0.1 ? 3 : 2) + " s";
  if (seconds < 59.95) return format_decimal(seconds, 1) + " s";
  const auto whole = static_cast<std::uint64_t>(std::min(seconds, 3.6e9) + 0.5);
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return format_count(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

std::string format_rate(double per_second) {
  if (!(per_second > 0)) return "0";
  if (per_second < 9.95) return format_decimal(per_second, 1);
  return format_count(static_cast<std::uint64_t>(std::min(per_second, 1e15) + 0.5));
}

std::string to_seconds(std::string_view rfc3339) {
  std::string out(rfc3339.substr(0, rfc3339.find('.')));
  if (out.size() < rfc3339.size()) out += 'Z';
  return out;
}

std::string plural(std::uint64_t count, std::string_view one, std::string_view many) {
  std::string out = format_count(count) + " ";
  if (count == 1) return out + std::string(one);
  return out + (many.empty() ? std::string(one) + "s" : std::string(many));
}

}  // namespace kedge::cli
