#include "engine/few_objects.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "engine/exact_distance.h"

namespace kedge {
namespace {

class FewObjects {
 public:
  FewObjects(PageReader& reader, const Head& head, std::span<const ScanSegment> segments,
             const ExactScan& query, SearchTrace* trace, Deadline deadline)
      : reader_(reader),
        head_(head),
        segments_(segments),
        query_(query),
        trace_(trace),
        deadline_(deadline),
        failed_(segments.size()) {}

  std::optional<ScanResult> run() {
    find_chunks();
    if (rows_.size() > kFewChunks) return std::nullopt;
    find_rows();
    measure();
    ScanResult out;
    for (const RowHit& row : rows_) {
      if (!failed_[row.segment]) out.rows.push_back(row);
    }
    if (query_.by_object) keep_nearest(out.rows);
    for (std::optional<Error>& error : failed_) {
      if (error) out.errors.push_back(*std::move(error));
    }
    if (trace_ != nullptr) trace_->rows_scanned += rows_.size();
    return out;
  }

 private:
  const Segment& segment_of(const RowHit& row) const { return *segments_[row.segment].segment; }
  std::vector<Result<BlockPtr>> read(std::span<const PageWant> wants) {
    return reader_.read(head_, wants, trace_, deadline_);
  }
  void fail(std::uint32_t segment, Error error) {
    if (!failed_[segment]) failed_[segment] = std::move(error);
  }
  Error corrupt(const RowHit& row, std::string_view what) const {
    return {Code::kCorrupt, str_cat(segment_of(row).file()->key, ": ", what)};
  }

  // Which chunks the objects have. Of a row `row` is the chunk's number in the segment until
  // find_rows().
  void find_chunks() {
    std::vector<RowHit> objects;
    std::vector<PageWant> wants;
    for (std::uint32_t s = 0; s < segments_.size(); ++s) {
      const std::uint32_t count = segments_[s].segment->directory().objects;
      for (std::uint32_t first = 0; first < count; first += 64) {
        std::uint64_t in_scope = ~segments_[s].excluded[first / 64];
        if (count - first < 64) in_scope &= (std::uint64_t{1} << (count - first)) - 1;
        for (; in_scope != 0; in_scope &= in_scope - 1) {
          RowHit hit;
          hit.segment = s;
          hit.object = first + static_cast<std::uint32_t>(std::countr_zero(in_scope));
          objects.push_back(hit);
          wants.push_back(docs_want(*segments_[s].segment, hit.object / kDocsPageObjects));
        }
      }
    }
    const std::vector<Result<BlockPtr>> pages = read(wants);
    for (std::size_t i = 0; i < objects.size() && rows_.size() <= kFewChunks; ++i) {
      RowHit hit = objects[i];
      const Segment& segment = segment_of(hit);
      if (!pages[i].ok()) {
        fail(hit.segment, pages[i].error());
        continue;
      }
      const Result<DocsEntry> entry =
          parse_docs_entry((*pages[i])->bytes, hit.object % kDocsPageObjects, segment.directory());
      if (!entry.ok()) {
        fail(hit.segment, corrupt(hit, entry.error().message));
        continue;
      }
      for (hit.chunk = 0; hit.chunk < entry->chunk_count && rows_.size() <= kFewChunks;
           ++hit.chunk) {
        hit.row = entry->first_chunk + hit.chunk;
        rows_.push_back(hit);
      }
    }
  }

  void find_rows() {
    std::vector<PageWant> wants;
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (segment_of(rows_[i]).directory().rows_are_chunks()) continue;
      wants.push_back(text_want(segment_of(rows_[i]), rows_[i].row / kTextPageChunks));
      rows.push_back(i);
    }
    const std::vector<Result<BlockPtr>> pages = read(wants);
    std::map<const Block*, std::vector<TextEntry>> texts;
    for (std::size_t w = 0; w < rows.size(); ++w) {
      RowHit& hit = rows_[rows[w]];
      if (!pages[w].ok()) {
        fail(hit.segment, pages[w].error());
        continue;
      }
      const Block& page = **pages[w];
      const std::uint32_t first = hit.row / kTextPageChunks * kTextPageChunks;
      auto text = texts.find(&page);
      if (text == texts.end()) {
        auto parsed = parse_text_page(page.bytes, first, segment_of(hit).directory());
        if (!parsed.ok()) {
          fail(hit.segment, corrupt(hit, parsed.error().message));
          continue;
        }
        text = texts.emplace(&page, *std::move(parsed)).first;
      }
      const std::uint32_t row = text->second[hit.row - first].row;
      if (row >= segment_of(hit).directory().rows) {
        fail(hit.segment, corrupt(hit, str_cat("chunk ", hit.row, " is said to be row ", row)));
        continue;
      }
      hit.row = row;
    }
    std::erase_if(rows_, [&](const RowHit& row) { return failed_[row.segment].has_value(); });
  }

  void measure() {
    std::vector<std::optional<Error>> errors = measure_rows(
        reader_, head_, segments_, query_.vector, query_.space, rows_, trace_, deadline_);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (errors[i]) fail(rows_[i].segment, *std::move(errors[i]));
    }
  }

  // Rows of an object follow each other.
  static void keep_nearest(std::vector<RowHit>& rows) {
    std::vector<RowHit> out;
    for (const RowHit& row : rows) {
      const bool same =
          !out.empty() && out.back().segment == row.segment && out.back().object == row.object;
      if (!same) {
        out.push_back(row);
      } else if (row < out.back()) {
        out.back() = row;
      }
    }
    rows = std::move(out);
  }

  PageReader& reader_;
  const Head& head_;
  std::span<const ScanSegment> segments_;
  const ExactScan& query_;
  SearchTrace* trace_;
  Deadline deadline_;
  std::vector<RowHit> rows_;
  std::vector<std::optional<Error>> failed_;  // of each segment
};

}  // namespace

std::optional<ScanResult> scan_few_objects(PageReader& reader, const Head& head,
                                           std::span<const ScanSegment> segments,
                                           const ExactScan& query, SearchTrace* trace,
                                           Deadline deadline) {
  return FewObjects(reader, head, segments, query, trace, deadline).run();
}

std::vector<std::optional<Error>> measure_rows(PageReader& reader, const Head& head,
                                               std::span<const ScanSegment> segments,
                                               std::span<const float> vector, const Space& space,
                                               std::span<RowHit> rows, SearchTrace* trace,
                                               Deadline deadline) {
  std::vector<std::optional<Error>> out(rows.size());
  const ExactDistance exact(vector, space);
  std::vector<PageWant> wants;
  std::vector<std::size_t> missing;
  const std::size_t block_bytes = vector_block_bytes(kVectorBlockRows, space.dimension);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Segment& segment = *segments[rows[i].segment].segment;
    const PlaneImage* image = segment.file()->image(Plane::kVectors);
    if (image == nullptr) {
      missing.push_back(i);
      wants.push_back(vectors_want(segment, rows[i].row / kVectorBlockRows));
      continue;
    }
    const std::byte* block = image->at(segment.directory().vectors[0].offset) +
                             rows[i].row / kVectorBlockRows * block_bytes;
    rows[i].distance =
        exact.of(vector_row_values(block, space.dimension, rows[i].row % kVectorBlockRows));
  }
  const std::size_t window = std::max<std::size_t>(1, reader.window_bytes() / block_bytes);
  for (std::size_t first = 0; first < wants.size(); first += window) {
    const auto some = std::span(wants).subspan(first, std::min(window, wants.size() - first));
    const std::vector<Result<BlockPtr>> blocks = reader.read(head, some, trace, deadline);
    for (std::size_t i = 0; i < some.size(); ++i) {
      const std::size_t at = missing[first + i];
      RowHit& row = rows[at];
      if (blocks[i].ok()) {
        row.distance = exact.of((*blocks[i])->vectors.row(row.row % kVectorBlockRows).values);
      } else {
        out[at] = blocks[i].error();
      }
    }
  }
  return out;
}

}  // namespace kedge
