#include "engine/page_reader.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <utility>

#include "base/strings.h"

namespace kedge {

// One request, and which wants it answers.
struct PageRange {
  const SegmentFile* file = nullptr;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::vector<std::size_t> wants;
};

namespace {

constexpr std::size_t kPagesPerTask = 16;

bool same_page(const PageWant& a, const PageWant& b) {
  return a.file->id == b.file->id && a.page.offset == b.page.offset;
}

// Above which gap a page begins a request of its own, of a round of these.
std::uint64_t largest_gap(std::span<const PageWant> wants,
                          const std::vector<std::size_t>& missing) {
  std::vector<std::uint64_t> gaps;
  std::size_t requests = 0;
  const SegmentFile* file = nullptr;
  std::uint64_t end = 0;
  for (const std::size_t i : missing) {
    const PageRef& page = wants[i].page;
    if (wants[i].file != file || page.offset > end + kMaxGap) {
      ++requests;
      file = wants[i].file;
      end = 0;
    } else if (page.offset > end + kMinGap) {
      gaps.push_back(page.offset - end);
    }
    end = std::max(end, page.offset + page.size);
  }
  if (requests >= kFewRequests) return kMaxGap;
  const std::size_t more = kFewRequests - requests;
  if (gaps.size() <= more) return kMinGap;
  std::nth_element(gaps.begin(), gaps.begin() + static_cast<std::ptrdiff_t>(more), gaps.end(),
                   std::greater<>());
  return gaps[more];
}

// `missing`: in order of file and offset.
std::vector<PageRange> coalesce(std::span<const PageWant> wants,
                                const std::vector<std::size_t>& missing) {
  std::vector<PageRange> out;
  const std::uint64_t gap = largest_gap(wants, missing);
  for (const std::size_t i : missing) {
    const PageRef& page = wants[i].page;
    const std::uint64_t end = page.offset + page.size;
    const bool joins = !out.empty() && out.back().file == wants[i].file &&
                       page.offset <= out.back().end + gap &&
                       std::max(end, out.back().end) - out.back().begin <= kMaxRange;
    if (joins) {
      out.back().end = std::max(out.back().end, end);
    } else {
      out.push_back({wants[i].file, page.offset, end, {}});
    }
    out.back().wants.push_back(i);
  }
  return out;
}

Error named(const PageWant& want, const Error& error) {
  return {error.code, str_cat(want.file->key, ": ", error.message)};
}

// A checked page as it is kept.
Result<BlockPtr> parse_block(const PageWant& want, Bytes bytes) {
  auto block = std::make_shared<Block>();
  block->bytes = std::move(bytes);
  KEDGE_TRY(parse_rows(want, block->bytes, &block->vectors, &block->codes));
  return BlockPtr(std::move(block));
}

// A page of an answer, checked. `body` begins at `begin` of the file.
Result<BlockPtr> enter(const PageWant& want, ByteView body, std::uint64_t begin) {
  const std::uint64_t at = want.page.offset - begin;
  if (at + want.page.size > body.size()) {
    return named(want, {Code::kCorrupt, str_cat(want.what, " at offset ", want.page.offset,
                                                ": the file is cut short")});
  }
  const ByteView bytes = body.subspan(at, want.page.size);
  if (const Status sound = check_page(want.page, bytes, want.what); !sound.ok())
    return named(want, sound.error());
  return parse_block(want, Bytes(bytes.begin(), bytes.end()));
}

}  // namespace

RequestCount count_requests(std::span<const PageWant> wants) {
  std::vector<std::size_t> order(wants.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (wants[a].file->id != wants[b].file->id) return wants[a].file->id < wants[b].file->id;
    return wants[a].page.offset < wants[b].page.offset;
  });
  RequestCount out;
  for (const PageRange& range : coalesce(wants, order)) {
    ++out.requests;
    out.bytes += range.end - range.begin;
  }
  return out;
}

BlockName block_name(const Id128& file, const PageRef& page) {
  return {.file = file, .offset = page.offset, .size_bytes = page.size, .crc = page.crc};
}

PageWant docs_want(const Segment& segment, std::size_t page) {
  return {segment.file().get(), segment.directory().docs[page], "docs page", {}, 0};
}

PageWant text_want(const Segment& segment, std::size_t page) {
  return {segment.file().get(), segment.directory().text[page], "text page", {}, 0};
}

PageWant keys_want(const Segment& segment, std::size_t page) {
  return {segment.file().get(), segment.directory().keys[page], "keys page", {}, 0};
}

PageWant attributes_want(const Segment& segment, std::size_t page) {
  return {segment.file().get(), segment.directory().attributes[page], "attributes page", {}, 0};
}

PageWant vectors_want(const Segment& segment, std::size_t block) {
  return {segment.file().get(), segment.directory().vectors[block], "vector block",
          PageWant::Rows::kVectors, static_cast<std::uint32_t>(block * kVectorBlockRows)};
}

PageWant codes_want(const Segment& segment, std::uint32_t list) {
  return {segment.file().get(), segment.directory().list_page(list), "run of codes",
          PageWant::Rows::kCodes, list};
}

PageWant refine_want(const Segment& segment, std::size_t block) {
  return {segment.file().get(), segment.directory().refine[block], "refine block",
          PageWant::Rows::kRefine, static_cast<std::uint32_t>(block * kCodeBlockRows)};
}

std::vector<PageWant> plane_wants(const Segment& segment, Plane plane) {
  const SegmentDirectory& directory = segment.directory();
  std::vector<PageWant> out;
  if (plane == Plane::kCodes) {
    for (std::uint32_t list = 0; list < directory.lists.size(); ++list) {
      if (directory.lists[list].rows > 0) out.push_back(codes_want(segment, list));
    }
    return out;
  }
  constexpr struct {
    Plane plane;
    std::vector<PageRef> SegmentDirectory::*pages;
    PageWant (*want)(const Segment&, std::size_t);
  } kPlanes[] = {{Plane::kDocs, &SegmentDirectory::docs, docs_want},
                 {Plane::kKeys, &SegmentDirectory::keys, keys_want},
                 {Plane::kAttributes, &SegmentDirectory::attributes, attributes_want},
                 {Plane::kRefine, &SegmentDirectory::refine, refine_want},
                 {Plane::kVectors, &SegmentDirectory::vectors, vectors_want},
                 {Plane::kText, &SegmentDirectory::text, text_want}};
  for (const auto& one : kPlanes) {
    if (one.plane != plane) continue;
    for (std::size_t page = 0; page < (directory.*one.pages).size(); ++page)
      out.push_back(one.want(segment, page));
  }
  return out;
}

Status parse_rows(const PageWant& want, ByteView bytes, VectorBlock* vectors, CodeList* codes) {
  const SegmentDirectory& directory = want.file->directory;
  Status sound;
  if (want.rows == PageWant::Rows::kVectors) {
    const Result<VectorBlock> parsed = VectorBlock::parse(bytes, want.first, directory);
    if (parsed.ok()) *vectors = *parsed;
    sound = parsed.ok() ? Status() : Status(parsed.error());
  } else if (want.rows == PageWant::Rows::kCodes) {
    const Result<CodeList> parsed = CodeList::parse(bytes, want.first, directory);
    if (parsed.ok()) *codes = *parsed;
    sound = parsed.ok() ? Status() : Status(parsed.error());
  } else if (want.rows == PageWant::Rows::kRefine) {
    sound = parse_refine_block(bytes, want.first, directory);
  }
  if (sound.ok()) return {};
  return Error{sound.code(), str_cat(want.file->key, ": ", sound.error().message)};
}

std::vector<Result<BlockPtr>> PageReader::read(const Head& head, std::span<const PageWant> wants,
                                               SearchTrace* trace, Deadline deadline, Keep keep) {
  std::vector<BlockCache::Key> keys;
  keys.reserve(wants.size());
  for (const PageWant& want : wants) keys.push_back({want.file->id, want.page.offset});
  std::vector<Result<BlockPtr>> out;
  out.reserve(wants.size());
  std::vector<std::size_t> missing;
  for (BlockPtr& known : cache_.find(keys)) {
    if (known == nullptr) missing.push_back(out.size());
    out.emplace_back(std::move(known));
  }
  if (missing.empty()) return out;
  std::sort(missing.begin(), missing.end(), [&](std::size_t a, std::size_t b) {
    if (keys[a].file != keys[b].file) return keys[a].file < keys[b].file;
    return keys[a].offset < keys[b].offset;
  });
  std::vector<std::size_t> distinct;
  std::unique_copy(missing.begin(), missing.end(), std::back_inserter(distinct),
                   [&](std::size_t a, std::size_t b) { return same_page(wants[a], wants[b]); });
  const std::vector<std::size_t> absent = find_on_disk(wants, distinct, out, trace);
  if (!absent.empty()) fetch(head, wants, absent, out, trace, deadline);
  std::vector<std::size_t> again;
  for (const std::size_t i : absent) {
    if (!out[i].ok() && out[i].code() == Code::kCorrupt) again.push_back(i);
  }
  if (!again.empty()) fetch(head, wants, again, out, trace, deadline);
  keep_on_disk(wants, absent, out, keep);
  std::vector<BlockCache::Entry> fresh;
  for (const std::size_t i : distinct) {
    if (out[i].ok()) fresh.push_back({keys[i], *out[i]});
  }
  cache_.insert(std::move(fresh), keep);
  std::size_t first = missing.front();
  for (const std::size_t i : missing) {
    if (same_page(wants[i], wants[first])) {
      out[i] = out[first];
    } else {
      first = i;
    }
  }
  return out;
}

std::vector<std::size_t> PageReader::find_on_disk(std::span<const PageWant> wants,
                                                  const std::vector<std::size_t>& missing,
                                                  std::vector<Result<BlockPtr>>& out,
                                                  SearchTrace* trace) {
  if (disk_ == nullptr) return missing;
  std::vector<BlockName> names;
  names.reserve(missing.size());
  for (const std::size_t i : missing) names.push_back(block_name(wants[i].file->id, wants[i].page));
  std::vector<std::optional<Bytes>> found = disk_->find(names);
  executor_.parallel_for(missing.size(), [&](std::size_t m) {
    const std::size_t i = missing[m];
    if (found[m]) out[i] = parse_block(wants[i], *std::move(found[m]));
  });
  std::vector<std::size_t> absent;
  for (const std::size_t i : missing) {
    // An error: the checksum holds, and yet it cannot be read. The store's copy decides.
    if (!out[i].ok() || *out[i] == nullptr) {
      absent.push_back(i);
    } else if (trace != nullptr) {
      ++trace->disk_blocks;
      trace->disk_bytes += (*out[i])->bytes.size();
    }
  }
  return absent;
}

void PageReader::keep_on_disk(std::span<const PageWant> wants,
                              const std::vector<std::size_t>& fetched,
                              const std::vector<Result<BlockPtr>>& out, Keep keep) {
  if (disk_ == nullptr || keep == Keep::kNever) return;
  std::vector<BlockEntry> entries;
  for (const std::size_t i : fetched) {
    if (!out[i].ok()) continue;
    entries.push_back({block_name(wants[i].file->id, wants[i].page), (*out[i])->bytes});
  }
  disk_->insert(entries, keep == Keep::kAlways ? MakeRoom::kOldest : MakeRoom::kIdle);
}

void PageReader::fetch(const Head& head, std::span<const PageWant> wants,
                       const std::vector<std::size_t>& missing, std::vector<Result<BlockPtr>>& out,
                       SearchTrace* trace, Deadline deadline) {
  const std::vector<PageRange> ranges = coalesce(wants, missing);
  for (std::size_t first = 0; first < ranges.size();) {
    std::size_t end = first;
    std::uint64_t bytes = 0;
    do {
      bytes += ranges[end].end - ranges[end].begin;
      ++end;
    } while (end < ranges.size() && bytes + ranges[end].end - ranges[end].begin <= window_bytes_);
    fetch_round(head, wants, std::span(ranges).subspan(first, end - first), out, trace, deadline);
    first = end;
  }
}

void PageReader::fetch_round(const Head& head, std::span<const PageWant> wants,
                             std::span<const PageRange> ranges, std::vector<Result<BlockPtr>>& out,
                             SearchTrace* trace, Deadline deadline) {
  std::map<Id128, Error> lost;  // the head is read once for each file that is not there
  std::vector<ReadRequest> requests;
  for (const PageRange& range : ranges) {
    requests.push_back({.key = log_.path(range.file->key),
                        .offset = range.begin,
                        .length = range.end - range.begin,
                        .if_match = {},
                        .version_id = {}});
  }
  // What has come is checked and copied while the rest is on its way.
  std::vector<BlockPtr> early(wants.size());
  for (std::size_t r = 0; r < ranges.size(); ++r) {
    requests[r].arrived = [&, r](ByteView body) {
      for (const std::size_t i : ranges[r].wants) {
        Result<BlockPtr> block = enter(wants[i], body, ranges[r].begin);
        if (block.ok()) early[i] = *std::move(block);
      }
    };
  }
  const std::vector<Result<Blob>> blobs = log_.store().read(requests, deadline);
  if (trace != nullptr) {
    ++trace->rounds;
    trace->requests += requests.size();
  }
  // Which page of which answer: the unit of the checks that follow.
  std::vector<std::pair<std::size_t, std::size_t>> pages;
  for (std::size_t r = 0; r < ranges.size(); ++r) {
    const PageRange& range = ranges[r];
    if (blobs[r].ok()) {
      if (trace != nullptr) {
        trace->bytes += blobs[r]->body.size();
        trace->hedges += blobs[r]->hedged ? 1 : 0;
      }
      for (const std::size_t i : range.wants) {
        if (early[i] != nullptr) {
          out[i] = std::move(early[i]);
        } else {
          pages.emplace_back(r, i);
        }
      }
      continue;
    }
    Error error = blobs[r].error();
    if (error.code == Code::kNotFound) {
      const auto known = lost.find(range.file->id);
      error = known != lost.end() ? known->second
                                  : log_.explain_missing(head, range.file->key, deadline);
      lost.emplace(range.file->id, error);
    }
    if (error.code == Code::kInvalid) {
      error = {Code::kCorrupt,
               str_cat(range.file->key, ": the file is cut short: no offset ", range.begin)};
    }
    for (const std::size_t i : range.wants) out[i] = error;
  }
  parallel_ranges(executor_, pages.size(), kPagesPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t p = begin; p < end; ++p) {
      const auto [r, i] = pages[p];
      out[i] = enter(wants[i], blobs[r]->body, ranges[r].begin);
    }
  });
}

Result<std::vector<BlockPtr>> PageReader::read_all(const Head& head,
                                                   std::span<const PageWant> wants,
                                                   SearchTrace* trace, Deadline deadline,
                                                   Keep keep) {
  std::vector<Result<BlockPtr>> read_pages = read(head, wants, trace, deadline, keep);
  std::vector<BlockPtr> out;
  out.reserve(read_pages.size());
  for (Result<BlockPtr>& page : read_pages) out.push_back(KEDGE_TRY(std::move(page)));
  return out;
}

}  // namespace kedge
