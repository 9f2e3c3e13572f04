#include "engine/lookup.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/strings.h"

namespace kedge {

std::string sort_key(std::uint32_t source, std::string_view key) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(source >> shift & 0xFF);
  return out += key;
}

std::optional<std::string> after_prefix(std::string prefix) {
  while (!prefix.empty()) {
    const auto last = static_cast<unsigned char>(prefix.back());
    if (last != 0xFF) {
      prefix.back() = static_cast<char>(last + 1);
      return prefix;
    }
    prefix.pop_back();
  }
  return std::nullopt;
}

LiveObject make_live(const Segment& segment, std::uint32_t number, DocsEntry entry) {
  return {.row = std::move(entry.row),
          .segment = segment.id(),
          .number = number,
          .first_chunk = entry.first_chunk,
          .chunk_count = entry.chunk_count};
}

namespace {

// Strings compare as bytes: std::string's char may be signed, but its traits compare as unsigned
// char.
bool within(const SegmentEntry& entry, const std::string& bound) {
  if (bound < entry.lower) return false;
  return bound <= entry.upper ||
         (entry.upper.size() == kMaxBound && bound.starts_with(entry.upper));
}

// One key that may live in one segment.
struct Probe {
  std::size_t key = 0;
  std::size_t segment = 0;
  Id128 hash;
};

// A number that the keys page names for a probe.
struct Candidate {
  std::size_t probe = 0;
  std::uint32_t number = 0;
};

class Lookup {
 public:
  Lookup(PageReader& reader, const Head& head, std::span<const SegmentPtr> segments,
         std::span<const ObjectKey* const> keys, Deadline deadline)
      : reader_(reader), head_(head), segments_(segments), keys_(keys), deadline_(deadline) {}

  Status run(std::span<std::vector<LiveRef>> out) {
    KEDGE_TRY(plan());
    if (probes_.empty()) return {};
    const std::vector<BlockPtr> keys_pages =
        KEDGE_TRY(reader_.read_all(head_, wants_, nullptr, deadline_));
    KEDGE_TRY(take_keys_pages(keys_pages));
    if (candidates_.empty()) return {};
    const std::vector<BlockPtr> docs_pages =
        KEDGE_TRY(reader_.read_all(head_, wants_, nullptr, deadline_));
    return take_docs_pages(docs_pages, out);
  }

 private:
  Status plan() {
    for (std::size_t k = 0; k < keys_.size(); ++k) {
      const std::string bound = sort_key(keys_[k]->source, keys_[k]->key);
      const Id128 hash = object_key_hash(keys_[k]->source, keys_[k]->key);
      for (std::size_t s = 0; s < segments_.size(); ++s) {
        if (!within(segments_[s]->entry(), bound)) continue;
        if (segments_[s]->damage()) return *segments_[s]->damage();
        probes_.push_back({k, s, hash});
        wants_.push_back(
            keys_want(*segments_[s], keys_page_of(hash, segments_[s]->directory().keys.size())));
      }
    }
    return {};
  }

  Status take_keys_pages(const std::vector<BlockPtr>& pages) {
    wants_.clear();
    for (std::size_t p = 0; p < probes_.size(); ++p) {
      const Segment& segment = *segments_[probes_[p].segment];
      const std::vector<std::uint32_t> numbers =
          KEDGE_TRY(find_in_keys_page(pages[p]->bytes, probes_[p].hash, segment.directory()));
      for (const std::uint32_t number : numbers) {
        if (segment.is_dead(number)) continue;
        candidates_.push_back({p, number});
        wants_.push_back(docs_want(segment, number / kDocsPageObjects));
      }
    }
    return {};
  }

  Status take_docs_pages(const std::vector<BlockPtr>& pages, std::span<std::vector<LiveRef>> out) {
    for (std::size_t c = 0; c < candidates_.size(); ++c) {
      const Probe& probe = probes_[candidates_[c].probe];
      const Segment& segment = *segments_[probe.segment];
      const std::uint32_t number = candidates_[c].number;
      DocsEntry entry = KEDGE_TRY(
          parse_docs_entry(pages[c]->bytes, number % kDocsPageObjects, segment.directory()));
      const ObjectKey& key = *keys_[probe.key];
      if (entry.row.source != key.source || entry.row.key != key.key) continue;
      out[probe.key].push_back({probe.segment, make_live(segment, number, std::move(entry))});
    }
    return {};
  }

  PageReader& reader_;
  const Head& head_;
  std::span<const SegmentPtr> segments_;
  std::span<const ObjectKey* const> keys_;
  Deadline deadline_;
  std::vector<Probe> probes_;
  std::vector<Candidate> candidates_;
  std::vector<PageWant> wants_;
};

}  // namespace

Result<std::vector<std::vector<LiveRef>>> find_live(PageReader& reader, const Head& head,
                                                    std::span<const SegmentPtr> segments,
                                                    std::span<const ObjectKey> keys,
                                                    Deadline deadline) {
  // In key order, so that the keys of one batch share docs pages.
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
  std::vector<std::vector<LiveRef>> out(keys.size());
  for (std::size_t at = 0; at < order.size(); at += kLookupBatch) {
    const auto batch = std::span(order).subspan(at, std::min(kLookupBatch, order.size() - at));
    std::vector<const ObjectKey*> batch_keys;
    for (const std::size_t i : batch) batch_keys.push_back(&keys[i]);
    std::vector<std::vector<LiveRef>> found(batch.size());
    KEDGE_TRY(Lookup(reader, head, segments, batch_keys, deadline).run(found));
    for (std::size_t i = 0; i < batch.size(); ++i) out[batch[i]] = std::move(found[i]);
  }
  return out;
}

namespace {

// Where the answer to one query may lie: the first object not below the bound is in page `low` or
// is the first of page `high`. Page `low` begins below the bound, page `high` does not.
class BoundSearch {
 public:
  explicit BoundSearch(BoundQuery& query) : query_(query) {
    const std::vector<std::string>& first_keys = query.segment->directory().first_key_of_page;
    const std::string& bound = query.bound;
    high_ = std::lower_bound(first_keys.begin(), first_keys.end(), bound) - first_keys.begin();
    low_ = high_ - 1;
    // The stored first keys are cut: what agrees with the bound up to the cut may be on either
    // side.
    while (low_ >= 0) {
      const std::string& cut = first_keys[static_cast<std::size_t>(low_)];
      if (cut.size() < kMaxBound || !bound.starts_with(cut)) break;
      --low_;
    }
    if (low_ < 0 && high_ == 0) answer(0);
  }

  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] PageWant want() const { return docs_want(*query_.segment, page()); }

  Status take(ByteView bytes) {
    const std::size_t read = page();
    const auto first = static_cast<std::uint32_t>(read * kDocsPageObjects);
    const std::vector<DocsEntry> entries =
        KEDGE_TRY(parse_docs_page(bytes, first, query_.segment->directory()));
    const auto at =
        std::partition_point(entries.begin(), entries.end(), [&](const DocsEntry& entry) {
          return sort_key(entry.row.source, entry.row.key) < query_.bound;
        });
    const bool begins_below = at != entries.begin();
    (begins_below ? low_ : high_) = static_cast<std::ptrdiff_t>(read);
    if (begins_below) low_was_read_ = true;
    const auto number = first + static_cast<std::uint32_t>(at - entries.begin());
    const bool between = high_ == 0 || (low_was_read_ && low_ + 1 == high_);
    if (between || (begins_below && at != entries.end())) answer(number);
    return {};
  }

 private:
  // The page in the middle of those that are not told apart, or page `low`.
  [[nodiscard]] std::size_t page() const {
    const std::ptrdiff_t middle = low_ + (high_ - low_) / 2;
    return static_cast<std::size_t>(high_ - low_ > 1 ? middle : low_);
  }
  void answer(std::uint32_t number) {
    query_.number = number;
    done_ = true;
  }

  BoundQuery& query_;
  std::ptrdiff_t low_ = 0;
  std::ptrdiff_t high_ = 0;
  bool low_was_read_ = false;
  bool done_ = false;
};

}  // namespace

Status find_bounds(PageReader& reader, const Head& head, std::span<BoundQuery> queries,
                   SearchTrace* trace, Deadline deadline) {
  std::vector<BoundSearch> open;
  for (BoundQuery& query : queries) open.emplace_back(query);
  while (true) {
    std::vector<BoundSearch*> asking;
    std::vector<PageWant> wants;
    for (BoundSearch& search : open) {
      if (search.done()) continue;
      asking.push_back(&search);
      wants.push_back(search.want());
    }
    if (asking.empty()) return {};
    const std::vector<BlockPtr> pages = KEDGE_TRY(reader.read_all(head, wants, trace, deadline));
    for (std::size_t i = 0; i < asking.size(); ++i) KEDGE_TRY(asking[i]->take(pages[i]->bytes));
  }
}

namespace {

// Whether an object of the segment may lie in the range.
bool overlaps(const SegmentEntry& entry, const KeyRange& range) {
  if (range.end && entry.lower >= *range.end) return false;
  return entry.upper >= range.begin ||
         (entry.upper.size() == kMaxBound && range.begin.starts_with(entry.upper));
}

}  // namespace

KeyRange range_of(std::uint32_t source, std::string_view prefix) {
  std::string begin = sort_key(source, prefix);
  std::optional<std::string> end = after_prefix(begin);
  return {.begin = std::move(begin), .end = std::move(end)};
}

Result<std::vector<FoundRange>> find_ranges(PageReader& reader, const Head& head,
                                            std::span<const SegmentPtr> segments,
                                            std::span<const KeyRange> ranges, SearchTrace* trace,
                                            Deadline deadline) {
  std::vector<BoundQuery> queries;  // begin and end of each, one after the other
  std::vector<FoundRange> out;      // of each pair
  for (std::size_t s = 0; s < segments.size(); ++s) {
    for (std::size_t r = 0; r < ranges.size(); ++r) {
      const KeyRange& range = ranges[r];
      if (!overlaps(segments[s]->entry(), range)) continue;
      if (segments[s]->damage()) return *segments[s]->damage();
      queries.push_back({.segment = segments[s].get(), .bound = range.begin});
      // Where there is no end, what is longer than any key and above all of them.
      queries.push_back({.segment = segments[s].get(),
                         .bound = range.end ? *range.end : std::string(kMaxObjectKey + 5, '\xFF')});
      out.push_back({s, r, {}});
    }
  }
  KEDGE_TRY(find_bounds(reader, head, queries, trace, deadline));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i].numbers = {queries[2 * i].number, queries[2 * i + 1].number};
  std::erase_if(out, [](const FoundRange& f) { return f.numbers.begin >= f.numbers.end; });
  return out;
}

Result<std::vector<std::vector<NumberRange>>> number_ranges(PageReader& reader, const Head& head,
                                                            std::span<const SegmentPtr> segments,
                                                            std::span<const KeyRange> ranges,
                                                            SearchTrace* trace, Deadline deadline) {
  std::vector<std::vector<NumberRange>> out(segments.size());
  for (const FoundRange& found :
       KEDGE_TRY(find_ranges(reader, head, segments, ranges, trace, deadline))) {
    out[found.segment].push_back(found.numbers);
  }
  return out;
}

}  // namespace kedge
