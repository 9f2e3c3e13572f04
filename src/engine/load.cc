// Planes of rows whole in memory. What is read is checked page by page, as the page reader does.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"

namespace kedge {
namespace {

constexpr std::uint64_t kReadBytes = 8ULL << 20;
constexpr std::size_t kReadsAtOnce = 8;

class PlaneLoad {
 public:
  PlaneLoad(IndexImpl& index, const Snapshot& snapshot, const Segment& segment, Plane plane,
            Deadline deadline)
      : index_(index),
        snapshot_(snapshot),
        segment_(segment),
        plane_(plane),
        deadline_(deadline),
        image_(std::make_unique<PlaneImage>(segment.directory().plane(plane))) {}

  Status run() {
    const Extent& extent = image_->extent();
    for (std::uint64_t at = 0; at < extent.size;) {
      std::vector<ReadRequest> requests;
      std::vector<std::uint64_t> offsets;
      for (; at < extent.size && requests.size() < kReadsAtOnce; at += kReadBytes) {
        requests.push_back({.key = index_.log().path(segment_.file()->key),
                            .offset = extent.offset + at,
                            .length = std::min(kReadBytes, extent.size - at),
                            .if_match = {},
                            .version_id = {}});
        offsets.push_back(at);
      }
      const std::vector<Result<Blob>> blobs = index_.log().store().read(requests, deadline_);
      for (std::size_t r = 0; r < requests.size(); ++r)
        KEDGE_TRY(take(blobs[r], offsets[r], *requests[r].length));
    }
    KEDGE_TRY(check());
    segment_.file()->keep_image(plane_, std::move(image_));
    return {};
  }

 private:
  Status take(const Result<Blob>& blob, std::uint64_t at, std::uint64_t size) {
    const std::string& key = segment_.file()->key;
    if (!blob.ok()) {
      if (blob.code() == Code::kNotFound)
        return index_.log().explain_missing(*snapshot_.head(), key, deadline_);
      return blob.error();
    }
    if (blob->body.size() != size) return {Code::kCorrupt, str_cat(key, ": the file is cut short")};
    std::copy(blob->body.begin(), blob->body.end(), image_->data() + at);
    return {};
  }

  Status check() {
    const std::vector<PageWant> pages = plane_wants(segment_, plane_);
    std::vector<Status> found(pages.size());
    index_.environment().executor.parallel_for(pages.size(), [&](std::size_t p) {
      const PageWant& want = pages[p];
      const ByteView bytes(image_->at(want.page.offset), want.page.size);
      found[p] = check_page(want.page, bytes, want.what);
      VectorBlock vectors;
      CodeList codes;
      if (found[p].ok()) {
        found[p] = parse_rows(want, bytes, &vectors, &codes);
      } else {
        found[p] = Error{Code::kCorrupt, str_cat(want.file->key, ": ", found[p].error().message)};
      }
    });
    for (Status& status : found) KEDGE_TRY(std::move(status));
    return {};
  }

  IndexImpl& index_;
  const Snapshot& snapshot_;
  const Segment& segment_;
  Plane plane_;
  Deadline deadline_;
  std::unique_ptr<PlaneImage> image_;
};

}  // namespace

namespace {

constexpr Plane kOfSearches[] = {Plane::kCodes, Plane::kRefine};
// One search, whatever it looks at, counts for at most this part of the codes: a process that asks
// once and ends loads nothing.
constexpr std::uint64_t kLeastSearches = 8;

// Of a snapshot's planes what `max_bytes` have room for, in this order.
struct Choice {
  std::uint64_t bytes = 0;  // with what is in memory already
  std::vector<std::pair<SegmentPtr, Plane>> absent;
};

Choice choose(const Snapshot& snapshot, std::span<const Plane> planes, std::uint64_t max_bytes) {
  Choice out;
  for (const Plane plane : planes) {
    for (const SegmentPtr& segment : snapshot.segments()) {
      if (segment->damage()) continue;
      const std::uint64_t size = segment->directory().plane(plane).size;
      if (size == 0) continue;
      const bool there = segment->file()->image(plane) != nullptr;
      if (!there && out.bytes + size > max_bytes) continue;
      if (!there) out.absent.emplace_back(segment, plane);
      out.bytes += size;
    }
  }
  return out;
}

}  // namespace

Result<std::uint64_t> IndexImpl::load(const SnapshotPtr& snapshot, std::uint64_t max_bytes,
                                      Deadline deadline) {
  constexpr Plane kAll[] = {Plane::kCodes, Plane::kRefine, Plane::kVectors};
  const Choice chosen = choose(*snapshot, kAll, max_bytes);
  for (const auto& [segment, plane] : chosen.absent)
    KEDGE_TRY(PlaneLoad(*this, *snapshot, *segment, plane, deadline).run());
  return chosen.bytes;
}

void IndexImpl::load_if_used(const SnapshotPtr& snapshot, std::uint64_t searches,
                             std::uint64_t rows, Deadline deadline) {
  if (options_.plane_bytes == 0) return;
  const Choice chosen = choose(*snapshot, kOfSearches, options_.plane_bytes);
  if (chosen.absent.empty()) return;
  std::uint64_t codes = 0;
  std::uint64_t all_rows = 0;
  for (const SegmentPtr& segment : snapshot->segments()) {
    if (segment->damage()) continue;
    codes += segment->directory().plane(Plane::kCodes).size;
    all_rows += segment->directory().rows;
  }
  if (all_rows == 0) return;
  const std::uint64_t looked_at =
      std::min(rows * (codes / all_rows), searches * (codes / kLeastSearches));
  if (looked_at_.fetch_add(looked_at) + looked_at < codes / kLeastSearches * kLeastSearches ||
      loading_.exchange(true))
    return;
  looked_at_ = 0;
  for (const auto& [segment, plane] : chosen.absent) {
    const Status loaded = PlaneLoad(*this, *snapshot, *segment, plane, deadline).run();
    if (loaded.ok()) continue;
    // Searches do without, and as many of them later it is tried again.
    log_.log().debug(str_cat("planes are not taken into memory: ", loaded.error().message));
    break;
  }
  loading_ = false;
}

}  // namespace kedge
