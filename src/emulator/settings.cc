#include "emulator/settings.h"

#include <boost/json.hpp>

#include "base/strings.h"

namespace kedge::emulator {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxListed = 1'000;  // denials, keys

// Takes the fields of an object one by one, and knows which were left.
class Fields {
 public:
  static Result<Fields> parse(std::string_view text) {
    boost::system::error_code error;
    json::value parsed = json::parse(json::string_view(text.data(), text.size()), error);
    if (error) return {Code::kInvalid, str_cat("not JSON: ", error.message())};
    return of(parsed);
  }
  static Result<Fields> of(const json::value& value) {
    if (!value.is_object()) return {Code::kInvalid, "not a JSON object"};
    return Fields(value.get_object());
  }

  // Each: empty if the field is not there. A field of the wrong kind is kept as wrong.
  std::optional<std::string> text(std::string_view name) {
    const json::value* value = take(name);
    if (value == nullptr) return {};
    if (value->is_string()) return std::string(std::string_view(value->get_string()));
    wrong(name);
    return {};
  }
  std::optional<bool> flag(std::string_view name) {
    const json::value* value = take(name);
    if (value == nullptr) return {};
    if (value->is_bool()) return value->get_bool();
    wrong(name);
    return {};
  }
  std::optional<double> number(std::string_view name) {
    const json::value* value = take(name);
    if (value == nullptr) return {};
    if (value->is_number()) return value->to_number<double>();
    wrong(name);
    return {};
  }
  std::optional<std::uint64_t> count(std::string_view name) {
    const auto found = number(name);
    if (!found) return {};
    if (*found >= 0 && *found < 9e15) return static_cast<std::uint64_t>(*found);
    wrong(name);
    return {};
  }
  std::optional<json::array> list(std::string_view name) {
    const json::value* value = take(name);
    if (value == nullptr) return {};
    if (value->is_array() && value->get_array().size() <= kMaxListed) return value->get_array();
    wrong(name);
    return {};
  }
  // Whether all fields were taken, and were of their kind.
  [[nodiscard]] Status finish() const {
    if (!wrong_.empty()) return {Code::kInvalid, str_cat("bad value of ", wrong_)};
    if (taken_ == object_.size()) return {};
    return {Code::kInvalid, "a field that is not known"};
  }

 private:
  explicit Fields(json::object object) : object_(std::move(object)) {}
  const json::value* take(std::string_view name) {
    const json::value* value = object_.if_contains(json::string_view(name.data(), name.size()));
    if (value != nullptr) ++taken_;
    return value;
  }
  void wrong(std::string_view name) { wrong_ = std::string(name); }

  json::object object_;
  std::size_t taken_ = 0;
  std::string wrong_;
};

Result<std::vector<Denial>> parse_denials(const json::array& values) {
  std::vector<Denial> out;
  for (const json::value& value : values) {
    Fields fields = KEDGE_TRY(Fields::of(value));
    out.push_back({fields.text("permission").value_or("s3:*"), fields.text("bucket").value_or(""),
                   fields.text("prefix").value_or("")});
    if (auto done = fields.finish(); !done.ok()) return done.error();
  }
  return out;
}

Result<std::vector<KeyPair>> parse_keys(const json::array& values) {
  std::vector<KeyPair> out;
  for (const json::value& value : values) {
    Fields fields = KEDGE_TRY(Fields::of(value));
    out.push_back({fields.text("access_key").value_or(""), fields.text("secret_key").value_or(""),
                   fields.text("session_token").value_or(""),
                   fields.flag("read_only").value_or(false),
                   fields.flag("expired").value_or(false)});
    if (auto done = fields.finish(); !done.ok()) return done.error();
  }
  return out;
}

}  // namespace

Result<Settings> parse_settings(std::string_view text) {
  Fields fields = KEDGE_TRY(Fields::parse(text));
  Settings out;
  if (const auto seconds = fields.number("clock_offset_seconds"))
    out.clock_offset = Duration(static_cast<std::int64_t>(*seconds * 1e6));
  if (const auto latency = fields.text("latency"))
    out.latency = KEDGE_TRY(Latency::parse(*latency));
  out.bandwidth = fields.count("bandwidth");
  out.shared_bandwidth = fields.count("shared_bandwidth");
  out.redirect_wrong_region = fields.flag("redirect_wrong_region");
  if (const auto denials = fields.list("denials")) out.denials = KEDGE_TRY(parse_denials(*denials));
  if (const auto keys = fields.list("keys")) out.keys = KEDGE_TRY(parse_keys(*keys));
  if (auto done = fields.finish(); !done.ok()) return done.error();
  return out;
}

Result<std::pair<std::string, BucketOptions>> parse_bucket(std::string_view text) {
  Fields fields = KEDGE_TRY(Fields::parse(text));
  const std::string name = fields.text("name").value_or("");
  BucketOptions out;
  out.region = fields.text("region").value_or("");
  out.versioned = fields.flag("versioned").value_or(false);
  out.public_read = fields.flag("public_read").value_or(false);
  out.requester_pays = fields.flag("requester_pays").value_or(false);
  if (auto done = fields.finish(); !done.ok()) return done.error();
  if (name.empty()) return {Code::kInvalid, "no name of a bucket"};
  return std::pair(name, out);
}

Result<FillRequest> parse_fill(std::string_view text) {
  Fields fields = KEDGE_TRY(Fields::parse(text));
  FillRequest out;
  out.bucket = fields.text("bucket").value_or("");
  out.prefix = fields.text("prefix").value_or("");
  out.count = fields.count("count").value_or(0);
  out.size = fields.count("size").value_or(0);
  out.name = fields.text("name").value_or(out.name);
  if (auto done = fields.finish(); !done.ok()) return done.error();
  if (out.bucket.empty()) return {Code::kInvalid, "no name of a bucket"};
  return out;
}

}  // namespace kedge::emulator
