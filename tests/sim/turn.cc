#include "tests/sim/turn.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"

namespace kedge::sim {
namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    out.push_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

Result<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return {Code::kInvalid, str_cat("not a number of a turn: ", printable(text))};
}

}  // namespace

std::string Parts::print() const {
  std::string out;
  for (std::size_t part = 0; part < kParts; ++part) {
    if (has(static_cast<Part>(part))) out += str_cat(out.empty() ? "" : ",", kPartNames[part]);
  }
  return out;
}

Result<Parts> Parts::parse(std::string_view text) {
  Parts out;
  for (const std::string_view word : words_of(text)) {
    const auto* const name = std::find(std::begin(kPartNames), std::end(kPartNames), word);
    if (name == std::end(kPartNames))
      return {Code::kInvalid, str_cat("no part of a history: ", printable(word))};
    out.add(static_cast<Part>(name - std::begin(kPartNames)));
  }
  return out;
}

std::string print_turns(const std::vector<std::uint64_t>& turns) {
  std::string out;
  for (std::size_t i = 0; i < turns.size();) {
    std::size_t last = i;
    while (last + 1 < turns.size() && turns[last + 1] == turns[last] + 1) ++last;
    out += str_cat(i == 0 ? "" : ",", turns[i]);
    if (last > i) out += str_cat("-", turns[last]);
    i = last + 1;
  }
  return out;
}

Result<std::vector<std::uint64_t>> parse_turns(std::string_view text) {
  std::vector<std::uint64_t> out;
  for (const std::string_view word : words_of(text)) {
    const std::size_t dash = word.find('-');
    const std::uint64_t first = KEDGE_TRY(number_of(word.substr(0, dash)));
    std::uint64_t last = first;
    if (dash != std::string_view::npos) last = KEDGE_TRY(number_of(word.substr(dash + 1)));
    if (last < first || last - first > 10'000'000 || (!out.empty() && first <= out.back()))
      return {Code::kInvalid, str_cat("turns are ranges that grow: ", printable(word))};
    for (std::uint64_t turn = first; turn <= last; ++turn) out.push_back(turn);
  }
  return out;
}

Turn draw_turn(Random& random) {
  Turn turn;
  const std::uint64_t pace = random.below(1000);
  const std::uint64_t time = random.next();
  turn.hours = pace < 3;
  if (turn.hours) {
    turn.passes = std::chrono::hours(time % 5);
  } else if (pace < 60) {
    turn.passes = std::chrono::seconds(time % 600);
  } else {
    turn.passes = std::chrono::microseconds(time % 200'000);
  }
  const auto some = [&](std::uint64_t one_in, std::uint64_t keys) {
    const bool now = random.below(one_in) == 0;
    const auto key = static_cast<std::uint32_t>(1 + random.below(keys));
    return now ? key : 0;
  };
  turn.made_up = some(4, kMadeUpKeys);
  turn.bucket = some(8, kBucketKeys);
  constexpr Change kChanges[] = {Change::kNew,   Change::kNew,   Change::kSame,
                                 Change::kOlder, Change::kErase, Change::kErase};
  turn.change = kChanges[random.below(std::size(kChanges))];
  turn.machine = random.next();
  // Of bits that say nothing else, so that the histories of found.h stay what they are.
  if (const std::uint64_t bits = turn.machine >> 40; bits % 150 == 0)
    turn.store_skew = kStoreSkew * (static_cast<int>(bits / 150 % 3) - 1);
  turn.lands = random.below(20) == 0;
  turn.crashes = random.below(150) == 0;
  const std::uint64_t jump = random.below(300);
  if (jump < 4) turn.jumps = std::chrono::minutes(jump < 2 ? 60 : -60);
  const std::uint64_t freeze = random.below(40);
  const std::uint64_t minutes = random.below(600);
  if (freeze == 0) turn.freezes = std::chrono::minutes(minutes);
  turn.actor = random.next();
  return turn;
}

}  // namespace kedge::sim
