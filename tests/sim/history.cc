#include "tests/sim/history.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"

namespace kedge::sim {
namespace {

constexpr Timestamp kBeginning{std::numeric_limits<std::int64_t>::min() / 2};

}  // namespace

void History::wrote(const ObjectKey& key, Timestamp version, bool absence, std::uint64_t begin,
                    std::optional<std::uint64_t> end) {
  keys_[key].writes.push_back({.version = version, .absence = absence, .begin = begin, .end = end});
}

void History::read(const ObjectKey& key, std::optional<Timestamp> version, std::uint64_t begin,
                   std::uint64_t end) {
  keys_[key].reads.push_back({.version = version, .begin = begin, .end = end});
  ++reads_;
}

std::vector<std::string> History::violations() const {
  std::vector<std::string> out;
  for (const auto& [key, events] : keys_) check(key, events, out);
  return out;
}

void History::check(const ObjectKey& key, const OfKey& events, std::vector<std::string>& out) {
  std::vector<Read> reads = events.reads;
  std::sort(reads.begin(), reads.end(), [](const Read& a, const Read& b) { return a.end < b.end; });
  // Of each read the least version that it may have seen, by its end.
  std::vector<std::pair<std::uint64_t, Timestamp>> seen;
  for (const Read& read : reads) {
    Timestamp least = kBeginning;
    for (const Write& write : events.writes) {
      if (write.end && *write.end < read.begin) least = std::max(least, write.version);
    }
    for (const auto& [end, version] : seen) {
      if (end < read.begin) least = std::max(least, version);
    }
    std::optional<Timestamp> given;
    for (const Write& write : events.writes) {
      if (write.begin > read.end || write.absence == read.version.has_value()) continue;
      const bool fits =
          read.version ? write.version == *read.version : write.version + kNoOrder >= least;
      // Of several absences the oldest: whichever was read, it was not older.
      if (fits && (!given || write.version < *given)) given = write.version;
    }
    if (!read.version && least == kBeginning) given = kBeginning;
    const auto say = [&](std::string_view what) {
      out.push_back(str_cat("key ", key.source, "/", key.key, ", read from ", read.begin, " to ",
                            read.end, ": ", what));
    };
    if (!given) {
      say(read.version ? "a version that nobody had begun to write"
                       : "nothing, and no absence is new enough");
      continue;
    }
    if (*given + kNoOrder < least) say("older than what was written or read before it");
    seen.emplace_back(read.end, *given);
  }
}

}  // namespace kedge::sim
