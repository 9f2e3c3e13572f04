#include "engine/page_reader.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace kedge {
namespace {

// One request, and which wants it answers.
struct Range {
  const SegmentFile* file = nullptr;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::vector<std::size_t> wants;
};

std::vector<Range> coalesce(std::span<const PageWant> wants, std::vector<std::size_t> missing) {
  std::sort(missing.begin(), missing.end(), [&](std::size_t a, std::size_t b) {
    if (wants[a].file != wants[b].file) return wants[a].file->id < wants[b].file->id;
    return wants[a].page.offset < wants[b].page.offset;
  });
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

// A checked page as it is kept.
Result<BlockPtr> enter(const PageWant& want, ByteView bytes) {
  auto block = std::make_shared<Block>();
  block->bytes.assign(bytes.begin(), bytes.end());
  if (want.first_row) {
    Result<VectorBlock> vectors =
        VectorBlock::parse(block->bytes, *want.first_row, want.file->directory);
    if (!vectors.ok())
      return Error{vectors.code(), str_cat(want.file->key, ": ", vectors.error().message)};
    block->vectors = *vectors;
  }
  return BlockPtr(std::move(block));
}

}  // namespace

std::vector<Result<BlockPtr>> PageReader::read(const Head& head, std::span<const PageWant> wants,
                                               SearchTrace* trace, Deadline deadline) {
  std::vector<Result<BlockPtr>> out(wants.size(), Result<BlockPtr>(BlockPtr()));
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < wants.size(); ++i) {
    BlockPtr known = cache_.find(wants[i].file->id, wants[i].page.offset);
    if (known == nullptr) missing.push_back(i);
    out[i] = std::move(known);
  }
  if (missing.empty()) return out;
  const std::vector<Range> ranges = coalesce(wants, std::move(missing));
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
  for (std::size_t r = 0; r < ranges.size(); ++r) {
    const Range& range = ranges[r];
    if (!blobs[r].ok()) {
      Error error = blobs[r].error();
      if (error.code == Code::kNotFound)
        error = log_.explain_missing(head, range.file->key, deadline);
      if (error.code == Code::kInvalid) error.code = Code::kCorrupt;  // shorter than the head says
      for (const std::size_t i : range.wants) out[i] = error;
      continue;
    }
    const ByteView body = blobs[r]->body;
    if (trace != nullptr) trace->bytes += body.size();
    for (const std::size_t i : range.wants) {
      const PageRef& page = wants[i].page;
      const std::uint64_t at = page.offset - range.begin;
      if (at + page.size > body.size()) {
        out[i] = Error{Code::kCorrupt, str_cat(range.file->key, ": ", wants[i].what, " at offset ",
                                               page.offset, ": the file is cut short")};
        continue;
      }
      const ByteView bytes = body.subspan(at, page.size);
      const Status sound = check_page(page, bytes, wants[i].what);
      if (!sound.ok()) {
        out[i] = Error{sound.code(), str_cat(range.file->key, ": ", sound.error().message)};
        continue;
      }
      out[i] = enter(wants[i], bytes);
      if (out[i].ok()) cache_.insert(range.file->id, page.offset, *out[i]);
    }
  }
  return out;
}

Result<std::vector<BlockPtr>> PageReader::read_all(const Head& head,
                                                   std::span<const PageWant> wants,
                                                   SearchTrace* trace, Deadline deadline) {
  std::vector<Result<BlockPtr>> read_pages = read(head, wants, trace, deadline);
  std::vector<BlockPtr> out;
  out.reserve(read_pages.size());
  for (Result<BlockPtr>& page : read_pages) out.push_back(KEDGE_TRY(std::move(page)));
  return out;
}

}  // namespace kedge
