#include "cli/progress.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/terminal_text.h"
#include "cli/units.h"

namespace kedge::cli {
namespace {

constexpr std::size_t kBarCells = 20;
constexpr double kSettleSeconds = 1;  // a rate of the first moments says nothing
// The time left is told later: the first objects come with the opening of connections and the first
// run of the model, and everything that is left would be thought as slow.
constexpr double kForecastSeconds = 5;

// What is done, 0 to 1: by bytes where they are known, since objects differ in size.
double fraction_of(const Progress& progress) {
  const bool by_bytes = progress.bytes > 0;
  const auto done = static_cast<double>(by_bytes ? progress.bytes_done : progress.objects_done);
  const auto all = static_cast<double>(by_bytes ? progress.bytes : progress.objects);
  return all > 0 ? std::clamp(done / all, 0.0, 1.0) : 0;
}

std::string bar(double fraction) {
  const auto filled = static_cast<std::size_t>(fraction * kBarCells);
  std::string out;
  for (std::size_t i = 0; i < kBarCells; ++i) out += i < filled ? "█" : "░";
  return out;
}

std::string time_left(const Progress& progress, const Pace& pace) {
  const bool by_bytes = progress.bytes > 0;
  const auto did = static_cast<double>(by_bytes ? pace.bytes : pace.objects);
  if (pace.seconds < kForecastSeconds || did <= 0) return "";
  const std::uint64_t done = by_bytes ? progress.bytes_done : progress.objects_done;
  const std::uint64_t all = by_bytes ? progress.bytes : progress.objects;
  if (done >= all) return "";
  return format_seconds(static_cast<double>(all - done) * pace.seconds / did) + " left";
}

struct Part {
  std::string text;
  int weight;  // the lowest goes first
};

std::vector<Part> parts_of(const Progress& progress, const Pace& pace) {
  std::vector<Part> parts = {{visible(progress.phase), 9}};
  if (progress.objects == 0 && progress.bytes == 0) {
    const bool listing = progress.unit == "objects";
    parts.push_back({listing ? plural(progress.listed, "object") + " listed"
                             : format_count(progress.listed) + " " + visible(progress.unit),
                     8});
    return parts;
  }
  const double fraction = fraction_of(progress);
  parts.push_back({bar(fraction), 3});
  parts.push_back({format_decimal(fraction * 100, 0) + " %", 8});
  if (progress.objects > 0) {
    parts.push_back({format_count(progress.objects_done) + "/" + format_count(progress.objects) +
                         " " + visible(progress.unit),
                     7});
  }
  if (progress.objects > 0 && pace.seconds >= kSettleSeconds) {
    const auto rate = [&](std::uint64_t done) {
      return format_rate(static_cast<double>(done) / pace.seconds);
    };
    parts.push_back({rate(pace.objects) + " " + visible(progress.unit) + "/s", 5});
    if (progress.unit == "objects") parts.push_back({rate(pace.chunks) + " chunks/s", 4});
  }
  if (progress.bytes > 0)
    parts.push_back({format_bytes(progress.bytes_done) + " of " + format_bytes(progress.bytes), 2});
  const std::string left = time_left(progress, pace);
  if (!left.empty()) parts.push_back({left, 6});
  return parts;
}

std::string join(const std::vector<Part>& parts) {
  std::string out;
  for (const Part& part : parts) out += (out.empty() ? "" : "  ") + part.text;
  return out;
}

}  // namespace

std::string progress_line(const Progress& progress, const Pace& pace, std::size_t width) {
  std::vector<Part> parts = parts_of(progress, pace);
  while (parts.size() > 1 && display_width(join(parts)) > width) {
    parts.erase(std::min_element(parts.begin(), parts.end(),
                                 [](const Part& a, const Part& b) { return a.weight < b.weight; }));
  }
  return shorten(join(parts), width);
}

ProgressDisplay::ProgressDisplay(Console& console, std::function<double()> seconds, bool quiet)
    : console_(console), seconds_(std::move(seconds)), quiet_(quiet), last_shown_(seconds_()) {}

void ProgressDisplay::update(const Progress& progress) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  const double now = seconds_();
  if (progress.phase != phase_start_.phase || progress.source != phase_start_.source) {
    phase_start_ = progress;
    phase_began_ = now;
  }
  const Stream& stream = console_.err_stream;
  if (now - last_shown_ < (stream.redraws ? kRedrawSeconds : kLineSeconds)) return;
  last_shown_ = now;
  // Counters may restart within a phase (the next source): then nothing was done yet.
  const auto since = [](std::uint64_t to, std::uint64_t from) { return to - std::min(to, from); };
  const Pace pace = {.seconds = now - phase_began_,
                     .objects = since(progress.objects_done, phase_start_.objects_done),
                     .chunks = since(progress.chunks_embedded + progress.chunks_from_cache,
                                     phase_start_.chunks_embedded + phase_start_.chunks_from_cache),
                     .bytes = since(progress.bytes_done, phase_start_.bytes_done)};
  if (!stream.redraws) {
    console_.err(progress_line(progress, pace, stream.width) + "\n");
    return;
  }
  // The last column stays free: some terminals break the line there.
  const std::string line = progress_line(progress, pace, stream.width - 1);
  const std::size_t columns = display_width(line);
  const std::string pad(shown_columns_ - std::min(shown_columns_, columns), ' ');
  console_.err("\r" + line + pad);
  shown_columns_ = columns;
}

void ProgressDisplay::message(std::string_view line) {
  const std::lock_guard lock(mutex_);
  erase_locked();
  console_.err(std::string(line) + "\n");
}

void ProgressDisplay::erase() {
  const std::lock_guard lock(mutex_);
  erase_locked();
}

void ProgressDisplay::erase_locked() {
  if (shown_columns_ == 0) return;
  // Spaces, not an ANSI sequence: works on every terminal.
  console_.err("\r" + std::string(shown_columns_, ' ') + "\r");
  shown_columns_ = 0;
}

}  // namespace kedge::cli
