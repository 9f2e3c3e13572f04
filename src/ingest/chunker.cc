#include "ingest/chunker.h"

#include <algorithm>
#include <deque>
#include <limits>

#include "base/allocation.h"
#include "base/strings.h"
#include "ingest/chunk_units.h"

namespace kedge {
namespace {

// The order of cuts: rank, then hash.
bool better(const ChunkUnit& a, const ChunkUnit& b) {
  return a.rank != b.rank ? a.rank < b.rank : a.hash < b.hash;
}

// anchors[i]: a cut before unit i is better than before each unit within `radius` tokens in front
// of it, and no worse than before each within `radius` behind it. Equal units (repeated log lines)
// make no anchors. Linear: two passes with a queue of minima.
std::vector<bool> find_anchors(const std::vector<ChunkUnit>& units,
                               const std::vector<std::uint64_t>& place, std::size_t radius) {
  std::vector<bool> anchors(units.size(), true);
  std::deque<std::size_t> best;  // the front is the best of the window
  for (std::size_t i = 0; i < units.size(); ++i) {
    while (!best.empty() && place[i] - place[best.front()] > radius) best.pop_front();
    if (!best.empty() && !better(units[i], units[best.front()])) anchors[i] = false;
    while (!best.empty() && !better(units[best.back()], units[i])) best.pop_back();
    best.push_back(i);
  }
  best.clear();
  for (std::size_t i = units.size(); i-- > 0;) {
    while (!best.empty() && place[best.front()] - place[i] > radius) best.pop_front();
    if (!best.empty() && better(units[best.front()], units[i])) anchors[i] = false;
    while (!best.empty() && !better(units[best.back()], units[i])) best.pop_back();
    best.push_back(i);
  }
  return anchors;
}

// Where each chunk begins. A chunk's window is what fits `window` tokens; the rest of an object
// that fits is its last chunk, uncut, so that appending decides about nothing but it.
std::vector<std::size_t> find_cuts(const std::vector<ChunkUnit>& units, std::size_t window) {
  std::vector<std::uint64_t> place(units.size() + 1, 0);
  for (std::size_t i = 0; i < units.size(); ++i) place[i + 1] = place[i] + units[i].tokens;
  const std::size_t radius = window * kRadiusPercent / 100;
  const std::vector<bool> anchors = find_anchors(units, place, radius);
  std::vector<std::size_t> cuts;
  std::size_t begin = 0;
  while (begin < units.size()) {
    cuts.push_back(begin);
    std::size_t end = begin + 1;
    while (end < units.size() && place[end + 1] - place[begin] <= window) ++end;
    if (end == units.size()) break;
    // The first anchor whose whole surroundings lie in the window; else the best cut, not too near
    // the beginning.
    std::size_t anchor = 0;
    std::size_t choice = end;
    for (std::size_t i = begin + 1; i <= end; ++i) {
      const std::uint64_t size = place[i] - place[begin];
      if (anchor == 0 && anchors[i] && size + radius <= window) anchor = i;
      if (size * 4 >= window && !better(units[choice], units[i])) choice = i;
    }
    begin = anchor != 0 ? anchor : choice;
  }
  return cuts;
}

// Turns runs of units into chunks. The text of a chunk is what its bytes yield by themselves.
class ChunkWriter {
 public:
  ChunkWriter(ByteView raw, const Extraction& extraction, const std::vector<ChunkUnit>& units,
              std::size_t max_tokens, const TokenCounter& count_tokens)
      : raw_(raw),
        extraction_(extraction),
        units_(units),
        max_tokens_(max_tokens),
        count_tokens_(count_tokens) {}

  Status write(std::size_t begin, std::size_t end) {
    Chunk chunk = describe(begin, end);
    chunk.context = KEDGE_TRY(context_at(units_[begin]));
    chunk.text = KEDGE_TRY(extract_span(raw_.subspan(chunk.begin, chunk.end - chunk.begin),
                                        span_context(chunk.context)));
    if (chunk.text.empty()) return {};
    // Pieces of unusual markup may read a little different by themselves than inside their block:
    // count those.
    const bool fits = chunk.text == joined(begin, end) || count_tokens_(chunk.text) <= max_tokens_;
    if (fits) {
      chunks.push_back(std::move(chunk));
      return {};
    }
    if (end - begin == 1) {
      return {Code::kInvalid, str_cat("max_tokens of ", max_tokens_, " is too small for bytes ",
                                      chunk.begin, " to ", chunk.end)};
    }
    const std::size_t middle = begin + (end - begin) / 2;
    KEDGE_TRY(write(begin, middle));
    return write(middle, end);
  }

  std::vector<Chunk> chunks;

 private:
  Chunk describe(std::size_t begin, std::size_t end) const {
    const ChunkUnit& first = units_[begin];
    const ChunkUnit& last = units_[end - 1];
    Chunk chunk;
    chunk.begin = first.begin;
    chunk.end = last.end;
    chunk.line_first = first.line_first;
    chunk.line_last = last.line_last;
    chunk.row_first = extraction_.blocks[first.block].row;
    chunk.row_last = extraction_.blocks[last.block].row;
    return chunk;
  }

  SpanContext span_context(std::string context) const {
    return {extraction_.media_type, extraction_.charset, std::move(context)};
  }

  // What holds before a unit. Inside a block it follows from the bytes since the last place where
  // it was known, so a long block is gone through once.
  Result<std::string> context_at(const ChunkUnit& unit) {
    const std::uint64_t block_begin = extraction_.blocks[unit.block].begin;
    if (known_block_ != unit.block || known_place_ > unit.begin) {
      known_block_ = unit.block;
      known_place_ = block_begin;
      known_context_ = extraction_.contexts[extraction_.context_of_block[unit.block]];
    }
    if (known_place_ < unit.begin) {
      const ByteView between = raw_.subspan(known_place_, unit.begin - known_place_);
      known_context_ = KEDGE_TRY(context_after(between, span_context(known_context_)));
      known_place_ = unit.begin;
    }
    return known_context_;
  }

  std::string joined(std::size_t begin, std::size_t end) const {
    std::string text;
    for (std::size_t i = begin; i < end; ++i) {
      const bool same_block = i > begin && units_[i].block == units_[i - 1].block;
      if (i > begin && !same_block) {
        text += separator(extraction_.blocks[units_[i - 1].block].kind,
                          extraction_.blocks[units_[i].block].kind);
      }
      text += unit_text(units_[i], extraction_);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.pop_back();
    return text;
  }

  ByteView raw_;
  const Extraction& extraction_;
  const std::vector<ChunkUnit>& units_;
  std::size_t max_tokens_;
  const TokenCounter& count_tokens_;
  std::size_t known_block_ = std::numeric_limits<std::size_t>::max();
  std::uint64_t known_place_ = 0;
  std::string known_context_;
};

}  // namespace

Result<std::vector<Chunk>> make_chunks(ByteView raw, const Extraction& extraction,
                                       const ChunkerOptions& options,
                                       const TokenCounter& count_tokens) try {
  if (options.max_tokens == 0) return {Code::kInvalid, "max_tokens is 0"};
  const std::size_t target = options.target_tokens;
  const std::size_t window =
      target == 0 ? options.max_tokens
                  : std::clamp<std::size_t>(target * 100 / kTargetPercent, 1, options.max_tokens);
  const std::vector<ChunkUnit> units = KEDGE_TRY(make_units(raw, extraction, window, count_tokens));
  const std::vector<std::size_t> cuts = find_cuts(units, window);
  ChunkWriter writer(raw, extraction, units, options.max_tokens, count_tokens);
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    KEDGE_TRY(writer.write(cuts[i], i + 1 < cuts.size() ? cuts[i + 1] : units.size()));
  }
  return std::move(writer.chunks);
} catch (...) {
  return memory_error("chunks");
}

}  // namespace kedge
