#include "engine/lookup.h"

#include <algorithm>
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
         std::span<const ObjectKey> keys, Deadline deadline)
      : reader_(reader), head_(head), segments_(segments), keys_(keys), deadline_(deadline) {}

  Status run(std::span<std::vector<LiveRef>> out) {
    plan();
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
  void plan() {
    for (std::size_t k = 0; k < keys_.size(); ++k) {
      const std::string bound = sort_key(keys_[k].source, keys_[k].key);
      const Id128 hash = object_key_hash(keys_[k].source, keys_[k].key);
      for (std::size_t s = 0; s < segments_.size(); ++s) {
        if (!within(segments_[s]->entry(), bound)) continue;
        const SegmentDirectory& directory = segments_[s]->directory();
        probes_.push_back({k, s, hash});
        wants_.push_back({segments_[s]->file().get(),
                          directory.keys[keys_page_of(hash, directory.keys.size())], "keys page"});
      }
    }
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
        wants_.push_back({segment.file().get(), segment.directory().docs[number / kDocsPageObjects],
                          "docs page"});
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
      const ObjectKey& key = keys_[probe.key];
      if (entry.row.source != key.source || entry.row.key != key.key) continue;
      out[probe.key].push_back({probe.segment, make_live(segment, number, std::move(entry))});
    }
    return {};
  }

  PageReader& reader_;
  const Head& head_;
  std::span<const SegmentPtr> segments_;
  std::span<const ObjectKey> keys_;
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
  std::vector<std::vector<LiveRef>> out(keys.size());
  for (std::size_t at = 0; at < keys.size(); at += kLookupBatch) {
    const std::size_t count = std::min(kLookupBatch, keys.size() - at);
    KEDGE_TRY(Lookup(reader, head, segments, keys.subspan(at, count), deadline)
                  .run(std::span(out).subspan(at, count)));
  }
  return out;
}

Result<std::uint32_t> lower_bound_object(PageReader& reader, const Head& head,
                                         const Segment& segment, const std::string& bound,
                                         SearchTrace* trace, Deadline deadline) {
  const SegmentDirectory& directory = segment.directory();
  // A first key is cut, so a page whose cut first key is above the bound begins above it; the
  // boundary lies before.
  const auto above = std::upper_bound(directory.first_key_of_page.begin(),
                                      directory.first_key_of_page.end(), bound);
  auto page = static_cast<std::size_t>(above - directory.first_key_of_page.begin());
  std::uint32_t found =
      static_cast<std::uint32_t>(std::min<std::size_t>(page * kDocsPageObjects, directory.objects));
  while (page > 0) {
    --page;
    const PageWant want{segment.file().get(), directory.docs[page], "docs page"};
    const std::vector<BlockPtr> blocks =
        KEDGE_TRY(reader.read_all(head, std::span(&want, 1), trace, deadline));
    const auto first = static_cast<std::uint32_t>(page * kDocsPageObjects);
    const std::vector<DocsEntry> entries =
        KEDGE_TRY(parse_docs_page(blocks.front()->bytes, first, directory));
    const auto at = std::find_if(entries.begin(), entries.end(), [&](const DocsEntry& entry) {
      return sort_key(entry.row.source, entry.row.key) >= bound;
    });
    if (at != entries.end()) found = first + static_cast<std::uint32_t>(at - entries.begin());
    if (at != entries.begin()) break;
  }
  return found;
}

}  // namespace kedge
