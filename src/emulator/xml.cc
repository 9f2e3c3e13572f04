#include "emulator/xml.h"

#include <array>
#include <chrono>
#include <cstdio>

#include "base/strings.h"

namespace kedge::emulator {
namespace {

std::chrono::sys_seconds whole_seconds(Timestamp time) {
  return std::chrono::floor<std::chrono::seconds>(
      std::chrono::sys_time<Duration>(Duration(time.micros)));
}

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (byte < 0x20) {
      out += str_cat("&#", static_cast<int>(byte), ";");
    } else {
      out += c;
    }
  }
  return out;
}

Xml::Xml(std::string_view root) : root_(root) {
  out_ = str_cat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<", root,
                 " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
}
Xml& Xml::open(std::string_view name) {
  out_ += str_cat("<", name, ">");
  return *this;
}
Xml& Xml::close(std::string_view name) {
  out_ += str_cat("</", name, ">");
  return *this;
}
Xml& Xml::element(std::string_view name, std::string_view text) {
  out_ += str_cat("<", name, ">", xml_escaped(text), "</", name, ">");
  return *this;
}
Xml& Xml::number(std::string_view name, std::uint64_t value) {
  return element(name, std::to_string(value));
}
std::string Xml::finish() && {
  close(root_);
  return std::move(out_);
}

std::string http_date(Timestamp time) {
  const std::chrono::sys_seconds at = whole_seconds(time);
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(at - day);
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

std::string xml_time(Timestamp time) {
  std::string text = to_rfc3339({time.micros / 1'000'000 * 1'000'000});
  if (text.ends_with('Z')) text.replace(text.size() - 1, 1, ".000Z");
  return text;
}

}  // namespace kedge::emulator
