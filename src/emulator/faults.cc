#include "emulator/faults.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/strings.h"

namespace kedge::emulator {
namespace {

namespace json = boost::json;

struct Named {
  FaultKind kind;
  std::string_view name;
};
constexpr std::array<Named, 32> kNames = {{
    {FaultKind::kError, "error"},
    {FaultKind::kErrorInOk, "error_in_ok"},
    {FaultKind::kReset, "reset"},
    {FaultKind::kClose, "close"},
    {FaultKind::kStall, "stall"},
    {FaultKind::kExpiredToken, "expired_token"},
    {FaultKind::kLateEffect, "late_effect"},
    {FaultKind::kThrottle, "throttle"},
    {FaultKind::kDuplicateEffect, "duplicate_effect"},
    {FaultKind::kFlipAtRest, "flip_at_rest"},
    {FaultKind::kIgnoreConditions, "ignore_conditions"},
    {FaultKind::kIgnoreConditionsInRaces, "ignore_conditions_in_races"},
    {FaultKind::kAllowIfMatchOnMissing, "allow_if_match_on_missing"},
    {FaultKind::kStaleReads, "stale_reads"},
    {FaultKind::kStaleLists, "stale_lists"},
    {FaultKind::kDelay, "delay"},
    {FaultKind::kClockSkew, "clock_skew"},
    {FaultKind::kResetInBody, "reset_in_body"},
    {FaultKind::kStallInBody, "stall_in_body"},
    {FaultKind::kShortBody, "short_body"},
    {FaultKind::kShortLength, "short_length"},
    {FaultKind::kNoLength, "no_length"},
    {FaultKind::kLongBody, "long_body"},
    {FaultKind::kWrongRange, "wrong_range"},
    {FaultKind::kWrongContentRange, "wrong_content_range"},
    {FaultKind::kIgnoreRange, "ignore_range"},
    {FaultKind::kFlipOnWire, "flip_on_wire"},
    {FaultKind::kHideRecent, "hide_recent"},
    {FaultKind::kEmptyListing, "empty_listing"},
    {FaultKind::kNoToken, "no_token"},
    {FaultKind::kDuplicateEntries, "duplicate_entries"},
    {FaultKind::kUnordered, "unordered"},
}};
static_assert(kNames.size() == static_cast<std::size_t>(FaultKind::kUnordered) + 1);

std::optional<FaultKind> kind_of(std::string_view name) {
  for (const Named& one : kNames)
    if (one.name == name) return one.kind;
  return {};
}

bool fits(const FaultRule& rule, std::string_view operation, std::string_view method,
          std::string_view bucket, std::string_view key) {
  return (rule.operation == "*" || rule.operation == operation) &&
         (rule.method.empty() || rule.method == method) &&
         (rule.bucket.empty() || rule.bucket == bucket) &&
         (rule.key_contains.empty() || key.find(rule.key_contains) != std::string_view::npos);
}

std::optional<double> number(const json::value& value) {
  if (!value.is_number()) return {};
  return value.to_number<double>();
}

// A number that must be whole and not negative.
template <typename T>
bool set_count(const json::value& value, T& out) {
  const auto found = number(value);
  if (!found || *found < 0 || *found > 9e15 ||
      *found != static_cast<double>(static_cast<std::uint64_t>(*found)))
    return false;
  out = static_cast<T>(*found);
  return true;
}

bool set_time(const json::value& value, double micros, Duration& out) {
  const auto found = number(value);
  if (!found || std::abs(*found) > 1e9) return false;
  out = Duration(static_cast<std::int64_t>(*found * micros));
  return true;
}

bool set_text(const json::value& value, std::string& out) {
  if (!value.is_string()) return false;
  out = std::string(value.get_string());
  return true;
}

bool set_number(const json::value& value, double& out) {
  const auto found = number(value);
  if (found) out = *found;
  return found.has_value();
}

bool set_field(std::string_view name, const json::value& value, FaultRule& rule) {
  Fault& fault = rule.fault;
  if (name == "operation") return set_text(value, rule.operation);
  if (name == "method") return set_text(value, rule.method);
  if (name == "bucket") return set_text(value, rule.bucket);
  if (name == "key_contains") return set_text(value, rule.key_contains);
  if (name == "skip") return set_count(value, rule.skip);
  if (name == "times") return set_count(value, rule.times);
  if (name == "probability") return set_number(value, rule.probability);
  if (name == "status") return set_count(value, fault.status);
  if (name == "code") return set_text(value, fault.code);
  if (name == "message") return set_text(value, fault.message);
  if (name == "bytes") return set_count(value, fault.bytes);
  if (name == "requests") return set_count(value, fault.requests);
  if (name == "rate") return set_number(value, fault.rate);
  if (name == "ms") return set_time(value, 1e3, fault.time);
  if (name == "seconds") return set_time(value, 1e6, fault.time);
  if (name == "effect") {
    if (value.is_bool()) fault.effect = value.get_bool();
    return value.is_bool();
  }
  if (name != "fault" || !value.is_string()) return false;
  const auto kind = kind_of(std::string_view(value.get_string()));
  if (kind) fault.kind = *kind;
  return kind.has_value();
}

Result<FaultRule> parse_rule(const json::value& value, std::size_t index) {
  const auto wrong = [&](std::string_view what) {
    return Error{Code::kInvalid, str_cat("fault rule ", index, ": ", what)};
  };
  if (!value.is_object()) return wrong("not an object");
  const json::object& object = value.get_object();
  if (!object.contains("fault")) return wrong("no field 'fault'");
  FaultRule rule;
  for (const auto& [name, field] : object)
    if (!set_field(std::string_view(name), field, rule))
      return wrong(
          str_cat("unknown field or bad value: '", printable(std::string_view(name)), "'"));
  return rule;
}

}  // namespace

std::string_view fault_name(FaultKind kind) { return kNames[static_cast<std::size_t>(kind)].name; }

const Fault* FaultPlan::find(FaultKind kind) const {
  const auto found = std::ranges::find(faults_, kind, &Fault::kind);
  return found == faults_.end() ? nullptr : &*found;
}

const Fault* FaultPlan::instead() const {
  const auto found = std::ranges::find_if(
      faults_, [](const Fault& fault) { return fault.kind <= FaultKind::kThrottle; });
  return found == faults_.end() ? nullptr : &*found;
}

Status FaultScript::add(FaultRule rule) {
  const std::lock_guard lock(mutex_);
  if (rules_.size() >= kMaxRules)
    return {Code::kExhausted, str_cat("more than ", kMaxRules, " fault rules")};
  rules_.push_back({.rule = std::move(rule)});
  return {};
}

Status FaultScript::add(const std::vector<FaultRule>& rules) {
  for (const FaultRule& rule : rules)
    if (auto done = add(rule); !done.ok()) return done;
  return {};
}

void FaultScript::clear() {
  const std::lock_guard lock(mutex_);
  rules_.clear();
}

bool FaultScript::throttled(State& state, Duration now) {
  const double rate = std::max(state.rule.fault.rate, 1e-6);
  // A bucket of a tenth of a second: a burst is not a rate.
  const double most = std::max(rate / 10, 1.0);
  const double passed = static_cast<double>((now - state.filled).count()) / 1e6;
  state.tokens = state.tokens < 0 ? most : std::min(most, state.tokens + passed * rate);
  state.filled = now;
  if (state.tokens < 1) return true;
  state.tokens -= 1;
  return false;
}

FaultPlan FaultScript::plan(std::string_view operation, std::string_view method,
                            std::string_view bucket, std::string_view key, Duration now) {
  FaultPlan plan;
  const std::lock_guard lock(mutex_);
  for (State& state : rules_) {
    const FaultRule& rule = state.rule;
    if (!fits(rule, operation, method, bucket, key)) continue;
    if (state.seen++ < rule.skip) continue;
    if (rule.times != 0 && state.hit >= rule.times) continue;
    if (rule.probability < 1 && random_.unit() >= rule.probability) continue;
    if (rule.fault.kind == FaultKind::kThrottle && !throttled(state, now)) continue;
    ++state.hit;
    plan.add(rule.fault);
  }
  return plan;
}

std::vector<std::uint64_t> FaultScript::hits() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> out;
  for (const State& state : rules_) out.push_back(state.hit);
  return out;
}

Result<std::vector<FaultRule>> parse_faults(std::string_view text) {
  boost::system::error_code error;
  const json::value parsed = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) return {Code::kInvalid, str_cat("faults are not JSON: ", error.message())};
  std::vector<FaultRule> rules;
  if (!parsed.is_array()) {
    rules.push_back(KEDGE_TRY(parse_rule(parsed, 0)));
    return rules;
  }
  if (parsed.get_array().size() > kMaxRules)
    return {Code::kExhausted, str_cat("more than ", kMaxRules, " fault rules")};
  for (const json::value& value : parsed.get_array())
    rules.push_back(KEDGE_TRY(parse_rule(value, rules.size())));
  return rules;
}

}  // namespace kedge::emulator
