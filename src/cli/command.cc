#include "cli/command.h"

#include <charconv>
#include <system_error>

#include "cli/units.h"

namespace kedge::cli {
namespace {

using Values = std::vector<std::string>;

Result<bool> parse_bool(const std::string& text) {
  if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "0" || text == "no" || text == "off") return false;
  return {Code::kInvalid, "'" + text + "' is neither true nor false"};
}

// Of one text; several make no sense.
template <typename T, typename Parse>
Setter parsed_into(T* target, Parse parse) {
  return [target, parse](const Values& values) -> Status {
    if (values.size() != 1) return {Code::kInvalid, "needs exactly one value"};
    auto parsed = parse(values.front());
    if (!parsed.ok()) return parsed.error();
    *target = *std::move(parsed);
    return {};
  };
}

auto number_parser(std::uint64_t most) {
  return [most](const std::string& text) { return parse_number(text, most); };
}

}  // namespace

Setter into(std::string* target) {
  return parsed_into(target, [](const std::string& text) { return Result<std::string>(text); });
}
Setter into(std::vector<std::string>* target) {
  return [target](const Values& values) -> Status {
    *target = values;
    return {};
  };
}
Setter into(std::optional<std::vector<std::string>>* target) {
  return [target](const Values& values) -> Status {
    *target = values;
    // An empty pattern replaces what the index has recorded by nothing.
    if (values.size() == 1 && values.front().empty()) (*target)->clear();
    return {};
  };
}
Setter into(bool* target) { return parsed_into(target, parse_bool); }
Setter into(std::optional<bool>* target, bool value_when_set) {
  return parsed_into(target, [value_when_set](const std::string& text) -> Result<bool> {
    Result<bool> set = parse_bool(text);
    if (!set.ok()) return set;
    return *set == value_when_set;
  });
}
Setter number_into(std::uint64_t* target, std::uint64_t most) {
  return parsed_into(target, number_parser(most));
}
Setter number_into(std::optional<std::uint64_t>* target, std::uint64_t most) {
  return parsed_into(target, number_parser(most));
}
Setter number_into(std::uint32_t* target) {
  return parsed_into(target, [](const std::string& text) -> Result<std::uint32_t> {
    Result<std::uint64_t> number = parse_number(text, std::numeric_limits<std::uint32_t>::max());
    if (!number.ok()) return number.error();
    return static_cast<std::uint32_t>(*number);
  });
}
Setter size_into(std::uint64_t* target) { return parsed_into(target, parse_size); }
Setter size_into(std::optional<std::uint64_t>* target) { return parsed_into(target, parse_size); }
Setter seconds_into(double* target) {
  return parsed_into(target, [](const std::string& text) -> Result<double> {
    double seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    // Written so that NaN is refused too.
    if (error != std::errc() || end != text.data() + text.size() ||
        !(seconds >= 0 && seconds <= 1e9))
      return {Code::kInvalid, "'" + text + "' is not a number of seconds"};
    return seconds;
  });
}

Setter share_into(double* target) {
  return parsed_into(target, [](const std::string& text) -> Result<double> {
    double share = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share);
    if (error != std::errc() || end != text.data() + text.size() || !(share > 0 && share <= 1))
      return {Code::kInvalid, "'" + text + "' is not a share above 0 and at most 1"};
    return share;
  });
}

Setter duration_into(double* target) { return parsed_into(target, parse_duration); }

Option make_switch(std::string name, std::string help, Setter set, bool configurable) {
  return {.name = std::move(name),
          .value = "",
          .help = std::move(help),
          .set = std::move(set),
          .configurable = configurable};
}

}  // namespace kedge::cli
