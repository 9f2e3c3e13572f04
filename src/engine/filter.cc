#include "engine/filter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/clock.h"
#include "base/strings.h"

namespace kedge {
namespace {

using Kind = Filter::Kind;
using FieldKind = FilterField::Kind;

struct KnownName {
  std::string_view name;
  FieldKind kind;
};
constexpr std::array<KnownName, 5> kKnownNames{{{"key", FieldKind::kKey},
                                                {"source", FieldKind::kSource},
                                                {"media_type", FieldKind::kMediaType},
                                                {"size", FieldKind::kSize},
                                                {"modified", FieldKind::kModified}}};
constexpr std::string_view kMetaPrefix = "meta.";
constexpr double kMicros = 1e6;
// The years that RFC 3339 can write.
constexpr double kFirstSecond = -62'135'596'800.0;
constexpr double kLastSecond = 253'402'300'799.0;

bool holds_text(FieldKind kind) {
  return kind == FieldKind::kKey || kind == FieldKind::kSource || kind == FieldKind::kMediaType;
}

// "2024-03-01", or RFC 3339 in UTC.
Result<double> time_of(std::string_view text) {
  const Error wrong{Code::kInvalid, "a date such as \"2024-03-01\" or \"2024-03-01T12:00:00Z\""};
  const std::string whole =
      text.size() == 10 ? str_cat(text, "T00:00:00Z") : std::string(text.substr(0, 40));
  const Result<Timestamp> time = parse_rfc3339(whole);
  if (!time.ok()) return wrong;
  // No 31st of February: the calendar would go on into March.
  const std::string again = time->micros == 0 ? "1970-01-01T00:00:00Z" : to_rfc3339(*time);
  if (again.substr(0, 19) != whole.substr(0, 19)) return wrong;
  return static_cast<double>(time->micros);
}

Result<MetadataScalar> comparable_time(const MetadataScalar& literal) {
  if (const auto* text = std::get_if<std::string>(&literal))
    return MetadataScalar(KEDGE_TRY(time_of(*text)));
  const auto* seconds = std::get_if<double>(&literal);
  if (seconds == nullptr || !(*seconds >= kFirstSecond) || !(*seconds <= kLastSecond))
    return {Code::kInvalid, "a date, or seconds since 1970"};
  return MetadataScalar(std::round(*seconds * kMicros) + 0.0);
}

bool is_word(std::string_view text) {
  const auto first = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  const auto rest = [&](char c) {
    return first(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  if (text.empty() || !first(text[0]) || !std::all_of(text.begin(), text.end(), rest)) return false;
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  for (const char* keyword : {"and", "or", "not", "in", "exists", "true", "false"}) {
    if (lower == keyword) return false;
  }
  return true;
}

std::string quoted(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string name_text(const FilterField& field) {
  for (const KnownName& known : kKnownNames) {
    if (known.kind == field.kind) return std::string(known.name);
  }
  const bool plain = field_of(field.name) == field;
  const std::string name = plain ? field.name : str_cat(kMetaPrefix, field.name);
  return is_word(name) ? name : quoted(name);
}

std::string value_text(const FilterField& field, const MetadataScalar& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  const double number = std::get<double>(value);
  if (field.kind == FieldKind::kModified) {
    const Timestamp time{static_cast<std::int64_t>(number)};
    return quoted(time.micros == 0 ? "1970-01-01T00:00:00Z" : to_rfc3339(time));
  }
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return {digits.data(), end};
}

std::string condition_text(const Filter& filter, bool negated) {
  const std::string name = name_text(filter.field);
  const auto with = [&](std::string_view sign) {
    return str_cat(name, " ", sign, " ", value_text(filter.field, filter.values[0]));
  };
  switch (filter.kind) {
    case Kind::kPrefix:
      return with("^=");
    case Kind::kLess:
      return with("<");
    case Kind::kLessOrEqual:
      return with("<=");
    case Kind::kGreater:
      return with(">");
    case Kind::kGreaterOrEqual:
      return with(">=");
    case Kind::kIn:
      break;
    default:
      return str_cat("exists(", name, ")");
  }
  if (filter.values.size() == 1) return with(negated ? "!=" : "=");
  std::string out = str_cat(name, negated ? " not in (" : " in (");
  for (std::size_t i = 0; i < filter.values.size(); ++i)
    out += str_cat(i == 0 ? "" : ", ", value_text(filter.field, filter.values[i]));
  return out += ")";
}

}  // namespace

FilterField field_of(std::string_view name) {
  for (const KnownName& known : kKnownNames) {
    if (known.name == name) return {.kind = known.kind, .name = {}};
  }
  if (name.starts_with(kMetaPrefix)) name.remove_prefix(kMetaPrefix.size());
  return {.kind = FieldKind::kAttribute, .name = std::string(name)};
}

Result<MetadataScalar> comparable(const FilterField& field, Filter::Kind kind,
                                  MetadataScalar literal) {
  if (field.kind == FieldKind::kModified && kind != Kind::kPrefix) return comparable_time(literal);
  const bool text = std::holds_alternative<std::string>(literal);
  if (kind == Kind::kPrefix) {
    const bool never = field.kind == FieldKind::kModified || field.kind == FieldKind::kSize;
    if (never) return {Code::kInvalid, "another comparison: this one is of texts"};
    if (!text) return {Code::kInvalid, "a text"};
    return literal;
  }
  const bool orders = kind != Kind::kIn;
  if (orders && holds_text(field.kind))
    return {Code::kInvalid, "another comparison: this one is of numbers"};
  if (auto* number = std::get_if<double>(&literal)) {
    if (!std::isfinite(*number)) return {Code::kInvalid, "a finite number"};
    *number += 0.0;
  }
  if ((orders || field.kind == FieldKind::kSize) && !std::holds_alternative<double>(literal))
    return {Code::kInvalid, "a number"};
  if (holds_text(field.kind) && !text) return {Code::kInvalid, "a text"};
  return literal;
}

Filter join(Filter::Kind kind, std::vector<Filter> children) {
  KEDGE_CHECK(!children.empty() && (kind == Kind::kAll || kind == Kind::kAny));
  Filter out;
  out.kind = kind;
  for (Filter& child : children) {
    if (child.kind == kind) {
      std::move(child.children.begin(), child.children.end(), std::back_inserter(out.children));
    } else {
      out.children.push_back(std::move(child));
    }
  }
  if (out.children.size() > 1) return out;
  Filter only = std::move(out.children.front());
  return only;
}

Filter negate(Filter filter) {
  if (filter.kind == Kind::kNot) {
    Filter inner = std::move(filter.children.front());
    return inner;
  }
  Filter out;
  out.kind = Kind::kNot;
  out.children.push_back(std::move(filter));
  return out;
}

Result<Filter> parse_filter(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && text[first] == '{';
  return json ? parse_filter_json(text) : parse_filter_text(text);
}

std::string to_text(const Filter& filter) {
  if (filter.kind == Kind::kNot) {
    const Filter& child = filter.children.front();
    if (child.kind == Kind::kIn) return condition_text(child, true);
    if (child.kind == Kind::kExists) return str_cat("not ", condition_text(child, false));
    return str_cat("not (", to_text(child), ")");
  }
  if (filter.kind != Kind::kAll && filter.kind != Kind::kAny) return condition_text(filter, false);
  std::string out;
  for (const Filter& child : filter.children) {
    if (!out.empty()) out += filter.kind == Kind::kAll ? " and " : " or ";
    const bool group = child.kind == Kind::kAll || child.kind == Kind::kAny;
    out += group ? str_cat("(", to_text(child), ")") : to_text(child);
  }
  return out;
}

}  // namespace kedge
