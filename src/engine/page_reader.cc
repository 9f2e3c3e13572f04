#include "engine/page_reader.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::size_t kPagesPerTask = 16;

// One request, and which wants it answers.
struct Range {
  const SegmentFile* file = nullptr;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::vector<std::size_t> wants;
};

bool same_page(const PageWant& a, const PageWant& b) {
  return a.file->id == b.file->id && a.page.offset == b.page.offset;
}

// `missing`: in order of file and offset.
std::vector<Range> coalesce(std::span<const PageWant> wants,
                            const std::vector<std::size_t>& missing) {
  std::vector<Range> out;
  for (const std::size_t i : missing) {
    const PageRef& page = wants[i].page;
    const std::uint64_t end = page.offset + page.size;
    const bool joins = !out.empty() && out.back().file == wants[i].file &&
                       page.offset <= out.back().end + kMaxGap &&
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

// A checked page as it is kept. `body` begins at `begin` of the file.
Result<BlockPtr> enter(const PageWant& want, ByteView body, std::uint64_t begin) {
  const std::uint64_t at = want.page.offset - begin;
  const auto named = [&](const Error& error) {
    return Error{error.code, str_cat(want.file->key, ": ", error.message)};
  };
  if (at + want.page.size > body.size()) {
    return named({Code::kCorrupt,
                  str_cat(want.what, " at offset ", want.page.offset, ": the file is cut short")});
  }
  const ByteView bytes = body.subspan(at, want.page.size);
  if (const Status sound = check_page(want.page, bytes, want.what); !sound.ok())
    return named(sound.error());
  auto block = std::make_shared<Block>();
  block->bytes.assign(bytes.begin(), bytes.end());
  if (want.first_row) {
    Result<VectorBlock> vectors =
        VectorBlock::parse(block->bytes, *want.first_row, want.file->directory);
    if (!vectors.ok()) return named(vectors.error());
    block->vectors = *vectors;
  }
  return BlockPtr(std::move(block));
}

}  // namespace

PageWant docs_want(const Segment& segment, std::size_t page) {
  return {segment.file().get(), segment.directory().docs[page], "docs page"};
}

PageWant text_want(const Segment& segment, std::size_t page) {
  return {segment.file().get(), segment.directory().text[page], "text page"};
}

PageWant keys_want(const Segment& segment, std::size_t page) {
  return {segment.file().get(), segment.directory().keys[page], "keys page"};
}

PageWant vectors_want(const Segment& segment, std::size_t block) {
  return {segment.file().get(), segment.directory().vectors[block], "vector block",
          static_cast<std::uint32_t>(block * kVectorBlockRows)};
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
  fetch(head, wants, distinct, out, trace, deadline);
  std::vector<std::size_t> again;
  for (const std::size_t i : distinct) {
    if (!out[i].ok() && out[i].code() == Code::kCorrupt) again.push_back(i);
  }
  if (!again.empty()) fetch(head, wants, again, out, trace, deadline);
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

void PageReader::fetch(const Head& head, std::span<const PageWant> wants,
                       const std::vector<std::size_t>& missing, std::vector<Result<BlockPtr>>& out,
                       SearchTrace* trace, Deadline deadline) {
  const std::vector<Range> ranges = coalesce(wants, missing);
  std::map<Id128, Error> lost;  // the head is read once for each file that is not there
  std::vector<ReadRequest> requests;
  for (const Range& range : ranges) {
    requests.push_back({.key = log_.path(range.file->key),
                        .offset = range.begin,
                        .length = range.end - range.begin,
                        .if_match = {},
                        .version_id = {}});
  }
  const std::vector<Result<Blob>> blobs = log_.store().read(requests, deadline);
  if (trace != nullptr) {
    ++trace->rounds;
    trace->requests += requests.size();
  }
  // Which page of which answer: the unit of the checks that follow.
  std::vector<std::pair<std::size_t, std::size_t>> pages;
  for (std::size_t r = 0; r < ranges.size(); ++r) {
    const Range& range = ranges[r];
    if (blobs[r].ok()) {
      if (trace != nullptr) trace->bytes += blobs[r]->body.size();
      for (const std::size_t i : range.wants) pages.emplace_back(r, i);
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
  const std::size_t tasks = (pages.size() + kPagesPerTask - 1) / kPagesPerTask;
  executor_.parallel_for(tasks, [&](std::size_t task) {
    const std::size_t end = std::min(pages.size(), (task + 1) * kPagesPerTask);
    for (std::size_t p = task * kPagesPerTask; p < end; ++p) {
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
