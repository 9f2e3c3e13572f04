#include "engine/scan.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "engine/exact_distance.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kBlocksPerTask = 16;

// A block of vectors that holds rows in scope.
struct ScanBlock {
  std::uint32_t segment = 0;
  std::uint32_t block = 0;
};

// Blocks in order of segment and row.
std::vector<ScanBlock> blocks_in_scope(std::span<const ScanSegment> segments) {
  std::vector<ScanBlock> out;
  for (std::uint32_t s = 0; s < segments.size(); ++s) {
    const SegmentDirectory& directory = segments[s].segment->directory();
    std::uint32_t next = 0;
    for (const NumberRange& range : segments[s].ranges) {
      std::uint32_t first_row = 0;
      std::uint32_t end_row = directory.rows;
      // Where rows are numbered as chunks are, the docs pages tell between which rows objects lie.
      if (directory.rows_are_chunks()) {
        const std::size_t after = (std::size_t{range.end} - 1) / kDocsPageObjects + 1;
        first_row = directory.first_chunk_of_page[range.begin / kDocsPageObjects];
        if (after < directory.first_chunk_of_page.size())
          end_row = directory.first_chunk_of_page[after];
      }
      for (next = std::max(next, first_row / kVectorBlockRows);
           std::uint64_t{next} * kVectorBlockRows < end_row; ++next) {
        out.push_back({s, next});
      }
    }
  }
  return out;
}

class Scan {
 public:
  Scan(std::span<const ScanSegment> segments, const ExactScan& query)
      : segments_(segments), query_(query), exact_(query.vector, query.space) {}

  // The rows in scope of some blocks of one segment, in order.
  void run(std::span<const ScanBlock> blocks, std::span<const BlockPtr> pages,
           std::vector<RowHit>& out) const {
    const ScanSegment& segment = segments_[blocks.front().segment];
    float distances[kVectorBlockRows];
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const VectorBlock& block = pages[b]->vectors;
      measure(block, distances);
      for (std::uint32_t r = 0; r < block.row_count(); ++r) {
        const VectorRow row = block.row(r);
        if ((segment.excluded[row.object / 64] >> (row.object % 64) & 1) != 0) continue;
        add(out, {.distance = distances[r],
                  .segment = blocks[b].segment,
                  .row = blocks[b].block * kVectorBlockRows + r,
                  .object = row.object,
                  .chunk = row.chunk});
      }
    }
  }

  // Rows of one object that follow each other are one here; others wait for one_an_object().
  void add(std::vector<RowHit>& out, const RowHit& hit) const {
    const bool same = query_.by_object && !out.empty() && out.back().segment == hit.segment &&
                      out.back().object == hit.object;
    if (!same) {
      out.push_back(hit);
    } else if (hit < out.back()) {
      out.back() = hit;
    }
  }

 private:
  void measure(const VectorBlock& block, float* distances) const {
    if (query_.space.metric == Metric::kL2) {
      for (std::uint32_t r = 0; r < block.row_count(); ++r)
        distances[r] = exact_.of(block.row(r).values);
      return;
    }
    kernels().dot_f16_rows(query_.vector.data(), block.values(), block.stride(), block.row_count(),
                           query_.vector.size(), distances);
    for (std::uint32_t r = 0; r < block.row_count(); ++r)
      distances[r] = exact_.of_dot(distances[r], block.row(r).values);
  }

  std::span<const ScanSegment> segments_;
  const ExactScan& query_;
  ExactDistance exact_;
};

// On a tree the rows of an object lie in several lists.
void one_an_object(std::span<const ScanSegment> segments, std::vector<RowHit>& rows) {
  const bool scattered = std::any_of(
      segments.begin(), segments.end(),
      [](const ScanSegment& segment) { return !segment.segment->directory().rows_are_chunks(); });
  if (!scattered) return;
  const auto key = [](const RowHit& hit) { return std::pair(hit.segment, hit.object); };
  std::sort(rows.begin(), rows.end(), [&](const RowHit& a, const RowHit& b) {
    return key(a) != key(b) ? key(a) < key(b) : a < b;
  });
  rows.erase(std::unique(rows.begin(), rows.end(),
                         [&](const RowHit& a, const RowHit& b) { return key(a) == key(b); }),
             rows.end());
}

// Blocks of one window, read; errors go to the segment they are of.
struct Window {
  std::vector<ScanBlock> blocks;
  std::vector<BlockPtr> pages;
};

void scan_window(const Scan& scan, Executor& executor, const Window& window,
                 std::vector<RowHit>& out) {
  std::vector<std::pair<std::size_t, std::size_t>> tasks;  // begin and end in the window
  for (std::size_t i = 0; i < window.blocks.size(); ++i) {
    if (!tasks.empty() && tasks.back().second - tasks.back().first < kBlocksPerTask &&
        window.blocks[tasks.back().first].segment == window.blocks[i].segment) {
      ++tasks.back().second;
    } else {
      tasks.emplace_back(i, i + 1);
    }
  }
  std::vector<std::vector<RowHit>> found(tasks.size());
  executor.parallel_for(tasks.size(), [&](std::size_t t) {
    const auto [begin, end] = tasks[t];
    scan.run(std::span(window.blocks).subspan(begin, end - begin),
             std::span(window.pages).subspan(begin, end - begin), found[t]);
  });
  // Rows of one object follow each other, also from task to task and from window to window.
  for (const std::vector<RowHit>& some : found) {
    for (const RowHit& hit : some) scan.add(out, hit);
  }
}

}  // namespace

ScanSegment whole_segment(SegmentPtr segment) {
  ScanSegment out;
  out.in_scope = segment->directory().objects - segment->dead().size();
  out.ranges = {{0, segment->directory().objects}};
  out.excluded = segment->dead_bits();
  out.segment = std::move(segment);
  return out;
}

ScanSegment part_of_segment(SegmentPtr segment, std::vector<NumberRange> ranges) {
  ScanSegment out;
  const std::uint32_t objects = segment->directory().objects;
  out.narrowed.assign((std::size_t{objects} + 63) / 64, ~std::uint64_t{0});
  for (const NumberRange& range : ranges) {
    for (std::uint32_t object = range.begin; object < range.end; ++object) {
      if (segment->is_dead(object)) continue;
      out.narrowed[object / 64] &= ~(std::uint64_t{1} << (object % 64));
      ++out.in_scope;
    }
  }
  out.excluded = out.narrowed.data();
  out.ranges = std::move(ranges);
  out.segment = std::move(segment);
  return out;
}

ScanSegment objects_of_segment(SegmentPtr segment, const ObjectBitmap& objects) {
  ScanSegment out;
  const std::uint64_t* dead = segment->dead_bits();
  out.narrowed = objects.words();
  for (std::size_t i = 0; i < out.narrowed.size(); ++i) {
    const std::uint64_t live = out.narrowed[i] & ~dead[i];
    out.in_scope += static_cast<std::uint64_t>(std::popcount(live));
    out.narrowed[i] = ~live;
  }
  for (const ObjectRun& run : objects.runs()) out.ranges.push_back({run.begin, run.end});
  out.excluded = out.narrowed.data();
  out.segment = std::move(segment);
  return out;
}

ScanResult scan_segments(PageReader& reader, Executor& executor, const Head& head,
                         std::span<const ScanSegment> segments, const ExactScan& query,
                         SearchTrace* trace, Deadline deadline) {
  const std::vector<ScanBlock> blocks = blocks_in_scope(segments);
  const Scan scan(segments, query);
  std::vector<std::optional<Error>> failed(segments.size());
  ScanResult out;
  reader.begin_scan();
  for (std::size_t first = 0; first < blocks.size();) {
    std::vector<PageWant> wants;
    std::uint64_t bytes = 0;
    std::size_t end = first;
    for (; end < blocks.size() && bytes < reader.window_bytes(); ++end) {
      wants.push_back(vectors_want(*segments[blocks[end].segment].segment, blocks[end].block));
      bytes += wants.back().page.size;
    }
    std::vector<Result<BlockPtr>> pages = reader.read(head, wants, trace, deadline, Keep::kIfRoom);
    Window window;
    for (std::size_t i = 0; i < pages.size(); ++i) {
      const ScanBlock& block = blocks[first + i];
      if (pages[i].ok()) {
        window.blocks.push_back(block);
        window.pages.push_back(*std::move(pages[i]));
        if (trace != nullptr) trace->rows_scanned += window.pages.back()->vectors.row_count();
      } else if (!failed[block.segment]) {
        failed[block.segment] = pages[i].error();
      }
    }
    scan_window(scan, executor, window, out.rows);
    first = end;
  }
  std::erase_if(out.rows, [&](const RowHit& hit) { return failed[hit.segment].has_value(); });
  if (query.by_object) one_an_object(segments, out.rows);
  for (std::optional<Error>& error : failed) {
    if (error) out.errors.push_back(*std::move(error));
  }
  return out;
}

}  // namespace kedge
