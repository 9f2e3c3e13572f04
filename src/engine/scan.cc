#include "engine/scan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

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
      // Rows are numbered as chunks are, so the docs pages tell between which rows the objects lie.
      const std::size_t after = (std::size_t{range.end} - 1) / kDocsPageObjects + 1;
      const std::uint32_t first_row = directory.first_chunk_of_page[range.begin / kDocsPageObjects];
      const std::uint32_t end_row = after < directory.first_chunk_of_page.size()
                                        ? directory.first_chunk_of_page[after]
                                        : directory.rows;
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
  Scan(std::span<const ScanSegment> segments, const ScanQuery& query)
      : segments_(segments), query_(query) {}

  // The candidates of some blocks of one segment, in order of rows.
  void run(std::span<const ScanBlock> blocks, std::span<const BlockPtr> pages,
           std::vector<ScanCandidate>& out) const {
    const ScanSegment& segment = segments_[blocks.front().segment];
    float distances[kVectorBlockRows];
    auto range = segment.ranges.begin();
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const VectorBlock& block = pages[b]->vectors;
      measure(block, distances);
      for (std::uint32_t r = 0; r < block.row_count(); ++r) {
        const std::uint32_t object = block.row(r).object;
        while (range != segment.ranges.end() && range->end <= object) ++range;
        if (range == segment.ranges.end()) return;
        if (object < range->begin || segment.segment->is_dead(object)) continue;
        add(out, {.distance = distances[r],
                  .segment = blocks[b].segment,
                  .row = blocks[b].block * kVectorBlockRows + r,
                  .object = object});
      }
    }
  }

  void add(std::vector<ScanCandidate>& out, const ScanCandidate& candidate) const {
    const bool same = query_.by_object && !out.empty() && out.back().segment == candidate.segment &&
                      out.back().object == candidate.object;
    if (!same) {
      out.push_back(candidate);
    } else if (candidate.distance < out.back().distance) {
      out.back() = candidate;
    }
  }

 private:
  void measure(const VectorBlock& block, float* distances) const {
    const Kernels& simd = kernels();
    const std::size_t dimension = query_.vector.size();
    const Metric metric = query_.space.metric;
    if (metric == Metric::kL2) {
      for (std::uint32_t r = 0; r < block.row_count(); ++r)
        distances[r] = simd.l2_f16(query_.vector.data(), block.row(r).values, dimension);
    } else {
      simd.dot_f16_rows(query_.vector.data(), block.values(), block.stride(), block.row_count(),
                        dimension, distances);
      if (metric == Metric::kCosine && !query_.space.normalised) divide_by_norms(block, distances);
      for (std::uint32_t r = 0; r < block.row_count(); ++r)
        distances[r] = metric == Metric::kCosine ? 1 - distances[r] : -distances[r];
    }
    for (std::uint32_t r = 0; r < block.row_count(); ++r) {
      if (std::isnan(distances[r])) distances[r] = std::numeric_limits<float>::infinity();
    }
  }

  void divide_by_norms(const VectorBlock& block, float* dots) const {
    std::vector<float> row(query_.vector.size());
    for (std::uint32_t r = 0; r < block.row_count(); ++r) {
      kernels().f16_to_f32(block.row(r).values, row.data(), row.size());
      double norm = 0;
      for (const float value : row) norm += double{value} * double{value};
      dots[r] = norm == 0 ? 0 : static_cast<float>(double{dots[r]} / std::sqrt(norm));
    }
  }

  std::span<const ScanSegment> segments_;
  const ScanQuery& query_;
};

// Blocks of one window, read; errors go to the segment they are of.
struct Window {
  std::vector<ScanBlock> blocks;
  std::vector<BlockPtr> pages;
};

void scan_window(const Scan& scan, Executor& executor, const Window& window,
                 std::vector<ScanCandidate>& out) {
  std::vector<std::pair<std::size_t, std::size_t>> tasks;  // begin and end in the window
  for (std::size_t i = 0; i < window.blocks.size(); ++i) {
    if (!tasks.empty() && tasks.back().second - tasks.back().first < kBlocksPerTask &&
        window.blocks[tasks.back().first].segment == window.blocks[i].segment) {
      ++tasks.back().second;
    } else {
      tasks.emplace_back(i, i + 1);
    }
  }
  std::vector<std::vector<ScanCandidate>> found(tasks.size());
  executor.parallel_for(tasks.size(), [&](std::size_t t) {
    const auto [begin, end] = tasks[t];
    scan.run(std::span(window.blocks).subspan(begin, end - begin),
             std::span(window.pages).subspan(begin, end - begin), found[t]);
  });
  // Rows of one object follow each other, also from task to task and from window to window.
  for (const std::vector<ScanCandidate>& some : found) {
    for (const ScanCandidate& candidate : some) scan.add(out, candidate);
  }
}

}  // namespace

ScanResult scan_segments(PageReader& reader, Executor& executor, const Head& head,
                         std::span<const ScanSegment> segments, const ScanQuery& query,
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
    for (; end < blocks.size() && bytes < kScanWindow; ++end) {
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
    scan_window(scan, executor, window, out.candidates);
    first = end;
  }
  std::erase_if(out.candidates,
                [&](const ScanCandidate& c) { return failed[c.segment].has_value(); });
  for (std::optional<Error>& error : failed) {
    if (error) out.errors.push_back(*std::move(error));
  }
  return out;
}

}  // namespace kedge
