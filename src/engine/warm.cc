#include "engine/warm.h"

#include <utility>

#include "engine/index_impl.h"
#include "engine/page_reader.h"
#include "store/disk_cache.h"

namespace kedge {
namespace {

// What a search reads first and most often stands first: where the limit is less than all, the last
// are left out.
constexpr struct {
  const char* name;
  Plane plane;
} kOrder[] = {
    {"codes", Plane::kCodes},    {"refine", Plane::kRefine}, {"attributes", Plane::kAttributes},
    {"docs", Plane::kDocs},      {"text", Plane::kText},     {"keys", Plane::kKeys},
    {"vectors", Plane::kVectors}};

class Warming {
 public:
  Warming(PageReader& reader, DiskCache& disk, const Snapshot& snapshot, const WarmOptions& options,
          Deadline deadline)
      : reader_(reader),
        disk_(disk),
        snapshot_(snapshot),
        options_(options),
        deadline_(deadline),
        left_bytes_(disk.usable_bytes()) {}

  Result<WarmReport> run() {
    for (const SegmentPtr& segment : snapshot_.segments()) {
      if (segment->damage()) out_.unreadable.push_back(segment->damage()->message);
    }
    for (const auto& plane : kOrder) plan(plane.name, plane.plane);
    close_window();
    if (options_.dry_run) return std::move(out_);
    std::uint64_t done = 0;
    for (const std::vector<PageWant>& window : windows_) {
      if (options_.progress) options_.progress(done, out_.bytes_read);
      out_.stopped = options_.stop.stop_requested();
      if (out_.stopped) break;
      KEDGE_TRY(read(window));
      for (const PageWant& want : window) done += want.page.size;
    }
    if (options_.progress && !out_.stopped) options_.progress(done, out_.bytes_read);
    out_.blocks_read = read_blocks_;
    out_.bytes_read = read_bytes_;
    out_.requests = trace_.requests;
    out_.request_bytes = trace_.bytes;
    return std::move(out_);
  }

 private:
  void plan(const char* name, Plane which) {
    WarmPlane plane;
    plane.name = name;
    for (const SegmentPtr& segment : snapshot_.segments()) {
      std::vector<PageWant> wants;
      for (const PageWant& want : plane_wants(*segment, which)) {
        const std::uint64_t size = want.page.size;
        ++plane.blocks;
        plane.bytes += size;
        const std::uint64_t cost = DiskCache::cost_bytes(size);
        if (disk_.keeps(size) && cost <= left_bytes_) {
          left_bytes_ -= cost;
          wants.push_back(want);
          continue;
        }
        ++plane.blocks_left_out;
        plane.bytes_left_out += size;
      }
      take_absent(wants, plane);
    }
    out_.planes.push_back(std::move(plane));
  }

  void take_absent(const std::vector<PageWant>& wants, WarmPlane& plane) {
    const std::vector<bool> there = disk_.contains(names_of(wants));
    for (std::size_t i = 0; i < wants.size(); ++i) {
      const std::uint64_t size = wants[i].page.size;
      if (there[i]) {
        ++plane.blocks_there;
        plane.bytes_there += size;
        continue;
      }
      ++out_.blocks_read;
      out_.bytes_read += size;
      if (window_bytes_ + size > reader_.window_bytes()) close_window();
      window_bytes_ += size;
      window_.push_back(wants[i]);
    }
  }

  void close_window() {
    if (window_.empty()) return;
    const RequestCount count = count_requests(window_);
    out_.requests += count.requests;
    out_.request_bytes += count.bytes;
    windows_.push_back(std::exchange(window_, {}));
    window_bytes_ = 0;
  }

  // A page that is damaged or lost is named and left out; anything else ends it.
  Status read(const std::vector<PageWant>& window) {
    const std::vector<Result<BlockPtr>> blocks =
        reader_.read(*snapshot_.head(), window, &trace_, deadline_, Keep::kAlways);
    std::vector<PageWant> sound;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i].ok()) {
        sound.push_back(window[i]);
        read_bytes_ += window[i].page.size;
        continue;
      }
      if (blocks[i].code() != Code::kCorrupt) return blocks[i].error();
      out_.unreadable.push_back(blocks[i].error().message);
    }
    read_blocks_ += sound.size();
    for (const bool there : disk_.contains(names_of(sound))) out_.blocks_lost += there ? 0 : 1;
    return {};
  }

  static std::vector<BlockName> names_of(const std::vector<PageWant>& wants) {
    std::vector<BlockName> names;
    names.reserve(wants.size());
    for (const PageWant& want : wants) names.push_back(block_name(want.file->id, want.page));
    return names;
  }

  PageReader& reader_;
  DiskCache& disk_;
  const Snapshot& snapshot_;
  const WarmOptions& options_;
  const Deadline deadline_;
  std::uint64_t left_bytes_;  // of what the cache keeps
  WarmReport out_;
  SearchTrace trace_;
  std::uint64_t read_blocks_ = 0, read_bytes_ = 0;
  std::vector<std::vector<PageWant>> windows_;  // rounds of requests
  std::vector<PageWant> window_;
  std::uint64_t window_bytes_ = 0;
};

}  // namespace

Result<WarmReport> IndexImpl::warm(const SnapshotPtr& snapshot, const WarmOptions& options,
                                   Deadline deadline) {
  if (options_.disk_cache == nullptr)
    return {Code::kUnsupported, "there is no disk cache to read into"};
  if (!options.dry_run) mark_opened();
  return Warming(reader_, *options_.disk_cache, *snapshot, options, deadline).run();
}

}  // namespace kedge
