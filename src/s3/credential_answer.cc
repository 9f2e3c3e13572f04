#include "s3/credential_answer.h"

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>

#include "base/allocation.h"
#include "base/strings.h"

namespace kedge {

namespace json = boost::json;

namespace {

Result<json::value> parse_object(std::string_view text, std::string_view what) {
  if (text.size() > kMaxCredentialAnswerBytes)
    return {Code::kCorrupt, str_cat(what, ": over ", kMaxCredentialAnswerBytes, " bytes")};
  json::parse_options options;
  options.max_depth = kMaxCredentialJsonDepth;
  boost::system::error_code error;
  json::value value = json::parse(text, error, {}, options);
  if (error || !value.is_object()) return {Code::kCorrupt, str_cat(what, ": not a JSON object")};
  return value;
}

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7F'; });
}

// "Z", "UTC", "+hh:mm", "+hhmm", in minutes east of UTC.
std::optional<int> parse_offset(std::string_view text) {
  if (text == "Z" || text == "UTC") return 0;
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  std::string digits(text.substr(1));
  if (digits.size() == 5 && digits[2] == ':') digits.erase(2, 1);
  const bool good = digits.size() == 4 &&
                    std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (!good) return std::nullopt;
  const int number = std::stoi(digits);
  const int minutes = number / 100 * 60 + number % 100;
  return text[0] == '-' ? -minutes : minutes;
}

}  // namespace

struct JsonWalk {
  static void collect(const json::object& object, const std::string& prefix, JsonFields& into) {
    for (const auto& [key, value] : object) {
      if (into.fields_.size() >= kMaxCredentialFields) return;
      const std::string name = str_cat(prefix, std::string_view(key));
      if (const json::string* text = value.if_string()) {
        into.fields_[name] = std::string(*text);
      } else if (const std::int64_t* number = value.if_int64()) {
        into.fields_[name] = std::to_string(*number);
      } else if (const json::object* inner = value.if_object()) {
        collect(*inner, name + ".", into);
      }
    }
  }
};

Result<JsonFields> JsonFields::parse(std::string_view text, std::string_view what) try {
  const json::value value = KEDGE_TRY(parse_object(text, what));
  JsonFields out;
  out.what_ = what;
  JsonWalk::collect(value.get_object(), "", out);
  return out;
} catch (...) {
  return memory_error(what);
}

std::string JsonFields::text(std::string_view name) const {
  const auto found = fields_.find(name);
  return found == fields_.end() ? std::string() : found->second;
}

Result<std::string> JsonFields::required(std::string_view name) const {
  std::string value = text(name);
  if (value.empty()) return {Code::kCorrupt, str_cat(what_, ": no field ", name)};
  return value;
}

std::string json_object(const NamedTexts& fields) {
  json::object object;
  for (const auto& [name, value] : fields) object[name] = value;
  return json::serialize(object);
}

Result<std::string> with_json_fields(std::string_view text, const NamedTexts& fields,
                                     std::string_view what) try {
  json::value value = KEDGE_TRY(parse_object(text, what));
  for (const auto& [name, field] : fields) value.get_object()[name] = field;
  return json::serialize(value);
} catch (...) {
  return memory_error(what);
}

Result<Timestamp> parse_expiry(std::string_view text, std::string_view what) try {
  const Error bad{Code::kCorrupt, str_cat(what, ": the time of expiry is not ISO 8601")};
  static constexpr std::size_t kMaxTimeBytes = 64;
  static constexpr std::size_t kDateAndTime = 19;  // "2026-03-01T12:00:00"
  if (text.size() < kDateAndTime || text.size() > kMaxTimeBytes) return bad;
  std::string_view rest = text.substr(kDateAndTime);
  const std::size_t zone =
      rest.starts_with('.') ? std::min(rest.find_first_not_of("0123456789", 1), rest.size()) : 0;
  const std::optional<int> offset = parse_offset(rest.substr(zone));
  if (!offset) return bad;
  const Result<Timestamp> utc =
      parse_rfc3339(str_cat(text.substr(0, kDateAndTime), rest.substr(0, zone), "Z"));
  if (!utc.ok()) return bad;
  return *utc - std::chrono::minutes(*offset);
} catch (...) {
  return memory_error(what);
}

Result<Credentials> checked_credentials(Credentials credentials, std::string_view what) {
  const auto refuse = [what](std::string_view reason) -> Error {
    return {Code::kCorrupt, str_cat(what, ": ", reason)};
  };
  const std::string& id = credentials.access_key_id;
  const std::string& secret = credentials.secret_access_key;
  if (id.empty()) return refuse("no access key id");
  if (id.size() > kMaxAccessKeyIdBytes || !is_visible_ascii(id)) return refuse("bad access key id");
  if (secret.empty()) return refuse("no secret access key");
  if (secret.size() > kMaxSecretBytes) return refuse("the secret access key is too long");
  const std::string& token = credentials.session_token;
  if (token.size() > kMaxTokenBytes || !is_visible_ascii(token)) return refuse("bad session token");
  return credentials;
}

}  // namespace kedge
